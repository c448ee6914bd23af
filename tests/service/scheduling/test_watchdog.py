from __future__ import annotations

from service.scheduling.watchdog import DEAD, Pulse, Watchdog


class Engine:
    """An engine's pulse, as it is set."""

    def __init__(self) -> None:
        self.pulse = Pulse(alive=True, steps=0, under_way=0)
        self.watchdog = Watchdog(lambda: self.pulse, seconds=3, interval=1)

    def looks(self, count: int) -> list[bool]:
        """Whether each look found a fault."""
        return [self.watchdog.look() is not None for _ in range(count)]


def test_an_idle_engine_is_none_that_is_stuck() -> None:
    assert not any(Engine().looks(100))


def test_an_engine_that_makes_steps_is_not_stuck() -> None:
    engine = Engine()
    for steps in range(100):
        engine.pulse = Pulse(alive=True, steps=steps, under_way=5)
        assert engine.looks(2) == [False, False]


def test_an_engine_with_work_and_no_step_is_stuck() -> None:
    engine = Engine()
    engine.looks(1)
    engine.pulse = Pulse(alive=True, steps=0, under_way=5)
    assert engine.looks(3) == [False, False, True]
    assert "no step in 3 seconds" in str(engine.watchdog.look())
    assert "5 sentences" in str(engine.watchdog.look())


def test_time_without_work_in_between_does_not_count() -> None:
    engine = Engine()
    engine.looks(1)
    found = []
    for _ in range(3):  # a sentence now and then, that is given up
        engine.pulse = Pulse(alive=True, steps=0, under_way=1)
        found += engine.looks(1)
        engine.pulse = Pulse(alive=True, steps=0, under_way=0)
        engine.looks(50)
    assert found == [False, False, True]


def test_a_step_forgives() -> None:
    engine = Engine()
    for steps in range(10):
        engine.pulse = Pulse(alive=True, steps=steps, under_way=1)
        assert engine.looks(3) == [False, False, False]


def test_a_dead_engine_is_given_up_at_once() -> None:
    engine = Engine()
    engine.pulse = Pulse(alive=False, steps=0, under_way=0)
    assert engine.watchdog.look() == DEAD
