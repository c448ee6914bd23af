"""Requests to a service: a given number of clients (closed loop), or arrivals at a given rate
whatever the service does (open loop)."""

from __future__ import annotations

import asyncio
import collections
import itertools
import json
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import uvloop

T = TypeVar("T")
OK = "200"
EMPTY = b'"translatedText":""'
UNANSWERED = "unanswered"
DRAIN_SECONDS = 60
"""How long an open loop waits for its last answers."""
JSON = {"Content-Type": "application/json"}
PERCENTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered request."""

    status: str
    """HTTP status, or the name of what went wrong."""
    seconds: float
    """Latency: from when it was sent, or was to be sent, to its last byte."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load."""

    answers: list[Answer]
    seconds: float
    """How long these answers took to arrive, from first to last."""
    generator_share: float
    """How much of one core the generator used."""

    @property
    def throughput(self) -> float:
        """Translations a second."""
        return len(self.latencies) / self.seconds

    @property
    def latencies(self) -> list[float]:
        """Milliseconds of the translations, ascending."""
        return sorted(1000 * one.seconds for one in self.answers if one.status == OK)

    @property
    def others(self) -> dict[str, int]:
        """How many requests were answered otherwise."""
        counts = collections.Counter(one.status for one in self.answers)
        return {status: count for status, count in counts.items() if status != OK}


def percentiles(latencies: Sequence[float]) -> tuple[float, ...]:
    """p50, p95 and p99 of ascending values; nan of none."""
    if not latencies:
        return (float("nan"),) * len(PERCENTILES)
    return tuple(latencies[int(share * (len(latencies) - 1))] for share in PERCENTILES)


def bodies(sentences: Sequence[str], **options: object) -> list[bytes]:
    """A request for each sentence."""
    pair = {"source": "fr", "target": "en"}
    return [json.dumps({"q": sentence, **pair, **options}).encode() for sentence in sentences]


def on_client(url: str, work: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, T]]) -> T:
    """What the work returns; its connections are kept open until its end and are not limited."""

    async def session() -> T:
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as client:
            return await work(client)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(session())


async def closed_loop(
    client: aiohttp.ClientSession, requests: Sequence[bytes], clients: int, seconds: float
) -> Load:
    """Each client sends its next request when the last one was answered.

    The first tenth of the time is warm-up: answers that come in it are not counted. If fewer than
    one answer for each client came by the end, it takes longer.
    """
    following = itertools.cycle(requests)
    begin = time.monotonic() + seconds / 10
    ended = 0.0
    counted: list[Answer] = []

    async def one_client() -> None:
        nonlocal ended
        while not ended:
            answer = await _ask(client, next(following), time.monotonic())
            now = time.monotonic()
            if now >= begin and not ended:
                counted.append(answer)
            if now >= begin + seconds and len(counted) >= clients:
                ended = ended or now

    share = await _watched(asyncio.gather(*(one_client() for _ in range(clients))))
    return Load(counted, ended - begin, share)


async def open_loop(
    client: aiohttp.ClientSession,
    requests: Sequence[bytes],
    rate: float,
    seconds: float,
    seed: int = 0,
) -> Load:
    """Requests arrive at random (Poisson), this many a second, however long answers take.

    Latency counts from when a request was to be sent, so that a generator that is late because the
    machine is busy does not hide it.
    """
    following = itertools.cycle(requests)
    started = time.monotonic()
    due: dict[asyncio.Task[Answer], float] = {}

    async def arrive() -> None:
        for moment in _arrivals(random.Random(seed), rate, seconds):
            await asyncio.sleep(started + moment - time.monotonic())
            task = asyncio.create_task(_ask(client, next(following), started + moment))
            due[task] = started + moment
        await asyncio.wait(due, timeout=DRAIN_SECONDS)

    share = await _watched(arrive())
    finished = time.monotonic()
    answers = []
    for task, moment in due.items():
        if task.done():
            answers.append(task.result())
        else:
            task.cancel()
            answers.append(Answer(UNANSWERED, finished - moment))
    await asyncio.gather(*due, return_exceptions=True)
    return Load(answers, finished - started, share)


def _arrivals(generator: random.Random, rate: float, seconds: float) -> Iterator[float]:
    """Seconds from the start at which requests arrive; one at least."""
    moment = generator.expovariate(rate)
    yield moment
    while (moment := moment + generator.expovariate(rate)) < seconds:
        yield moment


async def _ask(client: aiohttp.ClientSession, body: bytes, since: float) -> Answer:
    try:
        async with client.post("/translate", data=body, headers=JSON) as response:
            content = await response.read()
    except aiohttp.ClientError as error:
        return Answer(type(error).__name__, time.monotonic() - since)
    status = "empty" if EMPTY in content else str(response.status)
    return Answer(status, time.monotonic() - since)


async def _watched(work: Awaitable[object]) -> float:
    """Do the work; returns how much of one core this process used for it."""
    started, used = time.monotonic(), time.process_time()
    await work
    return (time.process_time() - used) / (time.monotonic() - started)


def median_percentiles(loads: Sequence[Load]) -> tuple[float, ...]:
    """p50, p95 and p99 of each load, and of each the median."""
    each = [percentiles(load.latencies) for load in loads]
    return tuple(statistics.median(column) for column in zip(*each, strict=True))
