"""How long sentences waited for the engine, and how long it worked on them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from service.metrics import Metrics
from service.scheduling.job import Decoder, Job

Told: TypeAlias = Callable[[float, float, float], None]
"""Is told when sentences were handed over, when the first joined a batch and when the last left."""
Begin: TypeAlias = Callable[[int, int], Told]
"""Is told of so many sentences and source tokens before they are handed over."""


class TimedDecoder:
    """A decoder in front of the engine. Submit from one thread."""

    def __init__(self, decoder: Decoder, metrics: Metrics, begin: Begin | None = None) -> None:
        """begin: what traces; it may look at the current context."""
        self._decoder = decoder
        self._metrics = metrics
        self._begin = begin
        self._lock = threading.Lock()
        self.under_way = 0
        """Sentences that were handed on and have no result yet."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand jobs on.

        Raises:
            ShuttingDown: no job was taken.
        """
        with self._lock:
            self.under_way += len(jobs)
        for job in jobs:
            job.result.add_done_callback(partial(self._observe, job))
        if self._begin is not None and jobs:
            tokens = sum(len(job.source_ids) for job in jobs)
            together = _Together(jobs, self._begin(len(jobs), tokens))
            for job in jobs:
                job.result.add_done_callback(together.count)
        self._decoder.submit(jobs)

    def _observe(self, job: Job, result: object) -> None:
        with self._lock:
            self.under_way -= 1
        if job.begun is not None and job.ended is not None:  # it was not given up
            self._metrics.queue_seconds.observe(job.begun - job.made)
            self._metrics.decode_seconds.observe(job.ended - job.begun)


class _Together:
    """Jobs that were submitted together; the last one to be done tells of all."""

    def __init__(self, jobs: Sequence[Job], told: Told) -> None:
        self._jobs = jobs
        self._told = told
        self._lock = threading.Lock()
        self._left = len(jobs)

    def count(self, result: object) -> None:
        with self._lock:
            self._left -= 1
            if self._left:
                return
        times = [(job.begun, job.ended) for job in self._jobs if job.begun is not None]
        if times:
            begun = min(begun for begun, _ in times)
            ended = max(ended if ended is not None else begun for begun, ended in times)
            self._told(self._jobs[0].made, begun, ended)
