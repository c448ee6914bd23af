from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.domain import Priority
from service.errors import Overloaded, ShuttingDown
from service.metrics import Metrics
from service.scheduling.admission import LONGEST_RETRY_AFTER, Admission
from service.settings import SchedulingSettings

LIMITS = SchedulingSettings(max_waiting_items=3, max_waiting_characters=100)


def test_what_is_let_in_is_counted_until_it_leaves() -> None:
    admission = Admission(LIMITS)
    with admission.admit(2, 60):
        assert (admission.items, admission.characters) == (2, 60)
    assert (admission.items, admission.characters) == (0, 0)


@pytest.mark.parametrize(("items", "characters"), [(2, 1), (1, 41)])
def test_there_is_no_room_beyond_either_limit(items: int, characters: int) -> None:
    admission = Admission(LIMITS)
    with (
        admission.admit(2, 60),
        pytest.raises(Overloaded) as caught,
        admission.admit(items, characters),
    ):
        raise AssertionError("let in")
    assert caught.value.retry_after_seconds >= 1
    assert admission.items == 0


def test_a_request_larger_than_the_limit_is_let_in_alone() -> None:
    admission = Admission(LIMITS)
    with admission.admit(9, 1000):
        assert admission.items == 9


def test_a_closed_door_lets_nothing_in() -> None:
    admission = Admission(LIMITS)
    admission.close()
    with pytest.raises(ShuttingDown), admission.admit(1, 1):
        raise AssertionError("let in")


def test_bulk_requests_leave_room_for_interactive_ones() -> None:
    admission = Admission(SchedulingSettings(max_waiting_items=8, bulk_room=0.75))
    with ExitStack() as inside:
        inside.enter_context(admission.admit(6, 1, Priority.BULK))
        with pytest.raises(Overloaded), admission.admit(1, 1, Priority.BULK):
            raise AssertionError("let in")
        inside.enter_context(admission.admit(2, 1, Priority.INTERACTIVE))
        with pytest.raises(Overloaded), admission.admit(1, 1, Priority.INTERACTIVE):
            raise AssertionError("let in")
    with admission.admit(8, 1, Priority.BULK):
        assert admission.items == 8


def test_bulk_requests_leave_characters_too() -> None:
    admission = Admission(SchedulingSettings(max_waiting_characters=100, bulk_room=0.5))
    with (
        admission.admit(1, 50, Priority.BULK),
        pytest.raises(Overloaded, match="text"),
        admission.admit(1, 1, Priority.BULK),
    ):
        raise AssertionError("let in")


def refusals(metrics: Metrics) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["reason"], sample.labels["priority"]): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name == "seq2seq_rejections_total"
    }


def test_refusals_are_counted() -> None:
    metrics = Metrics()
    admission = Admission(LIMITS, metrics)
    with admission.admit(3, 60):
        with pytest.raises(Overloaded):
            admission.require_room()
        with pytest.raises(Overloaded), admission.admit(1, 1, Priority.BULK):
            raise AssertionError("let in")
    with (
        admission.admit(1, 60),
        pytest.raises(Overloaded),
        admission.admit(1, 50, Priority.INTERACTIVE),
    ):
        raise AssertionError("let in")
    admission.close()
    with pytest.raises(ShuttingDown):
        admission.require_room()
    assert refusals(metrics) == {
        ("items", "unread"): 1,
        ("items", "bulk"): 1,
        ("characters", "interactive"): 1,
        ("draining", "unread"): 1,
    }


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def retry_after(admission: Admission) -> int:
    with pytest.raises(Overloaded) as caught:
        admission.require_room()
    return caught.value.retry_after_seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def full(clock: Clock) -> Iterator[Admission]:
    """Ten texts are inside, and for a long time one has been answered every two seconds."""
    admission = Admission(SchedulingSettings(max_waiting_items=10), clock=clock)
    with admission.admit(9, 9):
        for _ in range(100):
            with admission.admit(1, 1):
                clock.now += 2
        with admission.admit(1, 1):
            yield admission


def test_whoever_is_refused_is_told_when_there_is_room(full: Admission) -> None:
    assert retry_after(full) == 2


def test_a_large_request_is_told_to_wait_for_more_room(full: Admission) -> None:
    with pytest.raises(Overloaded) as caught, full.admit(4, 4):
        raise AssertionError("let in")
    assert caught.value.retry_after_seconds == 8


def test_those_refused_are_told_to_come_back_one_after_the_other(full: Admission) -> None:
    assert [retry_after(full) for _ in range(5)] == [2, 4, 6, 8, 10]


def test_nobody_is_told_to_come_back_very_late(full: Admission) -> None:
    assert [retry_after(full) for _ in range(100)][-1] == LONGEST_RETRY_AFTER


def test_time_without_work_says_nothing_of_the_pace(clock: Clock) -> None:
    admission = Admission(SchedulingSettings(max_waiting_items=1), clock=clock)
    for _ in range(10):
        with admission.admit(1, 1):
            clock.now += 3
        clock.now += 10_000
    with admission.admit(1, 1):
        assert retry_after(admission) == 3


def test_drained_waits_for_what_is_inside() -> None:
    async def scenario() -> tuple[bool, bool]:
        admission = Admission(LIMITS)
        with admission.admit(1, 1):
            too_early = await admission.drained(0.01)
            waiting = asyncio.create_task(admission.drained(10))
            await asyncio.sleep(0)
        return too_early, await waiting

    assert asyncio.run(scenario()) == (False, True)
