"""Clients that send a request once more where it fails, and count what came of it."""

from __future__ import annotations

import asyncio
import collections
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import aiohttp

OK = "200"
TIMEOUT = aiohttp.ClientTimeout(total=60)


@dataclass
class Outcome:
    """What came of all requests so far."""

    ended: list[tuple[float, float]] = field(default_factory=list)
    """Of each answered request: when it was (monotonic seconds), and how many it took."""
    failures: collections.Counter[str] = field(default_factory=collections.Counter)
    """First attempts that failed, by status or by what went wrong."""
    lost: collections.Counter[str] = field(default_factory=collections.Counter)
    """Second attempts that failed."""

    @property
    def slowest(self) -> float:
        """Seconds."""
        return max((seconds for _, seconds in self.ended), default=0.0)

    def rate(self, since: float, until: float) -> float:
        """Answers a second between two moments (monotonic seconds)."""
        return sum(since <= moment < until for moment, _ in self.ended) / (until - since)


@contextmanager
def clients(url: str, number: int, **options: object) -> Iterator[Outcome]:
    """So many clients while this lasts, each of which sends a new sentence when it has the answer
    to the last one. In the end they wait for the answers that they lack."""
    outcome = Outcome()
    stopping = threading.Event()
    work = _run(url, number, outcome, stopping, options)
    thread = threading.Thread(target=asyncio.run, args=(work,), name="clients")
    thread.start()
    try:
        yield outcome
    finally:
        stopping.set()
        thread.join()


async def _run(
    url: str,
    number: int,
    outcome: Outcome,
    stopping: threading.Event,
    options: dict[str, object],
) -> None:
    sentences = count()

    async def client() -> None:
        while not stopping.is_set():
            sentence = f"Le chat numéro {next(sentences)} dort."
            body = {"q": sentence, "source": "fr", "target": "en", **options}
            await _send(session, json.dumps(body).encode(), outcome)

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector, timeout=TIMEOUT) as session:
        await asyncio.gather(*(client() for _ in range(number)))


async def _send(session: aiohttp.ClientSession, body: bytes, outcome: Outcome) -> None:
    started = time.monotonic()
    for failures in (outcome.failures, outcome.lost):
        status = await _ask(session, body)
        if status == OK:
            now = time.monotonic()
            outcome.ended.append((now, now - started))
            return
        failures[status] += 1


async def _ask(session: aiohttp.ClientSession, body: bytes) -> str:
    headers = {"Content-Type": "application/json"}
    try:
        async with session.post("/translate", data=body, headers=headers) as response:
            await response.read()
            return str(response.status)
    except (aiohttp.ClientError, TimeoutError) as error:
        return type(error).__name__
