"""Concurrent clients, each sending its next sentence when the last one was answered, against a
running service. A client that is told to come back later does so."""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import random
import re
import time
from pathlib import Path

import aiohttp

FR_EN = {"source": "fr", "target": "en"}
OK = 200
COUNTERS = ("seq2seq_engine_steps_total", "seq2seq_engine_rows_total")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="http://localhost:8080")
    parser.add_argument("source", type=Path, help="source text, one sentence a line")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--beam-size", type=int, help="the service's default if left out")


def run(arguments: argparse.Namespace) -> None:
    sentences = [line for line in arguments.source.read_text(encoding="utf-8").splitlines() if line]
    asyncio.run(_measure(arguments, sentences))


async def _measure(arguments: argparse.Namespace, sentences: list[str]) -> None:
    connector = aiohttp.TCPConnector(limit=arguments.clients)
    async with aiohttp.ClientSession(arguments.url, connector=connector) as client:
        before = await _counters(client)
        started = time.monotonic()
        until = started + arguments.seconds
        answers = await asyncio.gather(
            *(
                _client(client, sentences[number :: arguments.clients], arguments.beam_size, until)
                for number in range(arguments.clients)
            )
        )
        seconds = time.monotonic() - started
        after = await _counters(client)
    _report(
        [one for some in answers for one in some],
        seconds,
        after[1] - before[1],
        after[0] - before[0],
    )


async def _client(
    client: aiohttp.ClientSession, sentences: list[str], beam_size: int | None, until: float
) -> list[tuple[str, float]]:
    """(status or error, seconds) of each request."""
    options = {} if beam_size is None else {"beam_size": beam_size}
    answers = []
    for sentence in itertools.cycle(sentences):
        if time.monotonic() >= until:
            break
        started = time.monotonic()
        status, pause = await _ask(client, {"q": sentence, **FR_EN, **options})
        answers.append((status, time.monotonic() - started))
        await asyncio.sleep(pause * random.uniform(1, 2))  # not all at once again
    return answers


async def _ask(client: aiohttp.ClientSession, body: dict[str, object]) -> tuple[str, float]:
    """Status or error, and the seconds that the service asks to wait before the next request."""
    try:
        async with client.post("/translate", json=body) as response:
            if response.status == OK and not (await response.json())["translatedText"]:
                return "empty", 0
            return str(response.status), float(response.headers.get("Retry-After", 0))
    except aiohttp.ClientError as error:
        return type(error).__name__, 0


async def _counters(client: aiohttp.ClientSession) -> list[float]:
    async with client.get("/metrics") as response:
        text = await response.text()
    return [
        float(match.group(1))
        for name in COUNTERS
        if (match := re.search(rf"^{name} (\S+)$", text, re.MULTILINE))
    ]


def _report(answers: list[tuple[str, float]], seconds: float, rows: float, steps: float) -> None:
    statuses = collections.Counter(status for status, _ in answers)
    print(f"answers: {dict(statuses)}")
    print(f"throughput: {statuses['200'] / seconds:.1f} sentences/s over {seconds:.1f} s")
    for status, count in statuses.items():
        times = sorted(1000 * taken for found, taken in answers if found == status)
        p50, p95, p99 = (times[int(share * (count - 1))] for share in (0.5, 0.95, 0.99))
        print(f"latency of {status}: p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms")
    print(f"mean batch: {rows / steps:.1f} rows a step over {steps:.0f} steps")
