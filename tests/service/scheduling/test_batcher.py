from __future__ import annotations

from collections import deque

import pytest

from service.domain import DecodingOptions
from service.errors import DeadlineExceeded
from service.scheduling.batcher import take_batch
from service.scheduling.job import Job
from service.settings import SchedulingSettings

NOW = 100.0


def job(length: int, *, beam_size: int = 1, deadline: float = NOW + 1) -> Job:
    return Job(tuple(range(length)), DecodingOptions(beam_size=beam_size), deadline)


def lengths(batch: list[Job]) -> list[int]:
    return [len(job.source_ids) for job in batch]


def test_a_batch_is_bounded_by_padded_tokens_and_keeps_the_order() -> None:
    waiting = deque(job(length) for length in (3, 5, 4, 9, 1))
    limits = SchedulingSettings(max_batch_tokens=15)
    assert lengths(take_batch(waiting, NOW, limits)) == [3, 5, 4]  # 3 × 5; a fourth makes 4 × 9
    assert lengths(take_batch(waiting, NOW, limits)) == [9]
    assert lengths(take_batch(waiting, NOW, limits)) == [1]
    assert take_batch(waiting, NOW, limits) == []


def test_a_batch_is_bounded_by_rows() -> None:
    waiting = deque(job(2, beam_size=beam_size) for beam_size in (4, 1, 4))
    limits = SchedulingSettings(max_batch_rows=8)
    assert len(take_batch(waiting, NOW, limits)) == 2
    assert len(waiting) == 1


def test_a_sentence_larger_than_a_batch_goes_alone() -> None:
    waiting = deque([job(50), job(1)])
    assert lengths(take_batch(waiting, NOW, SchedulingSettings(max_batch_tokens=10))) == [50]


def test_late_sentences_fail_and_abandoned_ones_are_forgotten() -> None:
    late, left, good = job(1, deadline=NOW), job(2), job(3)
    left.result.cancel()
    assert take_batch(deque([late, left, good]), NOW, SchedulingSettings()) == [good]
    with pytest.raises(DeadlineExceeded):
        late.result.result(timeout=0)
    assert left.result.cancelled()
