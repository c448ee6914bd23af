"""Many kept connections to a service, as cheap as they can be: bytes are prepared beforehand, and
of an answer only the status, Retry-After and the length are read."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)\r", re.IGNORECASE)
LOST = 0
"""The status of a request whose connection was closed before its answer."""
CONNECTING = 50
"""Connections that are opened at the same time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a request."""

    status: int
    retry_after: int | None
    late: float
    """Seconds from when the request was due until it was sent."""
    seconds: float
    """From then to the end of the answer."""


Done = Callable[[Answer], None]


class Connections:
    """Connections that take turns, so that all are in use. One request at a time on each."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._free: deque[_Connection] = deque()
        self._waiting: deque[tuple[bytes, float, Done]] = deque()
        self.all: set[_Connection] = set()
        """Those that are open."""

    async def open(self, count: int) -> None:
        """Open so many."""
        for start in range(0, count, CONNECTING):
            some = range(min(CONNECTING, count - start))
            await asyncio.gather(*(self._open_one() for _ in some))

    async def _open_one(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(self), *self._address)
        self._free.append(connection)

    def send(self, request: bytes, due: float, done: Done) -> None:
        """Send a request as soon as a connection is free; done is told of its end.

        due: monotonic seconds.
        """
        if self._free:
            self._free.popleft().send(request, due, done)
        else:
            self._waiting.append((request, due, done))

    def release(self, connection: _Connection) -> None:
        """A connection is free again."""
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._free.append(connection)

    def forget(self, connection: _Connection) -> None:
        """A connection was closed; another one takes its place."""
        self.all.discard(connection)
        if connection in self._free:
            self._free.remove(connection)

    def close(self) -> None:
        """Close all."""
        for connection in list(self.all):
            connection.transport.close()


class _Connection(asyncio.Protocol):
    def __init__(self, owner: Connections) -> None:
        self._owner = owner
        self._received = bytearray()
        self._needed: int | None = None
        self._done: Done | None = None
        self._due = self._sent = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._owner.all.add(self)

    def send(self, request: bytes, due: float, done: Done) -> None:
        self._due, self._done = due, done
        self._sent = time.monotonic()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._needed is None:
            end = self._received.find(HEAD_END)
            if end < 0:
                return
            length = LENGTH.search(self._received, 0, end + 2)
            self._needed = end + len(HEAD_END) + (int(length[1]) if length else 0)
        if len(self._received) >= self._needed:
            self._end(int(self._received[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.forget(self)
        if self._done is not None:
            self._tell(LOST, None)

    def _end(self, status: int) -> None:
        found = RETRY_AFTER.search(self._received)
        retry_after = int(found[1]) if found else None
        self._received.clear()
        self._needed = None
        self._tell(status, retry_after)
        self._owner.release(self)

    def _tell(self, status: int, retry_after: int | None) -> None:
        done, self._done = self._done, None
        assert done is not None
        now = time.monotonic()
        done(Answer(status, retry_after, self._sent - self._due, now - self._sent))


def requests(host: str, port: int, bodies: Sequence[bytes]) -> list[bytes]:
    """POST /translate with each body, as it goes over the connection."""
    head = f"POST /translate HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
