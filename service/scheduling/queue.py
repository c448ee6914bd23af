"""Sentences waiting for the engine. How many may wait is decided at the door, by admission."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from math import ceil
from threading import Condition

from service.scheduling.batcher import Bounds, take_joiners
from service.scheduling.job import Flow, Job


class JobQueue:
    """First in, first out in each flow. Any thread puts, any number of threads take."""

    def __init__(self) -> None:
        self._waiting: dict[Flow, deque[Job]] = {}
        self._changed = Condition()
        self._closed = False
        self._calls = 0
        self._idle = 0  # threads in wait()

    def __len__(self) -> int:
        return sum(map(len, list(self._waiting.values())))

    @property
    def calls(self) -> int:
        """How often it was told to call its threads."""
        return self._calls

    @property
    def flows(self) -> list[Flow]:
        """Those that jobs wait in."""
        return list(self._waiting)

    def put(self, jobs: Sequence[Job]) -> bool:
        """Add jobs; False, and none added, when the queue is closed."""
        with self._changed:
            if not self._closed:
                for job in jobs:
                    self._waiting.setdefault(job.flow, deque()).append(job)
                self._changed.notify_all()
            return not self._closed

    def put_back(self, jobs: Sequence[Job]) -> bool:
        """Add jobs of one flow before all others; False as put()."""
        with self._changed:
            if not self._closed:
                self._waiting.setdefault(jobs[0].flow, deque()).extendleft(reversed(jobs))
                self._changed.notify_all()
            return not self._closed

    def has(self, flow: Flow) -> bool:
        """Whether a job of this flow waits."""
        return flow in self._waiting

    def take(self, flow: Flow, batch: Iterable[Job], bounds: Bounds) -> list[Job]:
        """Take the jobs of a flow that may join a batch now; idle threads get their share.

        Does not wait.
        """
        with self._changed:
            waiting = self._waiting.get(flow, deque())
            share = ceil(len(waiting) / (1 + self._idle))
            joiners = take_joiners(waiting, batch, time.monotonic(), bounds, share)
            if not waiting:
                self._waiting.pop(flow, None)
            return joiners

    def take_all(self, flow: Flow) -> list[Job]:
        """Take every job of a flow, for whoever does to answer."""
        with self._changed:
            return list(self._waiting.pop(flow, ()))

    def wait(self, calls: int) -> bool:
        """Wait until there is a job, or a call that is not among so many; False when the queue is
        closed and empty."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(
                lambda: self._closed or bool(self._waiting) or self._calls != calls
            )
            self._idle -= 1
            return bool(self._waiting) or not self._closed

    def call(self) -> None:
        """Let the threads that wait look around."""
        with self._changed:
            self._calls += 1
            self._changed.notify_all()

    def close(self) -> list[Job]:
        """Accept no more; returns what was waiting, for whoever closes it to answer."""
        with self._changed:
            self._closed = True
            left = [job for waiting in self._waiting.values() for job in waiting]
            self._waiting.clear()
            self._changed.notify_all()
            return left
