"""Random load on our service for a long time: random texts, options and faults, clients that leave
in the middle, requests that miss their deadline. Every request must be answered, in the right
shape; the same sentence must always be translated alike; afterwards nothing may be waiting; and
memory must stay flat. Exits with 1 if something is wrong.

The number of active clients changes at random every few seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiohttp

from benchmarks import memory, plots, services, soak_requests, traffic
from benchmarks.models import lines
from benchmarks.services import Service
from benchmarks.soak_requests import OK, Request

WAITING = "seq2seq_waiting"
"""What the gauges are called that must be 0 when nothing is there."""
IDLE_SECONDS = 30
PROCESSES = ("together", "HTTP", "engine")
SHOWN = 20
"""Faults that are printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="source text, one sentence a line")
    parser.add_argument("--directory", type=Path, help="model directory; the default model's")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=24, help="at most")
    parser.add_argument("--deadline-seconds", type=float, default=3, help="the service's")
    parser.add_argument("--waiting-items", type=int, default=128, help="the service's limit")
    parser.add_argument("--leaving", type=float, default=0.1, help="share of clients that leave")
    parser.add_argument("--warm-up", type=float, default=0.2, help="share of the time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, default=Path("build/soak.png"))


def run(arguments: argparse.Namespace) -> None:
    sentences = [line for line in lines(arguments.source) if line]
    settings = {
        "SCHEDULING__DEADLINE_SECONDS": arguments.deadline_seconds,
        "SCHEDULING__MAX_WAITING_ITEMS": arguments.waiting_items,
    }
    with services.ours(arguments.directory, settings) as service:
        soak = Soak(arguments, sentences, service)
        traffic.on_client(service.url, soak.run)
        soak.check_idle()
    soak.report()
    if soak.faults:
        raise SystemExit(1)


@dataclass(slots=True)
class Soak:
    """The load and what came of it."""

    arguments: argparse.Namespace
    sentences: list[str]
    service: Service
    outcomes: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    """(kind of request, status, or how it ended otherwise) → how many."""
    faults: list[str] = field(default_factory=list)
    memory: dict[str, list[tuple[float, float]]] = field(
        default_factory=lambda: collections.defaultdict(list)
    )
    """Process → (minutes, MB)"""
    translations: dict[str, bytes] = field(default_factory=dict)
    active: int = 1
    """Clients that send requests now."""

    async def run(self, client: aiohttp.ClientSession) -> None:
        """Load the service until the time is over."""
        begin = time.monotonic()
        end = begin + 60 * self.arguments.minutes
        await asyncio.gather(
            self._conduct(begin, end),
            *(self._client(client, number, end) for number in range(self.arguments.clients)),
        )

    async def _conduct(self, begin: float, end: float) -> None:
        """Change the number of active clients, and watch the memory."""
        random = Random(self.arguments.seed)
        change = begin
        while (now := time.monotonic()) < end and self.service.process.poll() is None:
            if now >= change:
                self.active = random.randint(0, self.arguments.clients)
                change = now + random.uniform(3, 15)
            resident = self.service.resident_by_process
            for name, megabytes in zip(PROCESSES, [sum(resident), *resident], strict=False):
                self.memory[name].append(((now - begin) / 60, megabytes))
            await asyncio.sleep(1)

    async def _client(self, client: aiohttp.ClientSession, number: int, end: float) -> None:
        random = Random(f"{self.arguments.seed} {number}")
        while time.monotonic() < end and self.service.process.poll() is None:
            if number >= self.active:
                await asyncio.sleep(0.1)
                continue
            request = soak_requests.draw(random, self.sentences)
            if random.random() < self.arguments.leaving:
                leave = random.choice((self._ask_and_leave, self._leave_while_sending))
                await leave(client, request, random.expovariate(10))
            else:
                await self._ask(client, request)

    async def _ask(self, client: aiohttp.ClientSession, request: Request) -> None:
        patience = self.arguments.deadline_seconds + IDLE_SECONDS
        try:
            async with asyncio.timeout(patience):
                status, fault, content = await _answer(client, request)
        except TimeoutError:
            self._end(request, "hung", f"no answer within {patience:.0f} s")
        except aiohttp.ClientError as error:
            self._end(request, type(error).__name__, f"no answer: {error!r}")
        else:
            if status == OK and self._differs(request, content):
                fault = fault or "another translation than before"
            self._end(request, str(status), fault)

    def _differs(self, request: Request, content: bytes) -> bool:
        """Whether this request was answered otherwise before, though it must not be."""
        key = request.repeatable
        return key is not None and self.translations.setdefault(key, content) != content

    async def _ask_and_leave(
        self, client: aiohttp.ClientSession, request: Request, seconds: float
    ) -> None:
        """Close the connection after some time, if there is no answer by then."""
        with contextlib.suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(seconds):
                await _answer(client, request)
        self._end(request, "left", None)

    async def _leave_while_sending(
        self, client: aiohttp.ClientSession, request: Request, seconds: float
    ) -> None:
        """Send half of the body and close the connection."""
        host, port = self.service.url.removeprefix("http://").split(":")
        head = (
            f"POST /translate HTTP/1.1\r\nHost: {host}\r\nContent-Type: {request.content_type}\r\n"
        )
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{head}Content-Length: {len(request.body)}\r\n\r\n".encode())
        writer.write(request.body[: len(request.body) // 2])
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            await asyncio.sleep(seconds)
            writer.close()
            await writer.wait_closed()
        self._end(request, "left while sending", None)

    def _end(self, request: Request, outcome: str, fault: str | None) -> None:
        self.outcomes[request.kind, outcome] += 1
        if fault is not None:
            self.faults.append(f"{request.kind}: {fault}")

    def check_idle(self) -> None:
        """Wait until nothing is waiting, and translate once more."""
        if self.service.process.poll() is not None:
            self.faults.append("the service has ended")
            return
        end = time.monotonic() + IDLE_SECONDS
        while any(self._waiting().values()) and time.monotonic() < end:
            time.sleep(0.1)
        self.faults += [f"{name} is {value}" for name, value in self._waiting().items() if value]
        request = soak_requests.draw_sentence(Random(self.arguments.seed), self.sentences)
        traffic.on_client(self.service.url, lambda client: self._ask(client, request))

    def _waiting(self) -> dict[str, float]:
        metrics = self.service.metrics()
        return {name: value for name, value in metrics.items() if name.startswith(WAITING)}

    def report(self) -> None:
        """Print what came of it, and write the plot."""
        statuses = sorted({status for _, status in self.outcomes})
        print(f"| request | {' | '.join(statuses)} |\n|---|{'---|' * len(statuses)}")
        for kind in sorted({kind for kind, _ in self.outcomes}):
            counts = (str(self.outcomes[kind, status]) for status in statuses)
            print(f"| {kind} | {' | '.join(counts)} |")
        print(f"\n{self.outcomes.total()} requests in {self.arguments.minutes:g} minutes")
        for fault, count in collections.Counter(self.faults).most_common(SHOWN):
            print(f"FAULT, {count} times: {fault}")
        print(f"faults: {len(self.faults)}")
        for name, samples in self.memory.items():
            print(f"memory, {name}: {memory.growth(samples, self.arguments.warm_up)}")
        panel = plots.Panel("soak", "minutes", "resident MB", self.memory)
        plots.write([panel], self.arguments.plot, columns=1)


async def _answer(client: aiohttp.ClientSession, request: Request) -> tuple[int, str | None, bytes]:
    """Status, fault and content."""
    headers = {"Content-Type": request.content_type}
    async with client.post("/translate", data=request.body, headers=headers) as response:
        content = await response.read()
    return response.status, request.fault(response.status, response.headers, content), content
