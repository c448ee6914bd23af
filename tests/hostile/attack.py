"""Send hostile requests, and see what becomes of them."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from tests.hostile.requests import Request, Route, usual

SECONDS = 120.0
"""More than any answer may take; the service's own deadline is much shorter."""
ANSWERED = re.compile(rb"HTTP/1\.1 (\d{3}) ")
EXPECTED = {200, 307, 400, 403, 404, 405, 413, 415, 431, 456, 503, 504}
"""503 and 504 are for more text than can be translated at once, and for bodies that never end.
Anything else is a fault: a hostile request is the client's error, not the service's."""
ROUND = 40
LONGEST_ERROR = 2_000
NO_ANSWER = 0
"""The connection was closed without one."""
MAY_STAY_UNANSWERED = {"chunks", "headers", "targets"}
"""What is no HTTP at all may also be waited for until its time is over."""


@dataclass
class Outcome:
    """What became of the requests of one kind."""

    statuses: dict[int, int] = field(default_factory=dict)
    slowest: float = 0.0
    """Seconds."""


@dataclass
class Report:
    """What became of all."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def count(self, kind: str, status: int, seconds: float) -> None:
        """Count an answer."""
        outcome = self.outcomes.setdefault(kind, Outcome())
        outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
        outcome.slowest = max(outcome.slowest, seconds)


def attack(
    address: tuple[str, int],
    requests: Iterable[Request],
    routes: list[Route],
    report: Report,
    at_once: int = 4,
) -> None:
    """Send requests, some at once; after every round a good one must be answered as ever."""
    with ThreadPoolExecutor(at_once) as threads:
        for number, batch in enumerate(_rounds(requests)):
            for request, answer, seconds in threads.map(partial(_timed, address), batch):
                report.count(request.kind, _status(answer), seconds)
                if seconds > SECONDS:
                    report.faults.append(f"{request.kind}: late: {request.content[:300]!r}")
                if fault := fault_of(request.kind, answer):
                    report.faults.append(f"{request.kind}: {fault}: {request.content[:300]!r}")
            route = routes[number % len(routes)]
            _, answer, seconds = _timed(address, usual(route))
            report.count("usual", _status(answer), seconds)
            if _status(answer) not in (200, 403):  # what is switched off stays off
                report.faults.append(f"{route.path} answered {answer[:300]!r} after a round")


def _rounds(requests: Iterable[Request]) -> Iterator[list[Request]]:
    left = iter(requests)
    while found := list(islice(left, ROUND)):
        yield found


def _timed(address: tuple[str, int], request: Request) -> tuple[Request, bytes, float]:
    started = time.perf_counter()
    answer = exchange(address, request.content)
    return request, answer, time.perf_counter() - started


def exchange(address: tuple[str, int], content: bytes, seconds: float = SECONDS) -> bytes:
    """All that the service answers until it closes the connection, or until it is too late."""
    received = bytearray()
    with socket.create_connection(address, timeout=seconds) as connection:
        # It may answer and close while we still send.
        with suppress(ConnectionError, TimeoutError):
            connection.sendall(content)
        with suppress(ConnectionError, TimeoutError):
            while part := connection.recv(1 << 16):
                received += part
    return bytes(received)


def fault_of(kind: str, answer: bytes) -> str:
    """What is wrong with an answer; nothing if it is as it should be."""
    status = _status(answer)
    if status == NO_ANSWER:
        return "" if kind in MAY_STAY_UNANSWERED else "no answer"
    if status not in EXPECTED:
        return f"status {status}"
    head, _, body = answer.partition(b"\r\n\r\n")
    if status >= 400 and len(body) > LONGEST_ERROR:
        return f"an error of {len(body)} bytes"
    if status >= 400 and b"application/json" in head.lower() and body:
        content: Any = json.loads(body)
        if list(content) not in (["error"], ["message"]):
            return "an error of another shape"
    return ""


def peak_memory(process: int) -> dict[str, int]:
    """Greatest resident memory (bytes) of a service and of its engine's process."""
    found = {}
    for number in (process, *_children(process)):
        status = Path(f"/proc/{number}/status").read_text(encoding="utf-8")
        arguments = Path(f"/proc/{number}/cmdline").read_text(encoding="utf-8").split("\0")
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
        name = "engine" if any("engine" in one for one in arguments) else "service"
        found[name] = int(peak) * 1024
    return found


def _children(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8")
    return [int(number) for number in children.split()]


def _status(answer: bytes) -> int:
    found = ANSWERED.match(answer)
    return int(found[1]) if found else NO_ANSWER
