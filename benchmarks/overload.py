"""More than the service can do, for a long time: it is asked on many connections, at random moments
(Poisson) and at a multiple of the rate that it answers at most, whatever it does. Some requests are
bulk, and some of those that were refused come back when they were told to.

Every request must be answered; admitted ones before their deadline, and refused ones at once, with
Retry-After; afterwards nothing may be waiting; and memory must stay flat. Exits with 1 if requests
were lost, had another answer, or were late.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks import connections, memory, plots, services, traffic
from benchmarks.connections import Answer, Connections
from benchmarks.models import lines
from benchmarks.services import Service

OK, REFUSED = 200, (429, 503)
AT_ONCE = 0.05
"""Seconds within which a refusal is to be answered."""
OUTSTANDING = 128
"""Requests under way while the highest rate is found out."""
BUCKET_SECONDS = 5.0
PROCESSES = ("HTTP", "engine")
KINDS = ("interactive", "bulk", "came back")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="source text, one sentence a line")
    parser.add_argument("--directory", type=Path, help="model directory; the default model's")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--times", type=float, default=1.5, help="of the highest rate")
    parser.add_argument("--rate", type=float, help="highest rate; found out if left out")
    parser.add_argument("--rate-seconds", type=float, default=20, help="for finding it out")
    parser.add_argument("--bulk", type=float, default=0.2, help="share of bulk requests")
    parser.add_argument("--returning", type=float, default=0.1, help="share that comes back")
    parser.add_argument("--deadline-seconds", type=float, default=30, help="the service's")
    parser.add_argument("--warm-up", type=float, default=0.2, help="share of the time, for memory")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, default=Path("build/overload.png"))


def run(arguments: argparse.Namespace) -> None:
    sentences = [line for line in lines(arguments.source) if line]
    settings = {
        "SCHEDULING__DEADLINE_SECONDS": arguments.deadline_seconds,
        "SERVER__LOG_LEVEL": "warning",
    }
    with services.ours(arguments.directory, settings) as service:
        overload = Overload(arguments, sentences, service)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(overload.run())
        overload.check_idle()
    overload.report()
    if overload.faults:
        raise SystemExit(1)


@dataclass(slots=True)
class Kind:
    """What became of the requests of one kind."""

    sent: int = 0
    admitted: list[float] = field(default_factory=list)
    """Seconds."""
    refused: list[float] = field(default_factory=list)
    retry_after: collections.Counter[int] = field(default_factory=collections.Counter)
    others: collections.Counter[int] = field(default_factory=collections.Counter)
    """Statuses that are neither."""

    @property
    def ended(self) -> int:
        return len(self.admitted) + len(self.refused) + self.others.total()


class Overload:
    """The load and what came of it."""

    def __init__(
        self, arguments: argparse.Namespace, sentences: Sequence[str], service: Service
    ) -> None:
        self._arguments = arguments
        self._service = service
        address = urlsplit(service.url)
        assert address.hostname is not None
        assert address.port is not None
        self._address = address.hostname, address.port
        self._requests = {
            name: itertools.cycle(
                connections.requests(*self._address, traffic.bodies(sentences, priority=name))
            )
            for name in KINDS[:2]
        }
        self._random = random.Random(arguments.seed)
        self._rate = 0.0
        self._seconds = 0.0
        self._share = 0.0
        self._late: list[float] = []
        self._answered: collections.Counter[int] = collections.Counter()
        """Translations by bucket of time."""
        self._begin = 0.0
        self._memory: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
        self.kinds = {name: Kind() for name in KINDS}
        self.faults: list[str] = []

    async def run(self) -> None:
        """Find out the highest rate, and go beyond it."""
        pool = Connections(*self._address)
        await pool.open(self._arguments.connections)
        print(f"{len(pool.all)} connections are open", flush=True)
        self._rate = float(self._arguments.rate or await self._highest_rate(pool))
        print(f"highest rate: {self._rate:.1f} translations a second", flush=True)
        self._begin, used = time.monotonic(), time.process_time()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            await self._arrive(pool)
            await self._wait_for_the_last()
            watching.cancel()
        self._seconds = time.monotonic() - self._begin
        self._share = (time.process_time() - used) / self._seconds
        if (lost := self._arguments.connections - len(pool.all)) > 0:
            self.faults.append(f"{lost} connections were closed by the service")
        pool.close()

    async def _highest_rate(self, pool: Connections) -> float:
        """Translations a second with OUTSTANDING requests under way all the time."""
        seconds = self._arguments.rate_seconds
        begin = time.monotonic() + seconds / 4
        ended = asyncio.Event()
        count = 0

        def done(answer: Answer) -> None:
            nonlocal count
            now = time.monotonic()
            count += now >= begin
            if now >= begin + seconds:
                ended.set()
            else:
                pool.send(next(self._requests["interactive"]), now, done)

        for _ in range(OUTSTANDING):
            pool.send(next(self._requests["interactive"]), time.monotonic(), done)
        await ended.wait()
        rate: float = count / (time.monotonic() - begin)
        await asyncio.sleep(self._arguments.deadline_seconds / 10)  # for the last answers
        return rate

    async def _arrive(self, pool: Connections) -> None:
        end = self._begin + 60 * self._arguments.minutes
        moment = self._begin
        while (
            moment := moment + self._random.expovariate(self._arguments.times * self._rate)
        ) < end:
            if (pause := moment - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            kind = "bulk" if self._random.random() < self._arguments.bulk else "interactive"
            self._send(pool, kind, kind, moment)

    def _send(self, pool: Connections, kind: str, priority: str, due: float) -> None:
        counts = self.kinds[kind]
        counts.sent += 1

        def done(answer: Answer) -> None:
            self._late.append(answer.late)
            self._count(counts, answer)
            coming_back = self._random.random() < self._arguments.returning
            if answer.retry_after and kind != "came back" and coming_back:
                asyncio.get_running_loop().call_later(
                    answer.retry_after, self._come_back, pool, priority
                )

        pool.send(next(self._requests[priority]), due, done)

    def _come_back(self, pool: Connections, priority: str) -> None:
        self._send(pool, "came back", priority, time.monotonic())

    def _count(self, counts: Kind, answer: Answer) -> None:
        if answer.status == OK:
            counts.admitted.append(answer.seconds)
            self._answered[int((time.monotonic() - self._begin) / BUCKET_SECONDS)] += 1
        elif answer.status in REFUSED and answer.retry_after:
            counts.refused.append(answer.seconds)
            counts.retry_after[answer.retry_after] += 1
        else:
            counts.others[answer.status] += 1

    async def _wait_for_the_last(self) -> None:
        for _ in range(int(2 * self._arguments.deadline_seconds)):
            if all(one.ended == one.sent for one in self.kinds.values()):
                return
            await asyncio.sleep(1)

    async def _watch(self) -> None:
        """Note the memory, every second."""
        while self._service.process.poll() is None:
            minutes = (time.monotonic() - self._begin) / 60
            for name, megabytes in zip(PROCESSES, self._service.resident_by_process, strict=False):
                self._memory[name].append((minutes, megabytes))
            await asyncio.sleep(1)

    def check_idle(self) -> None:
        """See that nothing is left over."""
        if self._service.process.poll() is not None:
            self.faults.append("the service has ended")
            return
        for name, value in self._service.metrics().items():
            if name.startswith("seq2seq_waiting") and value:
                self.faults.append(f"{name} is {value}")
            if name.startswith("seq2seq_rejections_total"):
                print(f"{name} {value:.0f}")

    def report(self) -> None:
        """Print what came of it, and write the plot."""
        print(
            f"{self._seconds / 60:.1f} minutes at {self._arguments.times} × {self._rate:.1f} = "
            f"{self._arguments.times * self._rate:.1f} requests a second"
        )
        print(
            "| requests | sent | admitted | p50 / p95 / p99 / most s | refused | "
            "p50 / p95 / p99 / most ms | within 50 ms | Retry-After, s |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for name, kind in self.kinds.items():
            print(f"| {name} | {self._row(kind)} |")
            self._judge(name, kind)
        self._late.sort()
        print(
            f"sent later than due by (p50 / p95 / p99 / most ms): {_spread(self._late, 1000)}; "
            f"this program took {self._share:.0%} of a core"
        )
        for name, samples in self._memory.items():
            print(f"memory, {name}: {memory.growth(samples, self._arguments.warm_up)}")
        for fault in self.faults:
            print(f"FAULT: {fault}")
        print(f"faults: {len(self.faults)}")
        self._plot()

    def _row(self, kind: Kind) -> str:
        kind.admitted.sort()
        kind.refused.sort()
        at_once = sum(seconds <= AT_ONCE for seconds in kind.refused)
        told = sorted(kind.retry_after.elements())
        return " | ".join(
            (
                str(kind.sent),
                f"{len(kind.admitted)} ({len(kind.admitted) / max(1, kind.sent):.0%})",
                _spread(kind.admitted, 1, 2),
                str(len(kind.refused)),
                _spread(kind.refused, 1000),
                f"{at_once / max(1, len(kind.refused)):.2%}",
                f"{told[0]} to {told[-1]}, median {told[len(told) // 2]}" if told else "",
            )
        )

    def _judge(self, name: str, kind: Kind) -> None:
        if unanswered := kind.sent - kind.ended:
            self.faults.append(f"{name}: {unanswered} requests have no answer")
        for status, count in kind.others.items():
            self.faults.append(f"{name}: {count} answers of status {status}")
        late = sum(seconds > self._arguments.deadline_seconds for seconds in kind.admitted)
        if late > len(kind.admitted) / 100:
            self.faults.append(f"{name}: {late} translations came after their deadline")

    def _plot(self) -> None:
        rate = [
            (bucket * BUCKET_SECONDS / 60, count / BUCKET_SECONDS)
            for bucket, count in sorted(self._answered.items())
        ]
        panels = [
            plots.Panel("memory", "minutes", "resident MB", self._memory),
            plots.Panel("translations", "minutes", "a second", {"": rate}),
        ]
        plots.write(panels, self._arguments.plot, columns=2)


def _spread(seconds: Sequence[float], unit: float, digits: int = 0) -> str:
    """p50 / p95 / p99 / most of ascending values."""
    if not seconds:
        return ""
    found = (*traffic.percentiles(seconds), seconds[-1])
    return " / ".join(f"{unit * value:.{digits}f}" for value in found)
