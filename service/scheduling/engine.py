"""The one thread that touches the model: take a batch, step, deliver what is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from service.decoding.model import Seq2SeqModel
from service.decoding.search import Search, Target
from service.errors import DeadlineExceeded, ModelFailure, ServiceError, ShuttingDown
from service.scheduling.admission import RETRY_AFTER_SECONDS
from service.scheduling.job import Job
from service.scheduling.queue import JobQueue
from service.settings import SchedulingSettings

log = structlog.get_logger(__name__)

TOO_LATE = "The translation did not end before its deadline."
FAILED = "The model could not translate this text."
STOPPING = "The service is shutting down."


class Engine:
    """Translates submitted jobs. Whatever happens, every job is answered."""

    def __init__(self, model: Seq2SeqModel, target: Target, limits: SchedulingSettings) -> None:
        self._model = model
        self._target = target
        self._queue = JobQueue(limits)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.steps = 0
        """Decoder steps so far."""
        self.rows = 0
        """Rows that these steps computed, added up; rows / steps is the mean batch."""

    @classmethod
    @contextmanager
    def running(
        cls, model: Seq2SeqModel, target: Target, limits: SchedulingSettings
    ) -> Iterator[Engine]:
        """Start an engine; on leaving, whatever is unanswered fails with ShuttingDown."""
        engine = cls(model, target, limits)
        engine._thread.start()
        try:
            yield engine
        finally:
            engine.stop()

    @property
    def alive(self) -> bool:
        """Whether the thread is there to answer jobs."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Jobs that were not begun yet."""
        return len(self._queue)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs; each is answered through its result. Never waits.

        Raises:
            ShuttingDown: the engine has stopped; no job was taken.
        """
        if not self._queue.put(jobs):
            raise ShuttingDown(STOPPING, RETRY_AFTER_SECONDS)

    def stop(self) -> None:
        """Stop after the current step; unanswered jobs fail with ShuttingDown."""
        self._stopping.set()
        _fail(self._queue.close(), ShuttingDown(STOPPING, RETRY_AFTER_SECONDS))
        self._thread.join()

    def _run(self) -> None:
        try:
            while jobs := self._queue.take():
                self._translate(jobs)
        finally:
            # Only a defect ends the loop early. Nobody may wait for a thread that is gone.
            _fail(self._queue.close(), ModelFailure(FAILED))

    def _translate(self, jobs: list[Job]) -> None:
        """Translate one batch. What fails here fails these jobs and no others."""
        try:
            self._search(jobs)
        except Exception:
            log.exception("a batch failed", sentences=len(jobs))
        finally:
            _fail(jobs, ModelFailure(FAILED))  # no effect on those that were answered

    def _search(self, jobs: list[Job]) -> None:
        decoding = self._model.encode([job.source_ids for job in jobs])
        search = Search(decoding, [job.options for job in jobs], self._target)
        while search.sentences:
            self.steps += 1
            self.rows += search.rows
            for index, hypotheses in search.step().items():
                jobs[index].finish(hypotheses)
            self._leave(search, jobs)

    def _leave(self, search: Search, jobs: list[Job]) -> None:
        """Drop the sentences that nobody waits for any more."""
        now = time.monotonic()
        for index in search.sentences:
            job = jobs[index]
            if self._stopping.is_set():
                job.fail(ShuttingDown(STOPPING, RETRY_AFTER_SECONDS))
            elif job.deadline <= now:
                job.fail(DeadlineExceeded(TOO_LATE))
            elif not job.abandoned:
                continue
            search.drop(index)


def _fail(jobs: Sequence[Job], error: ServiceError) -> None:
    for job in jobs:
        job.fail(error)
