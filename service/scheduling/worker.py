"""One thread that decodes: let sentences join, step, deliver what is done.

Each priority has a lane, a running batch of its own. Lanes take turns step by step, so that a
sentence that somebody waits for never waits for the end of another one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog

from service.decoding.model import Seq2SeqModel
from service.decoding.search import Target
from service.domain import Priority
from service.errors import DeadlineExceeded, ModelFailure, ServiceError, ShuttingDown
from service.scheduling.admission import RETRY_AFTER_SECONDS
from service.scheduling.batcher import Bounds
from service.scheduling.job import Job
from service.scheduling.lane import Lane
from service.scheduling.queue import JobQueue
from service.settings import SchedulingSettings

log = structlog.get_logger(__name__)

AHEAD = 0.05
"""Seconds of a lane's clock by which one that had no work may go before the others: enough for a
short sentence."""

TOO_LATE = "The translation did not end before its deadline."
FAILED = "The model could not translate this text."
STOPPING = "The service is shutting down."


class Worker:
    """Decodes what it takes from a queue. Whatever happens, every job is answered."""

    def __init__(
        self,
        name: str,
        queue: JobQueue,
        model: Seq2SeqModel,
        target: Target,
        limits: SchedulingSettings,
    ) -> None:
        self._queue = queue
        self._lanes = [
            Lane(
                priority,
                limits.bulk_share if priority is Priority.BULK else 1 - limits.bulk_share,
                _bounds(priority, limits),
                model,
                target,
            )
            for priority in Priority
        ]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.steps = 0
        """Decoder steps so far."""
        self.rows = 0
        """Rows that these steps computed, added up."""

    @property
    def alive(self) -> bool:
        """Whether the thread is there to answer jobs."""
        return self._thread.is_alive()

    @property
    def active(self) -> int:
        """Jobs that it is decoding."""
        return sum(len(lane) for lane in self._lanes)

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current step; the jobs under way fail with ShuttingDown.

        The queue must be closed, or the thread may wait in it for ever.
        """
        self._stopping.set()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def _run(self) -> None:
        try:
            while (lane := self._next()) is not None:
                started = time.perf_counter()
                self._take_in(lane)
                self._step(lane)
                self._clear(lane)
                lane.spend(time.perf_counter() - started)
        finally:
            # Only a defect ends the loop early. Nobody may wait for a thread that is gone.
            _fail(self._queue.close(), ModelFailure(FAILED))
            for lane in self._lanes:
                _fail(lane.clear(), ModelFailure(FAILED))

    def _next(self) -> Lane | None:
        """The lane whose turn it is, once there is one with work; None when all is over."""
        if not any(lane.jobs for lane in self._lanes) and not self._queue.wait():
            return None
        # Time that a lane had no use for is not owed to it.
        now = min((lane.clock for lane in self._lanes if lane.active), default=None)
        for lane in self._lanes:
            active = bool(lane.jobs) or self._queue.has(lane.priority)
            if now is None:
                lane.clock = 0.0
            elif active and not lane.active:
                lane.clock = max(lane.clock, now - AHEAD)
            lane.active = active
        busy = [lane for lane in self._lanes if lane.active]
        return min(busy, key=lambda lane: lane.clock, default=None)

    def _take_in(self, lane: Lane) -> None:
        """Let waiting jobs join. What fails here is no matter of the others."""
        if not self._queue.has(lane.priority):
            return
        jobs = self._queue.take(lane.priority, lane.jobs, lane.bounds)
        if not jobs:
            return
        now = time.monotonic()
        for job in jobs:
            job.begun = job.begun or now
        try:
            lane.join(jobs)
        except Exception:
            log.exception("sentences could not join", sentences=len(jobs))
            self._again(jobs, company=len(lane) + len(jobs))

    def _step(self, lane: Lane) -> None:
        """Advance a lane. What fails here is no matter of the other lane."""
        if not lane.jobs:
            return
        self.steps += 1
        self.rows += lane.rows
        try:
            lane.step()
        except Exception:
            jobs = lane.clear()
            log.exception("a batch failed", sentences=len(jobs))
            self._again(jobs, company=len(jobs))

    def _again(self, jobs: list[Job], company: int) -> None:
        """Decode jobs again in half of the company in which they failed; one that failed alone
        fails."""
        for job in jobs:
            job.company = company // 2
        if company == 1 or not self._queue.put_back(jobs):
            _fail(jobs, ModelFailure(FAILED))

    def _clear(self, lane: Lane) -> None:
        """Drop the jobs that nobody waits for any more."""
        now = time.monotonic()
        for number, job in lane.numbered():
            if self._stopping.is_set():
                lane.drop(number, ShuttingDown(STOPPING, RETRY_AFTER_SECONDS))
            elif job.deadline <= now or job.abandoned:
                lane.drop(number, DeadlineExceeded(TOO_LATE))  # no effect on the abandoned


def _bounds(priority: Priority, limits: SchedulingSettings) -> Bounds:
    bulk = priority is Priority.BULK
    return Bounds(
        rows=limits.max_bulk_rows if bulk else limits.max_batch_rows,
        padded_tokens=limits.max_batch_tokens,
        joining_tokens=limits.max_joining_tokens,
    )


def _fail(jobs: Sequence[Job], error: ServiceError) -> None:
    for job in jobs:
        job.fail(error)
