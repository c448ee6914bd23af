"""Drills: what the service does on bad days. Each starts services of its own, does them harm, and
tells what came of it. Linux only. Exits with 1 if one went wrong.

How requests are answered under too much load is measured by `overload`, and what hostile requests
do by `make hostile`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import drills_connections, drills_disk, drills_processes
from benchmarks.models import lines

Drill = Callable[[list[str]], str]
DRILLS: dict[str, Drill] = {
    **drills_processes.DRILLS,
    **drills_connections.DRILLS,
    **drills_disk.DRILLS,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="source text, one sentence a line")
    parser.add_argument("--only", nargs="*", default=[*DRILLS], choices=DRILLS, metavar="DRILL")


def run(arguments: argparse.Namespace) -> None:
    sentences = [line for line in lines(arguments.source) if line]
    failed = False
    print("| drill | what came of it | s |\n|---|---|---|")
    for name in arguments.only:
        started = time.monotonic()
        try:
            found = DRILLS[name](sentences)
        except AssertionError as error:
            failed, found = True, f"**FAILED**: {error}"
        print(f"| {name} | {found} | {time.monotonic() - started:.0f} |", flush=True)
    if failed:
        raise SystemExit(1)
