"""What asks for another protocol is answered in this one, and its body is its own."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from service.settings import LimitSettings, Settings
from tests.end_to_end.conftest import read

BODY = json.dumps({"q": "a b", "source": "fr", "target": "en"}).encode()
Framing = Callable[[bytes, bytes], bytes]
SMUGGLED = b"GET /languages HTTP/1.1\r\nHost: service\r\n\r\n"
LAST = b"GET /health HTTP/1.1\r\nHost: service\r\nConnection: close\r\n\r\n"
CURL = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
)
UPGRADES = {
    "curl": CURL,
    "twice": b"Upgrade: h2c\r\nconnection: upgrade\r\nUPGRADE: websocket\r\n",
    "websocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
    "none": b"",
}


@pytest.fixture
def settings() -> Settings:
    return Settings(limits=LimitSettings(max_body_bytes=1000))


def post(body: bytes, upgrade: bytes) -> bytes:
    """A request with its body."""
    head = (
        b"POST /translate HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
        b"%bContent-Length: %d\r\n\r\n"
    )
    return head % (upgrade, len(body)) + body


def chunked(body: bytes, upgrade: bytes) -> bytes:
    """The same in chunks, with a trailer."""
    head = (
        b"POST /translate HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n%b\r\n"
    )
    chunks = b"5\r\n%b\r\n%x\r\n%b\r\n0\r\nX: y\r\n\r\n"
    return head % upgrade + chunks % (body[:5], len(body) - 5, body[5:])


def answers(connection: socket.socket) -> list[tuple[int, bytes]]:
    """Status and body of all answers until the connection is closed."""
    left = read(connection)
    found: list[tuple[int, bytes]] = []
    while left:
        head, _, left = left.partition(b"\r\n\r\n")
        (size,) = (
            int(line.split(b":")[1])
            for line in head.lower().splitlines()
            if line.startswith(b"content-length")
        )
        found.append((int(head[9:12]), left[:size]))
        left = left[size:]
    return found


TRANSLATED = (200, b'{"translatedText":"b a"}')
HEALTHY = (200, b'{"status":"ok"}')


@pytest.mark.parametrize("request_of", [post, chunked])
@pytest.mark.parametrize("upgrade", UPGRADES)
class TestABodyIsRead:
    def test_in_one_piece_with_its_head(
        self, connection: socket.socket, request_of: Framing, upgrade: str
    ) -> None:
        one = request_of(BODY, UPGRADES[upgrade])
        connection.sendall(one + one + LAST)
        assert answers(connection) == [TRANSLATED, TRANSLATED, HEALTHY]

    def test_byte_by_byte(
        self, connection: socket.socket, request_of: Framing, upgrade: str
    ) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request_of(BODY, UPGRADES[upgrade]) + LAST:
            connection.sendall(bytes([byte]))
        assert answers(connection) == [TRANSLATED, HEALTHY]

    def test_and_not_taken_for_a_request(
        self, connection: socket.socket, request_of: Framing, upgrade: str
    ) -> None:
        connection.sendall(request_of(SMUGGLED, UPGRADES[upgrade]) + LAST)
        (status, _), healthy = answers(connection)
        assert (status, healthy) == (400, HEALTHY)

    def test_within_its_limit(
        self, connection: socket.socket, request_of: Framing, upgrade: str
    ) -> None:
        connection.sendall(request_of(b" " * 2000, UPGRADES[upgrade]))
        connection.shutdown(socket.SHUT_WR)
        ((status, _),) = answers(connection)
        assert status == 413


def test_a_request_without_a_body_is_answered_and_so_is_the_next(
    connection: socket.socket,
) -> None:
    one = b"GET /health HTTP/1.1\r\nHost: service\r\n" + CURL + b"\r\n"
    connection.sendall(one * 3 + LAST)
    assert answers(connection) == [HEALTHY] * 4


def test_a_body_that_is_announced_is_asked_for(connection: socket.socket) -> None:
    request = post(BODY, CURL + b"Expect: 100-continue\r\nConnection: close\r\n")
    connection.sendall(request.removesuffix(BODY))
    assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(BODY)
    assert answers(connection) == [TRANSLATED]


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n",
    ],
)
def test_a_body_that_may_be_read_in_two_ways_is_refused(
    connection: socket.socket, framing: bytes
) -> None:
    connection.sendall(
        b"POST /translate HTTP/1.1\r\nHost: service\r\n" + CURL + framing + b"\r\n" + LAST
    )
    ((status, _),) = answers(connection)
    assert status == 400


@pytest.mark.parametrize("target", [b"/translate", b"service:443"])
def test_there_is_no_tunnel(connection: socket.socket, target: bytes) -> None:
    connection.sendall(
        b"CONNECT "
        + target
        + b" HTTP/1.1\r\nHost: service\r\nContent-Length: 99\r\n\r\n"
        + SMUGGLED
    )
    ((status, _),) = answers(connection)
    assert status == 400
