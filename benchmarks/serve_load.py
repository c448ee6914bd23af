"""`serve`: throughput and latency of both services under load. See serve.py."""

from __future__ import annotations

import argparse
import collections
import statistics
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import plots, traffic
from benchmarks.contest import Contest
from benchmarks.services import Service
from benchmarks.traffic import Load

HEAD = (
    "| model | load | ours /s | peer /s | ratio (min–max) | ours p50 / p95 / p99 ms "
    "| peer p50 / p95 / p99 ms | p50 ratio (min–max) | not translated | generator |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)
Generate = Callable[[aiohttp.ClientSession], Coroutine[Any, Any, Load]]


@dataclass(frozen=True, slots=True)
class Point:
    """One load on both services, several times."""

    at: float
    """Clients, or arrivals a second."""
    ours: list[Load]
    peer: list[Load]

    @property
    def best_of_peer(self) -> float:
        """Its throughput."""
        return statistics.median(load.throughput for load in self.peer)


def run(arguments: argparse.Namespace, contests: Sequence[Contest]) -> None:
    found = {}
    for contest in contests:
        threads = contest.best_threads(arguments.peer_threads, min(5, arguments.seconds))
        with contest.ours() as ours, contest.peer(threads) as peer:
            print(f"{contest.agreement((ours, peer))}\n{HEAD}", flush=True)
            found[contest.model] = _measure(arguments, contest, ours, peer)
        print()
    _plot(found, arguments.plot)


def _measure(
    arguments: argparse.Namespace, contest: Contest, ours: Service, peer: Service
) -> tuple[list[Point], list[Point]]:
    """Points of the closed and of the open loop."""
    requests, seconds = contest.requests, arguments.seconds

    def closed(clients: float) -> Generate:
        return lambda client: traffic.closed_loop(client, requests, int(clients), seconds)

    def opened(rate: float) -> Generate:
        return lambda client: traffic.open_loop(client, requests, rate, seconds)

    def points(loads: Sequence[float], generate: Callable[[float], Generate], unit: str) -> Any:
        found = []
        for at in loads:
            point = _point(at, generate(at), (ours, peer), arguments.rounds)
            print(f"| {contest.model} | {at:.3g} {unit} | {_row(point)} |", flush=True)
            found.append(point)
        return found

    by_clients = points(arguments.clients, closed, "clients")
    best = max((point.best_of_peer for point in by_clients), default=0.0)
    rates = arguments.rates
    if rates is None:
        rates = [share * best for share in arguments.shares] if best else []
    return by_clients, points(rates, opened, "arrivals/s")


def _point(at: float, generate: Generate, both: tuple[Service, Service], rounds: int) -> Point:
    loads: dict[str, list[Load]] = {service.name: [] for service in both}
    for number in range(rounds):
        for service in both if number % 2 == 0 else reversed(both):
            loads[service.name].append(traffic.on_client(service.url, generate))
    ours, peer = both
    return Point(at, loads[ours.name], loads[peer.name])


def _row(point: Point) -> str:
    ours, peer = point.ours, point.peer
    rates = [(a.throughput, b.throughput) for a, b in zip(ours, peer, strict=True)]
    medians = [
        (traffic.percentiles(a.latencies)[0], traffic.percentiles(b.latencies)[0])
        for a, b in zip(ours, peer, strict=True)
    ]
    return " | ".join(
        (
            f"{statistics.median(a for a, _ in rates):.1f}",
            f"{statistics.median(b for _, b in rates):.1f}",
            _ratio([a / b if b else float("inf") for a, b in rates]),
            _milliseconds(ours),
            _milliseconds(peer),
            _ratio([b / a for a, b in medians]),
            f"{_others(ours)}; {_others(peer)}",
            f"{max(load.generator_share for load in (*ours, *peer)):.0%}",
        )
    )


def _ratio(ratios: Sequence[float]) -> str:
    return f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}–{max(ratios):.2f})"


def _milliseconds(loads: Sequence[Load]) -> str:
    return " / ".join(f"{value:.0f}" for value in traffic.median_percentiles(loads))


def _others(loads: Sequence[Load]) -> str:
    counts = collections.Counter[str]()
    for load in loads:
        counts.update(load.others)
    return ", ".join(f"{count} × {name}" for name, count in counts.items()) or "0"


def _plot(found: dict[str, tuple[list[Point], list[Point]]], path: Path) -> None:
    panels = []
    for model, (by_clients, by_rate) in found.items():
        panels += [
            plots.Panel(
                f"{model}, clients",
                "clients",
                "translations a second",
                _throughputs(by_clients),
                log_x=True,
            ),
            plots.Panel(
                f"{model}, clients", "clients", "latency, ms", _latencies(by_clients), True, True
            ),
            plots.Panel(
                f"{model}, arrivals",
                "arrivals a second",
                "latency, ms",
                _latencies(by_rate),
                False,
                True,
            ),
        ]
    plots.write(panels, path, columns=3)


def _throughputs(points: Sequence[Point]) -> dict[str, plots.Line]:
    return {
        "ours": [(p.at, statistics.median(one.throughput for one in p.ours)) for p in points],
        "peer": [(p.at, statistics.median(one.throughput for one in p.peer)) for p in points],
    }


def _latencies(points: Sequence[Point]) -> dict[str, plots.Line]:
    lines: dict[str, plots.Line] = {}
    for place, name in ((0, "p50"), (2, "p99")):
        lines[f"ours {name}"] = [(p.at, traffic.median_percentiles(p.ours)[place]) for p in points]
        lines[f"peer {name}"] = [(p.at, traffic.median_percentiles(p.peer)[place]) for p in points]
    return lines
