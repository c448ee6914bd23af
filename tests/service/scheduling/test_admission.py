from __future__ import annotations

import asyncio

import pytest

from service.errors import Overloaded, ShuttingDown
from service.scheduling.admission import Admission
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


def test_drained_waits_for_what_is_inside() -> None:
    async def scenario() -> tuple[bool, bool]:
        admission = Admission(LIMITS)
        with admission.admit(1, 1):
            too_early = await admission.drained(0.01)
            waiting = asyncio.create_task(admission.drained(10))
            await asyncio.sleep(0)
        return too_early, await waiting

    assert asyncio.run(scenario()) == (False, True)
