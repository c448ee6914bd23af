"""Two versions of a model, switched to and fro under load: does a request fail, or get an answer
that neither version gives? And what does a switch cost those that translate meanwhile?"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import services
from service.access.keys import Key, digest, new_secret, write

NAME = "fr-en"
OK = 200
ROOT = Path(__file__).parents[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--old", type=Path, default=ROOT / "models" / "fr-en")
    parser.add_argument("--new", type=Path, default=ROOT / "models" / "fr-en-lstm")
    parser.add_argument(
        "--source", type=Path, default=ROOT / "tests" / "data" / "text" / "tatoeba.fr"
    )
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--switches", type=int, default=100)
    parser.add_argument("--clients", type=int, default=16)


def run(arguments: argparse.Namespace) -> None:
    lines = arguments.source.read_text(encoding="utf-8").splitlines()[: arguments.lines]
    with _service(arguments.old, arguments.new) as (service, secret):
        asyncio.run(_measure(arguments, lines, service, secret))


@contextmanager
def _service(old: Path, new: Path) -> Iterator[tuple[services.Service, str]]:
    secret = new_secret()
    with tempfile.TemporaryDirectory() as folder:
        keys, models = Path(folder) / "keys", Path(folder) / "models"
        write(keys, [Key(name="operator", sha256=digest(secret), admin=True)])
        (models / NAME).mkdir(parents=True)
        for version, directory in (("1", old), ("2", new)):
            (models / NAME / version).symlink_to(directory.resolve())
        settings = {
            "MODELS__DIRECTORY": models,
            "MODELS__LOAD": f"{NAME}/1",
            "ACCESS__KEYS_FILE": keys,
        }
        with services.ours(settings=settings) as service:
            yield service, secret


@dataclass
class Answers:
    """What the clients got."""

    seconds: list[float] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    """Answers that are not those of the version that gave them."""
    stop: bool = False


async def _measure(
    arguments: argparse.Namespace, lines: Sequence[str], service: services.Service, secret: str
) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(service.url, headers=headers, connector=connector) as client:
        expected = {}
        for version in ("2", "1"):
            await _switch(client, version)
            expected[version] = {
                line: (await _ask(client, line))[1]["translatedText"] for line in lines
            }
        memory = service.resident_megabytes
        calm = await _under_load(client, lines, expected, arguments.clients, 0)
        busy = await _under_load(client, lines, expected, arguments.clients, arguments.switches)
    _report("without switches", calm)
    _report(f"{arguments.switches} switches", busy)
    print(f"resident memory: {memory:.0f} MB before, {service.resident_megabytes:.0f} MB after")
    if calm.failed or busy.failed or calm.wrong or busy.wrong:
        raise SystemExit("requests have failed, or were answered wrongly")


async def _under_load(
    client: aiohttp.ClientSession,
    lines: Sequence[str],
    expected: dict[str, dict[str, str]],
    clients: int,
    switches: int,
) -> Answers:
    answers = Answers()
    asking = [
        asyncio.create_task(_client(client, lines[number::clients], expected, answers))
        for number in range(clients)
    ]
    taken = [await _switch(client, str(2 - number % 2)) for number in range(switches)]
    if taken:
        print(
            f"a switch takes {statistics.median(taken):.2f} s in the median, "
            f"{max(taken):.2f} s at most"
        )
    else:
        await asyncio.sleep(20)
    answers.stop = True
    await asyncio.gather(*asking)
    return answers


async def _switch(client: aiohttp.ClientSession, version: str) -> float:
    started = time.monotonic()
    async with client.post(f"/models/{NAME}/load", json={"version": version}) as reply:
        told = await reply.json()
    if reply.status != OK or told["version"] != version:
        raise SystemExit(f"the switch to {version} has failed: {told}")
    return time.monotonic() - started


async def _client(
    client: aiohttp.ClientSession,
    lines: Sequence[str],
    expected: dict[str, dict[str, str]],
    answers: Answers,
) -> None:
    for line in itertools.cycle(lines):
        if answers.stop:
            return
        started = time.monotonic()
        try:
            status, reply = await _ask(client, line)
        except aiohttp.ClientError as error:
            answers.failed[type(error).__name__] += 1
            continue
        answers.seconds.append(time.monotonic() - started)
        if status != OK:
            answers.failed[str(status)] += 1
            continue
        version = reply["details"]["version"]
        answers.versions[version] += 1
        answers.wrong += reply["translatedText"] != expected[version][line]


async def _ask(client: aiohttp.ClientSession, text: str | list[str]) -> tuple[int, dict[str, Any]]:
    body = {"q": text, "source": "fr", "target": "en", "return_details": True}
    async with client.post("/translate", json=body) as reply:
        return reply.status, await reply.json()


def _report(name: str, answers: Answers) -> None:
    times = sorted(1000 * one for one in answers.seconds)
    p50, p99, most = (times[int(share * (len(times) - 1))] for share in (0.5, 0.99, 1))
    versions = ", ".join(
        f"{count:,} by version {version}" for version, count in sorted(answers.versions.items())
    )
    print(
        f"{name}: {len(times):,} requests ({versions}); {sum(answers.failed.values())} failed, "
        f"{answers.wrong} wrong; p50 {p50:.0f} ms, p99 {p99:.0f} ms, at most {most:.0f} ms"
    )
    if answers.failed:
        print(f"failures: {dict(answers.failed)}")
