"""Sentences waiting for the engine. How many may wait is decided at the door, by admission."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from threading import Condition

from service.scheduling.batcher import take_batch
from service.scheduling.job import Job
from service.settings import SchedulingSettings


class JobQueue:
    """First in, first out; any thread puts, one thread takes."""

    def __init__(self, limits: SchedulingSettings) -> None:
        self._limits = limits
        self._waiting: deque[Job] = deque()
        self._changed = Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, jobs: Sequence[Job]) -> bool:
        """Add jobs; False, and none added, when the queue is closed."""
        with self._changed:
            if not self._closed:
                self._waiting.extend(jobs)
                self._changed.notify()
            return not self._closed

    def take(self) -> list[Job]:
        """Wait for jobs and take a batch of them; empty when closed and nothing is left."""
        with self._changed:
            while True:
                batch = take_batch(self._waiting, time.monotonic(), self._limits)
                if batch or self._closed:
                    return batch
                self._changed.wait()

    def close(self) -> list[Job]:
        """Accept no more; returns what was waiting, for whoever closes it to answer."""
        with self._changed:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            return left
