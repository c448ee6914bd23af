"""A connection whose request heads and trailers are bounded in size and time, and the reading of
its answers in time; uvicorn bounds none of it.

Bodies are bounded by the app, which answers in the words of the path's dialect. What a head asks
for is not known yet, so its refusal is plain text.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES = 65_536
"""Of the target and all headers; as many may come beside a body in chunks, such as trailers."""
HEAD_SECONDS = 30.0
"""How long a head may take to arrive, from the opening of the connection or its first byte."""
WRITE_SECONDS = 60.0
"""How long a client may read nothing while more than a buffer of its answer waits."""
NO_LINGER = struct.pack("ii", 1, 0)
TOO_LARGE = b"The head of the request, or what comes beside its body, is too large."


class HeadTooLarge(Exception):
    """The target and the headers have more bytes than the door lets in."""


class NoTunnel(Exception):
    """CONNECT has no body and is no request for an app."""


class UpgradeIgnored(httptools.HttpRequestParser):
    """Reads a request with the header Upgrade as if it had none, which HTTP allows.

    httptools ends such a request behind its head, whatever body it declares, and the body would be
    taken for the next request. So the head is read once more, without that header.
    """

    def __init__(self, connection: BoundedConnection) -> None:
        self._connection = connection
        self._start_anew()

    def _start_anew(self) -> None:
        super().__init__(self._connection)
        # As in uvicorn's own parser: what follows "Connection: close" is no error.
        self.set_dangerous_leniencies(lenient_data_after_close=True)

    def feed_data(self, data: bytes | bytearray | memoryview) -> None:  # type: ignore[override]
        """Read bytes.

        Raises:
            HttpParserError: they are no request.
        """
        rest = memoryview(data)
        while rest:
            try:
                super().feed_data(rest)
            except httptools.HttpParserUpgrade as stop:
                rest = rest[stop.args[0] :]
                self._read_again(self._connection.head_without_upgrade())
            else:
                return

    def _read_again(self, head: bytes) -> None:
        self._start_anew()  # after "Connection: close" it would read nothing
        super().feed_data(head)


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, within these bounds."""

    max_head_bytes = MAX_HEAD_BYTES
    head_seconds = HEAD_SECONDS
    write_seconds = WRITE_SECONDS
    _timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _in_head = False
    _bytes = 0
    """That have arrived since the last complete head or piece of a body."""
    _too_large = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.parser = UpgradeIgnored(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._stop_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, and refuse them where they make too large a head or too large trailers."""
        self._bytes += len(data)
        super().data_received(data)
        if self._answered_early and self._timer is None:
            self._expect_head()  # or what is left of a body could come byte by byte for ever
        if self._bytes > self.max_head_bytes and not self.transport.is_closing():
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = True
        self._bytes = 0
        if self._timer is None:
            self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is complete. Trailers are none: nobody asked for them."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete. The parser makes a refusal of 400 of an exception."""
        self._stop_timer()
        self._bytes = 0
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.max_head_bytes:
            self._too_large = True
            raise HeadTooLarge
        if self.parser.get_method() == b"CONNECT":
            raise NoTunnel
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body has come. How many may come is for the app to say."""
        self._bytes = 0
        super().on_body(body)

    def head_without_upgrade(self) -> bytes:
        """The head that is complete, without the header Upgrade."""
        request = b"%s %s HTTP/%s" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        headers = (b"%s: %s" % one for one in self.headers if one[0] != b"upgrade")
        return b"\r\n".join((request, *headers, b"", b""))

    def _should_upgrade(self) -> bool:
        """Of a request with the header Upgrade, uvicorn is to do nothing: it will be read again."""
        return True

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or one that is too large."""
        if not self._too_large:
            super().send_400_response(msg)
            return
        if not self._in_head and self.cycle is not None and self.cycle.response_started:
            self.transport.close()  # another answer would be nobody's
            return
        length = str(len(TOO_LARGE)).encode()
        head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: "
        self.transport.write(STATUS_LINE[431] + head + length + b"\r\n\r\n" + TOO_LARGE)
        self.transport.close()

    def pause_writing(self) -> None:
        """The client does not read fast enough: the app waits, but not for ever."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.write_seconds, self._abandon)

    def resume_writing(self) -> None:
        """The client has read."""
        self._stop_write_timer()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; one whose answer nobody reads would not close by itself."""
        if self.transport.get_write_buffer_size():
            self._abandon()
        else:
            super().timeout_keep_alive_handler()

    def _abandon(self) -> None:
        """Close at once. The system, too, is not to wait for a client that does not read."""
        own: socket.socket = self.transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.transport.abort()

    @property
    def _answered_early(self) -> bool:
        """Whether the request was answered, and what arrived is only the rest of its body."""
        return (
            not self._in_head
            and self.cycle is not None
            and self.cycle.response_complete
            and self.timeout_keep_alive_task is None
        )

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
