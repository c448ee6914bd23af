"""Sentences waiting for the engine. How many may wait is decided at the door, by admission."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from math import ceil
from threading import Condition

from service.domain import Priority
from service.scheduling.batcher import Bounds, take_joiners
from service.scheduling.job import Job


class JobQueue:
    """First in, first out in each priority. Any thread puts, any number of threads take."""

    def __init__(self) -> None:
        self._waiting: dict[Priority, deque[Job]] = {priority: deque() for priority in Priority}
        self._changed = Condition()
        self._closed = False
        self._idle = 0  # threads in wait()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, jobs: Sequence[Job]) -> bool:
        """Add jobs; False, and none added, when the queue is closed."""
        with self._changed:
            if not self._closed:
                for job in jobs:
                    self._waiting[job.priority].append(job)
                self._changed.notify_all()
            return not self._closed

    def put_back(self, jobs: Sequence[Job]) -> bool:
        """Add jobs of one priority before all others; False as put()."""
        with self._changed:
            if not self._closed:
                self._waiting[jobs[0].priority].extendleft(reversed(jobs))
                self._changed.notify_all()
            return not self._closed

    def has(self, priority: Priority) -> bool:
        """Whether a job of this priority waits."""
        return bool(self._waiting[priority])

    def take(self, priority: Priority, batch: Iterable[Job], bounds: Bounds) -> list[Job]:
        """Take the jobs of a priority that may join a batch now; idle threads get their share.

        Does not wait.
        """
        with self._changed:
            waiting = self._waiting[priority]
            share = ceil(len(waiting) / (1 + self._idle))
            return take_joiners(waiting, batch, time.monotonic(), bounds, share)

    def wait(self) -> bool:
        """Wait until there is a job; False when there is none and the queue is closed."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._closed or len(self) > 0)
            self._idle -= 1
            return len(self) > 0

    def close(self) -> list[Job]:
        """Accept no more; returns what was waiting, for whoever closes it to answer."""
        with self._changed:
            self._closed = True
            left = [job for waiting in self._waiting.values() for job in waiting]
            for waiting in self._waiting.values():
                waiting.clear()
            self._changed.notify_all()
            return left
