"""Messages over a stream socket: the length in four bytes, then the message."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock

from pydantic_core import to_json

LENGTH_BYTES = 4


class Channel:
    """One end, which owns its socket. Any thread sends, one thread receives."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._incoming = connection.makefile("rb")
        self._sending = Lock()

    def send(self, message: object) -> None:
        """Send a dataclass or a pydantic model as JSON. Waits while the other end does not read.

        Raises:
            OSError: the other end is gone.
        """
        content = to_json(message)
        with self._sending:
            self._connection.sendall(len(content).to_bytes(LENGTH_BYTES, "big") + content)

    def receive(self) -> bytes | None:
        """Wait for the next message; None when the other end is gone."""
        try:
            length = int.from_bytes(self._exactly(LENGTH_BYTES), "big")
            return self._exactly(length)
        except (EOFError, OSError):
            return None

    def hang_up(self) -> None:
        """End the conversation; a receive() under way, here and there, returns None."""
        with suppress(OSError):  # the other end was faster
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket, when nobody receives any more."""
        self._incoming.close()
        self._connection.close()

    def _exactly(self, count: int) -> bytes:
        content = self._incoming.read(count)
        if len(content) < count:
            raise EOFError
        return content
