"""The threads that decode, and the queue that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from service.decoding.model import Seq2SeqModel
from service.decoding.search import Target
from service.errors import ShuttingDown
from service.scheduling.admission import RETRY_AFTER_SECONDS
from service.scheduling.job import Job
from service.scheduling.queue import JobQueue
from service.scheduling.worker import STOPPING, Worker
from service.settings import SchedulingSettings


class Engine:
    """Translates submitted jobs. Whatever happens, every job is answered."""

    def __init__(
        self, model: Seq2SeqModel, target: Target, limits: SchedulingSettings, replicas: int = 1
    ) -> None:
        """replicas: batches that are decoded at the same time, by a thread each. Any number of
        threads may call model.begin() and use what it returns, each its own."""
        self._queue = JobQueue()
        self._workers = [
            Worker(f"engine-{number}", self._queue, model, target, limits)
            for number in range(replicas)
        ]

    @classmethod
    @contextmanager
    def running(
        cls, model: Seq2SeqModel, target: Target, limits: SchedulingSettings, replicas: int = 1
    ) -> Iterator[Engine]:
        """Start an engine; on leaving, whatever is unanswered fails with ShuttingDown."""
        engine = cls(model, target, limits, replicas)
        for worker in engine._workers:
            worker.start()
        try:
            yield engine
        finally:
            engine.stop()

    @property
    def alive(self) -> bool:
        """Whether all threads are there to answer jobs."""
        return all(worker.alive for worker in self._workers)

    @property
    def waiting(self) -> int:
        """Jobs that were not begun yet."""
        return len(self._queue)

    @property
    def active(self) -> int:
        """Jobs that are being decoded."""
        return sum(worker.active for worker in self._workers)

    @property
    def steps(self) -> int:
        """Decoder steps so far."""
        return sum(worker.steps for worker in self._workers)

    @property
    def rows(self) -> int:
        """Rows that these steps computed, added up; rows / steps is the mean batch."""
        return sum(worker.rows for worker in self._workers)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs; each is answered through its result. Never waits.

        Raises:
            ShuttingDown: the engine has stopped; no job was taken.
        """
        if not self._queue.put(jobs):
            raise ShuttingDown(STOPPING, RETRY_AFTER_SECONDS)

    def stop(self) -> None:
        """Stop after the current steps; unanswered jobs fail with ShuttingDown."""
        for worker in self._workers:
            worker.stop()
        for job in self._queue.close():
            job.fail(ShuttingDown(STOPPING, RETRY_AFTER_SECONDS))
        for worker in self._workers:
            worker.join()
