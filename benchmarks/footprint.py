"""What a service costs that does nothing yet: time to ready, resident memory, processor time while
idle. Linux only."""

from __future__ import annotations

import argparse
import statistics
import time

import httpx

from benchmarks import services

TEXT = "Où est la gare ? Je voudrais un café, s’il vous plaît. " * 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--idle-seconds", type=float, default=20)


def run(arguments: argparse.Namespace) -> None:
    seconds = []
    for _ in range(arguments.starts):
        with services.ours() as service:
            seconds.append(service.seconds_to_ready)
    print(
        f"time to ready: median {statistics.median(seconds):.2f} s, "
        f"{min(seconds):.2f} to {max(seconds):.2f} s in {len(seconds)} starts"
    )
    with services.ours() as service:
        print(f"resident memory when ready: {service.resident_megabytes:.0f} MB")
        _translate(service.url)
        print(f"resident memory after translations: {service.resident_megabytes:.0f} MB")
        before = service.processor_seconds
        time.sleep(arguments.idle_seconds)
        used = service.processor_seconds - before
        print(f"processor while idle: {used / arguments.idle_seconds:.2%} of a core")


def _translate(url: str) -> None:
    body = {"q": [TEXT] * 8, "source": "fr", "target": "en"}
    httpx.post(f"{url}/translate", json=body, timeout=60).raise_for_status()
