"""Drills: clients that are many, slow or silent."""

from __future__ import annotations

import resource
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.drills import Drilled, service, until

IDLE = 10_000
SLOW = 500
FILES = 64
HEALTH = b"GET /health HTTP/1.1\r\nHost: service\r\n\r\n"
MEGABYTES_FOR_IDLE = 300
HEAD_SECONDS = 45
"""A little more than a head may take."""


def idle_connections(sentences: list[str]) -> str:
    """Ten thousand connections that are kept and do nothing."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as connections,
        service(Path(folder)) as drilled,
    ):
        drilled.translate()
        before = drilled.resident_megabytes
        for _ in range(IDLE):
            connection = connections.enter_context(_connected(drilled))
            connection.sendall(HEALTH)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        grown = drilled.resident_megabytes - before
        started = time.monotonic()
        assert drilled.translate().status_code == 200
        seconds = time.monotonic() - started
        assert grown < MEGABYTES_FOR_IDLE, f"{grown:.0f} MB"
        return (
            f"{IDLE} connections, each with a request behind it, take {grown:.0f} MB of memory; a "
            f"translation beside them {1000 * seconds:.0f} ms"
        )


def slow_heads(sentences: list[str]) -> str:
    """Heads that arrive byte by byte, on hundreds of connections."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as connections,
        service(Path(folder)) as drilled,
    ):
        slow = [connections.enter_context(_connected(drilled)) for _ in range(SLOW)]
        for connection in slow:
            connection.sendall(b"GET /health HTTP/1.1\r\nX: ")
            connection.setblocking(False)
        started, slowest = time.monotonic(), 0.0
        closed = 0
        while closed < SLOW:
            assert time.monotonic() < started + HEAD_SECONDS, f"{SLOW - closed} are still open"
            for connection in slow:
                _drip(connection)
            closed = sum(connection.fileno() < 0 for connection in slow)
            asked = time.monotonic()
            assert drilled.translate().status_code == 200
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.5)
        seconds = time.monotonic() - started
        return (
            f"{SLOW} connections were closed after {seconds:.0f} s; the slowest of the "
            f"translations in between took {1000 * slowest:.0f} ms"
        )


def _drip(connection: socket.socket) -> None:
    if connection.fileno() < 0:
        return
    try:
        connection.send(b"x")
        if connection.recv(1) == b"":
            connection.close()
    except BlockingIOError:
        return  # nothing has come, so it is still open
    except OSError:
        connection.close()


def too_few_files(sentences: list[str]) -> str:
    """More connections than the service may have files."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as connections,
        service(Path(folder), limits=_few_files) as drilled,
    ):
        assert drilled.translate().status_code == 200
        for _ in range(4 * FILES):
            connections.enter_context(_connected(drilled))
        time.sleep(1)
        assert drilled.process.poll() is None
        connections.close()
        until(lambda: drilled.translate().status_code == 200)
        return (
            f"{4 * FILES} connections with {FILES} files; when they had left, the service "
            f"translated as before; {len(drilled.faults())} errors in the log"
        )


def _few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


def _connected(drilled: Drilled) -> socket.socket:
    address = urlsplit(drilled.url)
    assert address.hostname is not None
    assert address.port is not None
    return socket.create_connection((address.hostname, address.port), timeout=30)


DRILLS = {
    "10,000 idle connections": idle_connections,
    "slow heads": slow_heads,
    "too few file descriptors": too_few_files,
}
