"""Send hostile requests to a service with the default model: `make hostile`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import urlopen

from service.settings import PREFIX
from tests.hostile.attack import Report, attack, peak_memory
from tests.hostile.requests import requests, routes

MEBIBYTE = 2**20
SETTINGS = {
    "SERVER__PORT": "0",
    "SCHEDULING__DEADLINE_SECONDS": "10",
    "DECODING__BEAM_SIZE": "1",
    "DECODING__MAX_DECODING_LENGTH": "32",
}
"""So that hostile text of the greatest size does not take all the time."""


def main() -> int:
    """Run it. The process' exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    environment = os.environ | {f"{PREFIX}{name}": value for name, value in SETTINGS.items()}
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-m", "service"],
            env=environment | {f"{PREFIX}SUGGESTIONS__FILE": f"{folder}/suggestions"},
            stderr=subprocess.PIPE,
            text=True,
        ) as service,
    ):
        try:
            return _run(service, asked.count, asked.seed)
        finally:
            service.terminate()


def _run(service: subprocess.Popen[str], count: int, seed: int) -> int:
    assert service.stderr is not None
    url = next(
        line["event"].split()[-1] for line in map(json.loads, service.stderr) if "seconds" in line
    )

    log: list[str] = []
    reader = Thread(target=log.extend, args=(service.stderr,))
    reader.start()
    host, port = urlsplit(url).hostname, urlsplit(url).port
    assert host is not None
    assert port is not None
    with urlopen(f"{url}/openapi.json") as answer:
        document = json.load(answer)
    known = routes(document)
    before = peak_memory(service.pid)
    started = time.perf_counter()
    report = Report()
    with suppress(KeyboardInterrupt):  # what was seen until then is told
        attack((host, port), requests(document, count, seed), known, report)
    _show(report, time.perf_counter() - started)
    for name, peak in peak_memory(service.pid).items():
        sys.stdout.write(
            f"{name}: {before[name] / MEBIBYTE:.0f} → {peak / MEBIBYTE:.0f} MiB at most\n"
        )
    service.terminate()
    reader.join()
    for fault in report.faults[:50]:
        sys.stdout.write(f"FAULT {fault}\n")
    errors = [line for line in log if '"level": "error"' in line]
    for line in errors[:50]:
        sys.stdout.write(f"LOG {line}")
    sys.stdout.write(f"{len(report.faults)} faults, {len(errors)} errors in the log\n")
    return 1 if report.faults or errors else 0


def _show(report: Report, seconds: float) -> None:
    for kind, outcome in sorted(report.outcomes.items()):
        statuses = ", ".join(
            f"{status}: {count}" for status, count in sorted(outcome.statuses.items())
        )
        sys.stdout.write(f"{kind:12} slowest {outcome.slowest:6.2f} s   {statuses}\n")
    total = sum(sum(outcome.statuses.values()) for outcome in report.outcomes.values())
    sys.stdout.write(f"{total} requests in {seconds:.0f} s\n")


if __name__ == "__main__":
    sys.exit(main())
