"""What a service costs that does nothing yet: time to ready, resident memory, processor time while
idle. Linux only."""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
TEXT = "Où est la gare ? Je voudrais un café, s’il vous plaît. " * 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--idle-seconds", type=float, default=20)


def run(arguments: argparse.Namespace) -> None:
    seconds = []
    for _ in range(arguments.starts):
        with _service(arguments.port) as (_, taken):
            seconds.append(taken)
    print(
        f"time to ready: median {statistics.median(seconds):.2f} s, "
        f"{min(seconds):.2f} to {max(seconds):.2f} s in {len(seconds)} starts"
    )
    with _service(arguments.port) as (process, _):
        print(f"resident memory when ready: {_resident(process):.0f} MB")
        _translate(arguments.port)
        print(f"resident memory after translations: {_resident(process):.0f} MB")
        before = _processor_seconds(process)
        time.sleep(arguments.idle_seconds)
        used = _processor_seconds(process) - before
        print(f"processor while idle: {used / arguments.idle_seconds:.2%} of a core")


@contextlib.contextmanager
def _service(port: int) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """A running service, and the seconds from its start until it said that it is ready."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "service"],
        env={**os.environ, "SEQ2SEQ_SERVER__PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    try:
        while not _ready(port):
            if process.poll() is not None:
                raise RuntimeError("the service did not start")
            time.sleep(0.01)
        yield process, time.monotonic() - started
    finally:
        process.terminate()
        process.wait(60)


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _translate(port: int) -> None:
    body = {"q": [TEXT] * 8, "source": "fr", "target": "en"}
    httpx.post(f"http://127.0.0.1:{port}/translate", json=body, timeout=60).raise_for_status()


def _resident(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1000


def _processor_seconds(process: subprocess.Popen[bytes]) -> float:
    fields = (
        Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    )
    return (int(fields[11]) + int(fields[12])) / TICKS
