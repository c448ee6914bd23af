from __future__ import annotations

import asyncio
import gc
import math
import weakref
from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from service.domain import DecodingOptions
from service.metrics import Metrics
from service.scheduling.answers import answers
from service.scheduling.cache import CachingDecoder
from service.scheduling.job import Job
from service.scheduling.timing import TimedDecoder


@pytest.fixture(autouse=True)
def no_garbage_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


class Echo:
    """Answers at once, and remembers what it was asked only as long as others do."""

    def __init__(self) -> None:
        self.results: list[weakref.ref[object]] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.results.append(weakref.ref(job.result))
            job.finish(())


def test_a_result_forgets_whoever_waited_for_it() -> None:
    job = Job((1, 2), DecodingOptions(), math.inf)
    result = weakref.ref(job.result)
    job.result.add_done_callback(partial(lambda job, result: None, job))
    job.finish(())
    del job
    assert result() is None


def test_nothing_is_left_of_a_sentence_for_the_garbage_collector() -> None:
    echo = Echo()
    decoder = CachingDecoder(TimedDecoder(echo, Metrics()), 1_000_000)
    job = Job((1, 2), DecodingOptions(), math.inf)
    assert asyncio.run(answers(decoder, [job])) == [()]
    del job
    assert [result() for result in echo.results] == [None]
