"""A thread that ends the process when its engine has to be given up, or when it does not end.

It is a thread because the event loop may wait for the engine, too, and it ends the process because
a fresh one is the simplest engine that is known to work: whatever runs the service starts it again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Self

import structlog

from service.scheduling.watchdog import Pulse, Watchdog

log = structlog.stdlib.get_logger("service")

GIVEN_UP = 70
"""Exit code: EX_SOFTWARE of sysexits.h."""
INTERVAL = 0.5
"""Seconds between two looks."""


class Watch:
    """Looks at an engine until it is left."""

    def __init__(
        self,
        pulse: Callable[[], Pulse],
        seconds: float,
        give_up: Callable[[str], None],
        end: Callable[[int], object] = os._exit,
    ) -> None:
        """
        Args:
            pulse: the engine's; any thread may call it.
            seconds: how long the engine may make no step.
            give_up: is told why, in the thread of the watch, and says by end_within() when the
                process is to have ended.
            end: ends the process at once.
        """
        self._watchdog = Watchdog(pulse, seconds, INTERVAL)
        self._give_up = give_up
        self._end = end
        self._end_at: float | None = None
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._left.set()
        self._thread.join()

    def end_within(self, seconds: float) -> None:
        """From now on only see to it that the process has ended by then."""
        self._end_at = time.monotonic() + seconds

    def _run(self) -> None:
        while not self._left.wait(INTERVAL):
            if self._end_at is None:
                if fault := self._watchdog.look():
                    log.error("the engine is given up, and the process ends", fault=fault)
                    self._give_up(fault)
            elif time.monotonic() >= self._end_at:
                log.error("the process does not end, and is ended")
                self._left.wait(INTERVAL)  # for the log
                self._end(GIVEN_UP)
                return
