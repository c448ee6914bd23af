"""`serve --late`: a short sentence that comes while many long ones are translated. See serve.py."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aiohttp

from benchmarks import traffic
from benchmarks.contest import Contest
from benchmarks.services import Service

LONG = 64
"""Sentences that are being translated when the short one comes."""
WHEN = 0.25
"""When it comes, in parts of the time that the long ones take when nothing else is there."""
Send = Callable[[aiohttp.ClientSession], Coroutine[Any, Any, None]]


def run(arguments: argparse.Namespace, contests: Sequence[Contest]) -> None:
    print(
        "| model | service | 64 long sentences | they take, s | short alone, ms | short late, ms "
        "| times as long (min–max) | too late |\n|---|---|---|---|---|---|---|---|"
    )
    for contest in contests:
        threads = contest.best_threads(arguments.peer_threads, min(5, arguments.seconds))
        with contest.ours() as ours, contest.peer(threads) as peer:
            for name, send in _bulks(contest).items():
                for service in (ours, peer):
                    row = _row(contest, service, send, arguments.rounds)
                    print(f"| {contest.model} | {service.name} | {name} | {row} |", flush=True)


def _bulks(contest: Contest) -> dict[str, Send]:
    """The long sentences, sent in two ways."""
    long = sorted(contest.sentences, key=len)[-LONG:]
    (together,) = _together(long, contest.options)
    apart = traffic.bodies(long, **contest.options)

    async def one(client: aiohttp.ClientSession) -> None:
        await _post(client, together)

    async def many(client: aiohttp.ClientSession) -> None:
        await asyncio.gather(*(_post(client, body) for body in apart))

    return {"in one request": one, "in 64 requests": many}


def _together(sentences: Sequence[str], options: dict[str, object]) -> list[bytes]:
    pair = {"source": "fr", "target": "en"}
    return [json.dumps({"q": list(sentences), **pair, **options}).encode()]


async def _post(client: aiohttp.ClientSession, body: bytes) -> None:
    async with client.post("/translate", data=body, headers=traffic.JSON) as response:
        response.raise_for_status()
        await response.read()


def _row(contest: Contest, service: Service, send: Send, rounds: int) -> str:
    # As short as a sentence with a few words is.
    short = min((one for one in contest.sentences if len(one.split()) > 3), key=len)
    (late,) = traffic.bodies([short], **contest.options)

    async def rounds_of(client: aiohttp.ClientSession) -> list[tuple[float, float, float, bool]]:
        await send(client)  # warm-up
        return [await _round(client, send, late) for _ in range(rounds)]

    found = traffic.on_client(service.url, rounds_of)
    ratios = [late / alone for _, alone, late, in_time in found if in_time]
    if not ratios:
        return "every round was over before the short sentence came | | | |"
    whole, alone, waited = (statistics.median(row[column] for row in found) for column in range(3))
    return (
        f"{whole:.2f} | {1000 * alone:.1f} | {1000 * waited:.0f} "
        f"| **{statistics.median(ratios):.1f}** ({min(ratios):.1f}–{max(ratios):.1f}) "
        f"| {len(found) - len(ratios)} of {len(found)}"
    )


async def _round(
    client: aiohttp.ClientSession, send: Send, late: bytes
) -> tuple[float, float, float, bool]:
    """Seconds of the long ones, of the short one alone and when late, and whether it was late:
    whether long ones were still being translated when it came."""
    whole = await _seconds(send(client))
    alone = statistics.median([await _seconds(_post(client, late)) for _ in range(5)])
    bulk = asyncio.create_task(send(client))
    await asyncio.sleep(WHEN * whole)
    in_time = not bulk.done()
    waited = await _seconds(_post(client, late))
    await bulk
    return whole, alone, waited, in_time


async def _seconds(work: Coroutine[Any, Any, None]) -> float:
    started = time.monotonic()
    await work
    return time.monotonic() - started
