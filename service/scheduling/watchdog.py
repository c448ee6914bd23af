"""Notice that an engine has died, or has sentences and makes no step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

DEAD = "The engine has stopped."


@dataclass(frozen=True, slots=True)
class Pulse:
    """How an engine is doing."""

    alive: bool
    """Whether it is there to answer."""
    steps: int
    """Decoder steps so far."""
    under_way: int
    """Sentences that it was given and has neither answered nor been told to forget."""


class Watchdog:
    """Looks at an engine from time to time.

    Time counts while sentences are under way, and adds up until the next step. So a stuck engine is
    noticed even if its sentences come rarely, and each is given up at its deadline.
    """

    def __init__(self, pulse: Callable[[], Pulse], seconds: float, interval: float) -> None:
        """seconds: how long there may be no step; interval: what one look counts for."""
        self._pulse = pulse
        self._seconds = seconds
        self._interval = interval
        self._steps = -1
        self._stuck = 0.0

    def look(self) -> str | None:
        """Why the engine has to be given up; None if it need not.

        Call it every interval. A look counts for no more than that however late it comes: that a
        whole machine was asleep is no fault of the engine's.
        """
        pulse = self._pulse()
        if not pulse.alive:
            return DEAD
        if pulse.steps != self._steps:
            self._steps = pulse.steps
            self._stuck = 0.0
        elif pulse.under_way:
            self._stuck += self._interval
        if self._stuck < self._seconds:
            return None
        return (
            f"The engine has made no step in {self._seconds:g} seconds, with {pulse.under_way} "
            "sentences under way."
        )
