"""The threads that decode, the queue that they share, and the models that they take turns with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from service.decoding.model import Seq2SeqModel
from service.decoding.search import Target
from service.errors import ShuttingDown
from service.scheduling.admission import RETRY_AFTER_SECONDS
from service.scheduling.job import Job
from service.scheduling.queue import JobQueue
from service.scheduling.worker import STOPPING, Models, Worker
from service.settings import SchedulingSettings


class Engine:
    """Translates submitted jobs by the models that it has. Whatever happens, every job is answered.

    Models have equal shares of the time while they have work.
    """

    def __init__(self, limits: SchedulingSettings, replicas: int = 1) -> None:
        """replicas: batches of a model that are decoded at the same time, by a thread each."""
        self._models: Models = {}
        self._queue = JobQueue()
        self._workers = [
            Worker(f"engine-{number}", self._queue, self._models, limits)
            for number in range(replicas)
        ]

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Start; on leaving, whatever is unanswered fails with ShuttingDown."""
        for worker in self._workers:
            worker.start()
        try:
            yield self
        finally:
            self.stop()

    def add(self, name: str, model: Seq2SeqModel, target: Target) -> None:
        """Have a model from now on. Any number of threads may call its begin() and use what that
        returns, each its own.

        Raises:
            ValueError: it has one of this name.
        """
        if self._models.setdefault(name, (model, target)) != (model, target):
            raise ValueError(f"there is a model {name} already")

    def remove(self, name: str) -> None:
        """Let go of a model, after the current steps. Its jobs that are left fail."""
        self._models.pop(name, None)
        self._queue.call()

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
