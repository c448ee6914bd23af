"""A connection whose request heads are bounded in size and time; uvicorn bounds neither.

Bodies are bounded by the app, which answers in the words of the path's dialect. What a head asks
for is not known yet, so its refusal is plain text.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES = 65_536
"""Of the target and all headers."""
HEAD_SECONDS = 30.0
"""How long a head may take to arrive, from the opening of the connection or its first byte."""
TOO_LARGE = b"The head of the request is too large."


class HeadTooLarge(Exception):
    """The target and the headers have more bytes than the door lets in."""


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, within these bounds."""

    max_head_bytes = MAX_HEAD_BYTES
    head_seconds = HEAD_SECONDS
    _timer: asyncio.TimerHandle | None = None
    _head_bytes: int | None = None
    """Bytes that have arrived of an unfinished head; None where there is none."""
    _too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, and refuse them where they make too large a head."""
        unfinished = self._head_bytes
        super().data_received(data)
        if unfinished is None or self._head_bytes is None:
            return
        self._head_bytes = unfinished + len(data)
        if self._head_bytes > self.max_head_bytes and not self.transport.is_closing():
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_bytes = 0
        if self._timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """A head is complete. The parser makes a refusal of 400 of an exception."""
        self._stop_timer()
        self._head_bytes = None
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.max_head_bytes:
            self._too_large = True
            raise HeadTooLarge
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or one that is too large."""
        if not self._too_large:
            super().send_400_response(msg)
            return
        length = str(len(TOO_LARGE)).encode()
        head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: "
        self.transport.write(STATUS_LINE[431] + head + length + b"\r\n\r\n" + TOO_LARGE)
        self.transport.close()

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
