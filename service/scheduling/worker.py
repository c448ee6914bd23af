"""One thread that decodes: let sentences join, step, deliver what is done.

Each flow, a model's sentences of one priority, has a lane: a running batch of its own. Lanes take
turns step by step, so that a sentence that somebody waits for never waits for the end of another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TypeAlias

import structlog

from service.decoding.model import Seq2SeqModel
from service.decoding.search import Target
from service.domain import Priority
from service.errors import DeadlineExceeded, ModelFailure, ServiceError, ShuttingDown
from service.scheduling.admission import RETRY_AFTER_SECONDS
from service.scheduling.batcher import Bounds
from service.scheduling.job import Flow, Job
from service.scheduling.lane import Lane
from service.scheduling.queue import JobQueue
from service.settings import SchedulingSettings

log = structlog.get_logger(__name__)

AHEAD = 0.05
"""Seconds of a lane's clock by which one that had no work may go before the others: enough for a
short sentence."""

TOO_LATE = "The translation did not end before its deadline."
GONE = "The model of this text is not loaded any more."
FAILED = "The model could not translate this text."
STOPPING = "The service is shutting down."


Models: TypeAlias = dict[str, tuple[Seq2SeqModel, Target]]
"""Each with what a search has to know of it, by name."""


class Worker:
    """Decodes what it takes from a queue. Whatever happens, every job is answered."""

    def __init__(
        self, name: str, queue: JobQueue, models: Models, limits: SchedulingSettings
    ) -> None:
        """models: may be changed by any thread, which then calls by the queue."""
        self._queue = queue
        self._models = models
        self._limits = limits
        self._lanes: dict[Flow, Lane] = {}
        self._calls = -1
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
        return sum(map(len, list(self._lanes.values())))

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
            while self._has_work():
                self._look_around()
                lane = self._next()
                if lane is None:
                    continue
                started = time.perf_counter()
                self._take_in(lane)
                self._step(lane)
                self._clear(lane)
                lane.spend(time.perf_counter() - started)
        finally:
            # Only a defect ends the loop early. Nobody may wait for a thread that is gone.
            _fail(self._queue.close(), ModelFailure(FAILED))
            for lane in self._lanes.values():
                _fail(lane.clear(), ModelFailure(FAILED))

    def _has_work(self) -> bool:
        """Wait for something to do; False when all is over."""
        return any(map(len, self._lanes.values())) or self._queue.wait(self._calls)

    def _look_around(self) -> None:
        """Have a lane for each flow with work, and none of a model that is gone."""
        if self._calls != self._queue.calls:
            self._calls = self._queue.calls
            for flow in [flow for flow in self._lanes if flow.model not in self._models]:
                _fail(self._lanes.pop(flow).clear(), ModelFailure(GONE))
        for flow in self._queue.flows:
            if flow not in self._lanes:
                self._open(flow)

    def _open(self, flow: Flow) -> None:
        known = self._models.get(flow.model)
        if known is None:
            _fail(self._queue.take_all(flow), ModelFailure(GONE))
            return
        bulk = flow.priority is Priority.BULK
        share = self._limits.bulk_share if bulk else 1 - self._limits.bulk_share
        self._lanes[flow] = Lane(flow, share, _bounds(flow.priority, self._limits), *known)

    def _next(self) -> Lane | None:
        """The lane whose turn it is; None when no lane has work."""
        lanes = self._lanes.values()
        # Time that a lane had no use for is not owed to it.
        now = min((lane.clock for lane in lanes if lane.active), default=None)
        for lane in lanes:
            active = bool(len(lane)) or self._queue.has(lane.flow)
            if now is None:
                lane.clock = 0.0
            elif active and not lane.active:
                lane.clock = max(lane.clock, now - AHEAD)
            lane.active = active
        busy = [lane for lane in lanes if lane.active]
        return min(busy, key=lambda lane: lane.clock, default=None)

    def _take_in(self, lane: Lane) -> None:
        """Let waiting jobs join. What fails here is no matter of the others."""
        if not self._queue.has(lane.flow):
            return
        jobs = self._queue.take(lane.flow, lane.jobs, lane.bounds)
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
        """Advance a lane. What fails here is no matter of the other lanes."""
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
