from __future__ import annotations

from collections import deque

import pytest

from service.domain import DecodingOptions
from service.errors import DeadlineExceeded
from service.scheduling.batcher import Bounds, take_joiners
from service.scheduling.job import Job

NOW = 100.0
ALL = 1000
WIDE = Bounds(rows=100, padded_tokens=1000, joining_tokens=1000)


def job(length: int, *, beam_size: int = 1, deadline: float = NOW + 1) -> Job:
    return Job(tuple(range(length)), DecodingOptions(beam_size=beam_size), deadline)


def lengths(jobs: list[Job]) -> list[int]:
    return [len(job.source_ids) for job in jobs]


def test_no_more_join_than_there_may() -> None:
    waiting = deque([job(3), job(5), job(4)])
    assert lengths(take_joiners(waiting, [], NOW, WIDE, 2)) == [3, 5]
    assert lengths(take_joiners(waiting, [job(1)], NOW, WIDE, 2)) == [4]


def test_a_batch_is_bounded_by_padded_tokens_and_keeps_the_order() -> None:
    waiting = deque(job(length) for length in (3, 5, 4, 9, 1))
    bounds = Bounds(rows=100, padded_tokens=15, joining_tokens=1000)
    assert lengths(take_joiners(waiting, [], NOW, bounds, ALL)) == [3, 5, 4]  # a fourth makes 4 × 9
    assert lengths(take_joiners(waiting, [], NOW, bounds, ALL)) == [9]
    assert lengths(take_joiners(waiting, [], NOW, bounds, ALL)) == [1]
    assert take_joiners(waiting, [], NOW, bounds, ALL) == []


def test_those_who_are_there_count() -> None:
    waiting = deque(job(length, beam_size=2) for length in (3, 3, 3))
    there = [job(5, beam_size=4)]
    by_rows = Bounds(rows=8, padded_tokens=1000, joining_tokens=1000)
    assert len(take_joiners(deque(waiting), there, NOW, by_rows, ALL)) == 2
    by_tokens = Bounds(rows=100, padded_tokens=14, joining_tokens=1000)
    assert len(take_joiners(deque(waiting), there, NOW, by_tokens, ALL)) == 1


@pytest.mark.parametrize(
    "many",
    [
        DecodingOptions(beam_size=1, num_hypotheses=4, sampling_topk=5),
        DecodingOptions(beam_size=1, num_hypotheses=4, return_alternatives=True),
    ],
    ids=["draws", "alternatives"],
)
def test_beside_a_sentence_of_many_searches_each_counts_as_many(many: DecodingOptions) -> None:
    wide = Job((1,), many, NOW + 1)
    bounds = Bounds(rows=12, padded_tokens=1000, joining_tokens=1000)
    waiting = deque([wide, *(job(1) for _ in range(9))])
    assert len(take_joiners(waiting, [], NOW, bounds, ALL)) == 3
    assert take_joiners(waiting, [wide, job(1), job(1)], NOW, bounds, ALL) == []
    assert take_joiners(deque([wide]), [job(1) for _ in range(3)], NOW, bounds, ALL) == []
    assert len(take_joiners(waiting, [job(1)], NOW, bounds, ALL)) == 7


def test_nobody_overtakes_one_that_does_not_fit_yet() -> None:
    waiting = deque([job(2, beam_size=6), job(2)])
    bounds = Bounds(rows=8, padded_tokens=1000, joining_tokens=1000)
    assert take_joiners(waiting, [job(2, beam_size=4)], NOW, bounds, ALL) == []
    assert len(take_joiners(waiting, [], NOW, bounds, ALL)) == 2


def test_few_tokens_join_at_once_but_at_least_one_sentence() -> None:
    waiting = deque(job(length) for length in (9, 3, 3, 3))
    bounds = Bounds(rows=100, padded_tokens=1000, joining_tokens=6)
    assert lengths(take_joiners(waiting, [], NOW, bounds, ALL)) == [9]
    assert lengths(take_joiners(waiting, [], NOW, bounds, ALL)) == [3, 3]


def test_a_sentence_larger_than_a_batch_goes_alone() -> None:
    waiting = deque([job(50, beam_size=9), job(1)])
    bounds = Bounds(rows=8, padded_tokens=10, joining_tokens=10)
    assert take_joiners(waiting, [job(1)], NOW, bounds, ALL) == []
    assert lengths(take_joiners(waiting, [], NOW, bounds, ALL)) == [50]


def test_nobody_has_more_company_than_it_may() -> None:
    waiting = deque(job(1) for _ in range(6))
    waiting[2].company = 4
    assert len(take_joiners(waiting, [], NOW, WIDE, ALL)) == 4
    there = [job(1)]
    there[0].company = 2
    assert len(take_joiners(waiting, there, NOW, WIDE, ALL)) == 1
    assert take_joiners(waiting, [job(1), job(1), *there], NOW, WIDE, ALL) == []


def test_late_sentences_fail_and_abandoned_ones_are_forgotten() -> None:
    late, left, good = job(1, deadline=NOW), job(2), job(3)
    left.result.cancel()
    assert take_joiners(deque([late, left, good]), [], NOW, WIDE, ALL) == [good]
    with pytest.raises(DeadlineExceeded):
        late.result.result(timeout=0)
    assert left.result.cancelled()
