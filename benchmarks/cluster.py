"""The service on Ray Serve, on several nodes that are all on this machine: throughput by
replicas, what a request costs more, how soon replicas follow the load, and what comes of kill -9.

All but the cost of a request is measured with a model whose steps take a fixed time and no
processor, so that the replicas do not need the processors of several machines.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import httpx

from benchmarks import ray_cluster, services
from benchmarks.fixed_time_model import open_fixed_time_model
from benchmarks.ray_cluster import Nodes, kill, until
from benchmarks.retrying_clients import clients
from service.cluster.options import ENGINE, INGRESS, of_engine
from service.settings import CacheSettings, RuntimeSettings, SchedulingSettings, Settings

ROWS = 8
"""Sentences that a replica of the fixed-time model decodes at a time: 16 a second."""
SCALING = {
    "max_replicas": 4,
    "upscale_delay_s": 1,
    "downscale_delay_s": 5,
    "look_back_period_s": 5,
}
WARM_UP = 20
PARTS = ("throughput", "overhead", "scaling", "kills")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=20, help="of each throughput")
    parser.add_argument("--requests", type=int, default=200, help="for the cost of one")


def run(arguments: argparse.Namespace) -> None:
    settings = Settings(
        cache=CacheSettings(max_mb=0),
        scheduling=SchedulingSettings(max_batch_rows=ROWS),
        runtime=RuntimeSettings(threads=2),
    )
    parts: dict[str, Callable[[Nodes], None]] = {
        "throughput": lambda nodes: _throughput(nodes, settings, arguments.seconds),
        "overhead": lambda nodes: _overhead(nodes, settings, arguments.requests),
        "scaling": lambda nodes: _scaling(nodes, settings),
        "kills": lambda nodes: _kills(nodes, settings),
    }
    with ray_cluster.nodes(cpus=6) as nodes:
        nodes.add(cpus=4)
        for part in arguments.parts:
            parts[part](nodes)


def _throughput(nodes: Nodes, settings: Settings, seconds: float) -> None:
    print("| replicas | sentences a second | of linear |\n|---|---|---|", flush=True)
    one = 0.0
    for replicas in (1, 2, 4):
        _run(nodes, settings, replicas)
        with clients(nodes.url, 2 * ROWS * replicas, beam_size=1) as load:
            until(lambda: len(load.ended) >= WARM_UP * replicas)  # noqa: B023
            started = time.monotonic()
            time.sleep(seconds)
            rate = load.rate(started, started + seconds)
        one = one or rate
        print(f"| {replicas} | {rate:.1f} | {rate / one / replicas:.2f} |", flush=True)
    print()


def _overhead(nodes: Nodes, settings: Settings, requests: int) -> None:
    """With the default model, one client, one sentence after the other."""
    scheduling = SchedulingSettings()
    nodes.run(
        settings.model_copy(update={"scheduling": scheduling}),
        engine={"autoscaling_config": None, "num_replicas": 1},
        ingress={"num_replicas": 1},
    )
    variables = {"RUNTIME__THREADS": 2}
    print("| p50 of a request, ms | translation | /health/live |\n|---|---|---|", flush=True)
    with services.ours(settings=variables) as plain:
        for name, url in (("one machine", plain.url), ("Ray Serve", nodes.url)):
            with httpx.Client(base_url=url) as client:
                translation = _p50(requests, lambda number: _translate(client, number))
                nothing = _p50(requests, lambda number: client.get("/health/live"))
            print(f"| {name} | {translation:.1f} | {nothing:.1f} |", flush=True)
    print()


def _translate(client: httpx.Client, number: int) -> None:
    body = {"q": f"Le chat numéro {number} dort.", "source": "fr", "target": "en"}
    client.post("/translate", json=body).raise_for_status()


def _p50(requests: int, ask: Callable[[int], object]) -> float:
    """Milliseconds."""
    found = []
    for number in range(WARM_UP + requests):
        started = time.perf_counter()
        ask(number)
        found.append(1000 * (time.perf_counter() - started))
    return statistics.median(found[WARM_UP:])


def _scaling(nodes: Nodes, settings: Settings) -> None:
    scaling = {**of_engine(settings)["autoscaling_config"], **SCALING}
    nodes.run(
        settings, open_fixed_time_model, {"autoscaling_config": scaling, "num_replicas": None}
    )
    until(lambda: nodes.replicas(ENGINE) == 1)
    print("| | seconds |\n|---|---|", flush=True)
    with clients(nodes.url, 500, beam_size=1) as load:
        for replicas in (2, 4):
            seconds = until(lambda: nodes.replicas(ENGINE) >= replicas)  # noqa: B023
            print(f"| under load, until {replicas} replicas run | {seconds:.0f} |", flush=True)
    seconds = until(lambda: nodes.replicas(ENGINE) == 1)
    print(f"| after it, until 1 runs | {seconds:.0f} |")
    print(
        f"\n{len(load.ended)} requests, {_counts(load.failures)} failed first, "
        f"{_counts(load.lost)} twice\n",
        flush=True,
    )


def _kills(nodes: Nodes, settings: Settings) -> None:
    print(
        "| kill -9 of | requests | failed first | failed twice | slowest, s "
        "| until all replicas run again, s |\n|---|---|---|---|---|---|",
        flush=True,
    )
    _run(nodes, settings, replicas=4)
    victims: dict[str, Callable[[], set[int]]] = {
        "a replica of the engine": lambda: set(nodes.processes(ENGINE)[:1]),
        "a replica of the ingress": lambda: set(nodes.processes(INGRESS)[:1]),
        "a node": nodes.last_processes,
    }
    for name in victims:
        with clients(nodes.url, 2 * ROWS, beam_size=1) as load:
            until(lambda: len(load.ended) >= WARM_UP)
            struck = victims[name]() & _replicas(nodes)
            seconds = _strike(nodes, struck, whole_node=name == "a node")
            after = len(load.ended) + WARM_UP
            until(lambda: len(load.ended) >= after)  # noqa: B023
        print(
            f"| {name} ({len(struck)} of 6 replicas) | {len(load.ended)} "
            f"| {_counts(load.failures)} | {_counts(load.lost)} "
            f"| {load.slowest:.1f} | {seconds:.1f} |",
            flush=True,
        )


def _strike(nodes: Nodes, struck: set[int], *, whole_node: bool) -> float:
    """Seconds until others do their work."""
    if whole_node:
        nodes.kill_last()
    else:
        for process in struck:
            kill(process)
    return until(
        lambda: (
            len(_replicas(nodes) - struck) == 6
            and (nodes.replicas(ENGINE), nodes.replicas(INGRESS)) == (4, 2)
        )
    )


def _replicas(nodes: Nodes) -> set[int]:
    return {*nodes.processes(ENGINE), *nodes.processes(INGRESS)}


def _run(nodes: Nodes, settings: Settings, replicas: int) -> None:
    """The fixed-time model on so many replicas, behind two of the ingress."""
    options = {"autoscaling_config": None, "num_replicas": replicas}
    nodes.run(settings, open_fixed_time_model, options, {"num_replicas": 2})


def _counts(statuses: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {status}" for status, count in statuses.items()) or "0"
