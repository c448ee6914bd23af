"""Sentences that were decoded lately, or are being decoded, are not decoded again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import partial
from threading import Lock
from typing import TypeAlias

from cachetools import LRUCache

from service.domain import DecodingOptions, Hypothesis, Priority
from service.errors import ServiceError
from service.scheduling.job import Decoder, Job, Result

ENTRY_BYTES = 500
"""What the cache's own tables take for an entry, on top of what size_of() counts."""

Hypotheses: TypeAlias = tuple[Hypothesis, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """All that the hypotheses depend on."""

    model: str
    source_ids: tuple[int, ...]
    options: DecodingOptions


@dataclass(frozen=True, slots=True)
class _Entry:
    hypotheses: Hypotheses
    size: int
    """Bytes, of the key as well."""


@dataclass(slots=True)
class _Flight:
    """A sentence on its way, and the jobs that wait for it."""

    job: Job
    waiting: set[Job] = field(default_factory=set)


class CachingDecoder:
    """A decoder in front of another one. Jobs whose options are not reproducible pass through.

    Equal sentences of one priority that are under way together share one job of the decoder behind.
    It has the latest of their deadlines, and is abandoned when all of them are; so whoever submits
    a job cancels it at its deadline. A failure fails those that wait for it and is not kept.

    Submit from one thread. The decoder behind may answer from any.
    """

    def __init__(self, decoder: Decoder, max_bytes: int) -> None:
        """max_bytes: estimated memory of the results that are kept; the least recently used go."""
        self._decoder = decoder
        self._lock = Lock()  # never held while a future is resolved: that calls back
        self._results: LRUCache[Key, _Entry] = LRUCache(max_bytes, lambda entry: entry.size)
        self._flights: dict[tuple[Key, Priority], _Flight] = {}
        self.hits = 0
        """Jobs answered from memory."""
        self.joined = 0
        """Jobs that waited for the result of another one."""
        self.misses = 0
        """Jobs that were decoded and could have been answered from memory."""

    @property
    def entries(self) -> int:
        """Results in memory."""
        return len(self._results)

    @property
    def bytes(self) -> int:
        """Estimated memory that they take."""
        return int(self._results.currsize)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Answer jobs from memory, join those that are under way, and hand the others on.

        Raises:
            ShuttingDown: nothing new is decoded any more.
        """
        own = [one for one in map(self._look_up, jobs) if one is not None]
        try:
            if own:
                self._decoder.submit(own)
        except BaseException:
            for job in own:
                job.result.cancel()
            raise

    def _look_up(self, job: Job) -> Job | None:
        """What has to be decoded for this job, if anything."""
        if not job.options.reproducible:
            return job
        key = Key(job.model, job.source_ids, job.options)
        with self._lock:
            known = self._results.get(key)
            if known is not None:
                self.hits += 1
        if known is not None:
            job.finish(known.hypotheses)
            return None
        return self._share(key, job)

    def _share(self, key: Key, job: Job) -> Job | None:
        with self._lock:
            flight = self._flights.get((key, job.priority))
            first = flight is None
            if flight is None:
                flight = _Flight(replace(job, result=Result()))
                self._flights[key, job.priority] = flight
                self.misses += 1
            else:
                self.joined += 1
            flight.waiting.add(job)
            flight.job.deadline = max(flight.job.deadline, job.deadline)
        job.result.add_done_callback(partial(self._leave, key, flight, job))
        if not first:
            return None
        flight.job.result.add_done_callback(partial(self._land, key, flight))
        return flight.job

    def _leave(self, key: Key, flight: _Flight, job: Job, result: Future[Hypotheses]) -> None:
        """A job that waited has its result, or was given up."""
        if not result.cancelled():
            return
        with self._lock:
            flight.waiting.discard(job)
            if flight.waiting:
                return
            self._forget(key, flight)  # before it is cancelled: nobody may join it any more
        flight.job.result.cancel()

    def _land(self, key: Key, flight: _Flight, result: Future[Hypotheses]) -> None:
        """A sentence is decoded, or has failed, or was given up."""
        with self._lock:
            self._forget(key, flight)
            waiting = list(flight.waiting)
            if not result.cancelled() and result.exception() is None:
                self._keep(key, result.result())
        if not result.cancelled():
            _deliver(result, waiting)

    def _forget(self, key: Key, flight: _Flight) -> None:
        place = key, flight.job.priority
        if self._flights.get(place) is flight:
            del self._flights[place]

    def _keep(self, key: Key, hypotheses: Hypotheses) -> None:
        size = ENTRY_BYTES + size_of(key) + size_of(hypotheses)
        if size <= self._results.maxsize:
            self._results[key] = _Entry(hypotheses, size)


def size_of(value: object) -> int:
    """Bytes of a value made of dataclasses, tuples and plain values; shared parts count anew."""
    size = sys.getsizeof(value)
    if isinstance(value, tuple | frozenset):
        # Mostly token ids; a call for each would cost more than all else that the cache does.
        size += sum(sys.getsizeof(one) if type(one) is int else size_of(one) for one in value)
    elif is_dataclass(value):
        size += sum(size_of(getattr(value, part.name)) for part in fields(value))
    return size


def _deliver(result: Future[Hypotheses], jobs: Sequence[Job]) -> None:
    try:
        hypotheses = result.result()
    except ServiceError as error:
        for job in jobs:
            job.fail(error)
    else:
        for job in jobs:
            job.finish(hypotheses)
