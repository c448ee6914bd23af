"""Sentences are told as they are done, in order."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.catalogue.translator import Translator
from service.domain import FinishReason, Hypothesis, Priority, SentenceTranslation
from service.errors import DeadlineExceeded, ModelFailure
from service.scheduling.admission import Admission
from service.scheduling.job import Job
from service.settings import SchedulingSettings
from tests.service.api.reversing import ReversingEngine
from tests.service.test_translator import asking, translator_with, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def engine() -> ReversingEngine:
    return ReversingEngine()


@pytest.fixture
def translator(engine: ReversingEngine) -> Translator:
    return translator_with(engine, Admission(SchedulingSettings()))


def finish(job: Job) -> None:
    job.finish((Hypothesis(job.source_ids[::-1], 0.0, FinishReason.END),))


async def test_a_sentence_waits_for_those_before_it(
    translator: Translator, engine: ReversingEngine
) -> None:
    told: list[SentenceTranslation] = []
    engine.hold()
    work = asyncio.ensure_future(translator.translate(asking("a b\nc d\ne f"), told.append))
    await until(lambda: engine.waiting == 2)
    finish(engine.jobs[1])
    await asyncio.wrap_future(engine.jobs[1].result)
    assert told == []
    finish(engine.jobs[0])
    await until(lambda: len(told) == 2 and engine.waiting == 3)
    assert not work.done()
    assert [one.translations for one in told] == [("b a",), ("d c",)]
    assert [one.source_range for one in told] == [(0, 3), (4, 7)]
    finish(engine.jobs[2])
    (found,) = await work
    assert tuple(told) == found.sentences


async def test_what_is_watched_comes_first(translator: Translator, engine: ReversingEngine) -> None:
    text = "\n".join("a" * length for length in range(1, 6))
    await translator.translate(asking(text), lambda _: None)
    assert [job.priority for job in engine.jobs] == [Priority.INTERACTIVE] * 2 + [Priority.BULK] * 3
    engine.jobs.clear()
    asked = replace(asking(text), priority=Priority.BULK)
    await translator.translate(asked, lambda _: None)
    assert {job.priority for job in engine.jobs} == {Priority.BULK}


async def test_those_before_a_failure_are_told(
    translator: Translator, engine: ReversingEngine
) -> None:
    told: list[SentenceTranslation] = []
    engine.hold()
    work = asyncio.ensure_future(translator.translate(asking("a\nb\nc"), told.append))
    await until(lambda: engine.waiting == 2)
    finish(engine.jobs[0])
    await until(lambda: engine.waiting == 3)
    engine.jobs[1].fail(ModelFailure("no"))
    with pytest.raises(ModelFailure):
        await work
    assert [one.source for one in told] == ["a"]
    assert engine.jobs[2].abandoned


async def test_a_failure_of_the_first_is_the_end(
    translator: Translator, engine: ReversingEngine
) -> None:
    engine.failure = ModelFailure("no")
    with pytest.raises(ModelFailure):
        await translator.translate(asking("a\nb\nc\nd"), lambda _: None)


async def test_leaving_frees_what_is_under_way(
    translator: Translator, engine: ReversingEngine
) -> None:
    engine.hold()
    work = asyncio.ensure_future(translator.translate(asking("a\nb"), lambda _: None))
    await until(lambda: engine.waiting == 2)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert all(job.abandoned for job in engine.jobs)


async def test_a_deadline_ends_it(translator: Translator, engine: ReversingEngine) -> None:
    engine.hold()
    with pytest.raises(DeadlineExceeded):
        await translator.translate(asking("a\nb", seconds=0.01), lambda _: None)
    assert all(job.abandoned for job in engine.jobs)


class Late:
    """Answers its jobs in any order, one after the other."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._waiting: list[Job] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        self._waiting += jobs

    def _answer(self) -> None:
        job = self._waiting.pop(self._random.randrange(len(self._waiting)))
        finish(job)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._answer)


parts = st.sampled_from(["a", "b c", " ", "\n", "\r\n", "😀", "1", "{x}", "{y, z}", "<b>"])


@settings(deadline=None)
@given(st.lists(parts).map("".join), st.integers(0, 99))
def test_streamed_or_not_the_translation_is_the_same(text: str, seed: int) -> None:
    async def scenario() -> None:
        told: list[SentenceTranslation] = []
        admission = Admission(SchedulingSettings())
        translator = translator_with(Late(seed), admission, attention=False)
        asked = replace(asking(text), align=False, deadline=time.monotonic() + 10)
        assert await translator.translate(asked, told.append) == await translator.translate(asked)
        written, position = "", 0
        for one in told:  # what stands between sentences is in the text
            written += text[position : one.source_range[0]]
            assert len(written) == one.target_range[0]
            written += one.translations[0]
            position = one.source_range[1]
        (whole,) = await translator.translate(asked)
        assert written + text[position:] == whole.text

    asyncio.run(scenario())
