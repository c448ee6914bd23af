from __future__ import annotations

import math

import pytest

from service.scheduling.pace import MEMORY_SECONDS, Amount, Pace


def test_nothing_is_known_at_first() -> None:
    pace = Pace()
    pace.work(3)
    assert pace.seconds(Amount(1, 1, 1)) == 0


def test_it_is_the_mean_of_what_was_answered_while_there_was_work() -> None:
    pace = Pace()
    for _ in range(1000):
        pace.work(0.5)
        pace.answer(items=3, characters=60)
    assert pace.seconds(Amount(requests=4)) == pytest.approx(2, rel=0.05)
    assert pace.seconds(Amount(items=30)) == pytest.approx(5, rel=0.05)
    assert pace.seconds(Amount(characters=1200)) == pytest.approx(10, rel=0.05)
    assert pace.seconds(Amount(1, 30, 60)) == pytest.approx(5, rel=0.05)
    assert pace.seconds(Amount(items=-30)) == 0


def test_what_is_long_ago_is_forgotten() -> None:
    pace = Pace()
    for _ in range(100):
        pace.work(1)
        pace.answer(1, 1)
    pace.work(MEMORY_SECONDS)  # and no answer
    assert pace.seconds(Amount(requests=1)) == pytest.approx(1 + math.e, rel=0.05)
