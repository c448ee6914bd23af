"""Concurrent clients, each sending its next sentence when the last one was answered, against a
running service. Needs httpx only."""

from __future__ import annotations

import argparse
import asyncio
import collections
import re
import statistics
import time
from pathlib import Path

import httpx

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
    limits = httpx.Limits(max_connections=arguments.clients)
    async with httpx.AsyncClient(base_url=arguments.url, limits=limits, timeout=60) as client:
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
    client: httpx.AsyncClient, sentences: list[str], beam_size: int | None, until: float
) -> list[tuple[str, float]]:
    """(status or error, seconds) of each request."""
    answers = []
    number = 0
    while time.monotonic() < until:
        body: dict[str, object] = {
            "q": sentences[number % len(sentences)],
            "source": "fr",
            "target": "en",
        }
        if beam_size is not None:
            body["beam_size"] = beam_size
        number += 1
        started = time.monotonic()
        try:
            response = await client.post("/translate", json=body)
            status = str(response.status_code)
            if status == "200" and not response.json()["translatedText"]:
                status = "empty"
        except httpx.HTTPError as error:
            status = type(error).__name__
        answers.append((status, time.monotonic() - started))
    return answers


async def _counters(client: httpx.AsyncClient) -> list[float]:
    text = (await client.get("/metrics")).text
    return [
        float(match.group(1))
        for name in COUNTERS
        if (match := re.search(rf"^{name} (\S+)$", text, re.MULTILINE))
    ]


def _report(answers: list[tuple[str, float]], seconds: float, rows: float, steps: float) -> None:
    statuses = collections.Counter(status for status, _ in answers)
    times = sorted(1000 * taken for status, taken in answers if status == "200")
    percentiles = statistics.quantiles(times, n=100)
    print(f"answers: {dict(statuses)}")
    print(f"throughput: {len(times) / seconds:.1f} sentences/s over {seconds:.1f} s")
    print(
        f"latency: p50 {percentiles[49]:.0f} ms, p95 {percentiles[94]:.0f} ms, "
        f"p99 {percentiles[98]:.0f} ms"
    )
    print(f"mean batch: {rows / steps:.1f} rows a step over {steps:.0f} steps")
