"""The ingress' end: the replicas of the engine, as a decoder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from functools import partial

import structlog

from service.cluster.messages import Decoded, Sentence
from service.domain import Hypothesis
from service.errors import ModelFailure, ServiceError
from service.scheduling.job import Job
from service.scheduling.worker import FAILED

log = structlog.get_logger(__name__)

ATTEMPTS = 3
"""Replicas that a sentence is given to, one after the other, while they die with it. Decoding
changes nothing, so it may be repeated; a sentence that kills replicas must not get them all."""


class ReplicaLost(Exception):
    """A replica died or stopped before it answered; another one may."""


Call = Callable[[Sentence], Awaitable[Decoded]]
"""Has some replica decode a sentence. Cancelling it frees what the sentence holds there.

Raises:
    ReplicaLost: the replica is gone.
    ServiceError: there is no result.
"""


class ClusterDecoder:
    """Has jobs decoded elsewhere, each by itself. Whatever happens, every job is answered.

    Used on the event loop only; jobs may be given up in any thread.
    """

    steps = 0
    """Not known here."""
    rows = 0
    """Not known here."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def alive(self) -> bool:
        """Always: Ray replaces the replicas that are gone."""
        return True

    @property
    def waiting(self) -> int:
        """Sentences without an answer."""
        return len(self._tasks)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand jobs over; each is answered through its result."""
        loop = asyncio.get_running_loop()
        for job in jobs:
            task = loop.create_task(self._decode(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            job.result.add_done_callback(partial(_give_up, loop, task))

    async def _decode(self, job: Job) -> None:
        try:
            decoded = await self._somewhere(job)
        except ServiceError as error:
            job.fail(error)
        except asyncio.CancelledError:
            job.result.cancel()
            raise
        except Exception:
            log.exception("a replica could not be asked")
            job.fail(ModelFailure(FAILED))
        else:
            _finish(job, decoded)

    async def _somewhere(self, job: Job) -> Decoded:
        sentence = Sentence(job.source_ids, job.options, job.priority, job.model)
        for _ in range(ATTEMPTS):
            try:
                return await self._call(sentence)
            except ReplicaLost as error:
                log.warning("a replica is lost, the sentence goes to another one", why=str(error))
        raise ModelFailure(FAILED)


def _give_up(
    loop: asyncio.AbstractEventLoop,
    task: asyncio.Task[None],
    result: Future[tuple[Hypothesis, ...]],
) -> None:
    if result.cancelled():
        loop.call_soon_threadsafe(task.cancel)


def _finish(job: Job, decoded: Decoded) -> None:
    if decoded.failure:
        job.fail(ModelFailure(decoded.failure))
        return
    job.ended = time.monotonic()
    # The way there and back counts as waiting.
    job.begun = max(job.made, job.ended - decoded.decoded)
    job.finish(decoded.hypotheses)
