"""What happens to a connection when its client does not behave."""

from __future__ import annotations

import errno
import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest

from service.connection import BoundedConnection
from service.package.manifest import LanguagePair
from service.settings import AccessSettings, LimitSettings, SchedulingSettings, Settings
from tests.end_to_end.conftest import connected, live_server, read, until
from tests.service.api.reversing import PAIRS, ReversingEngine, serving

BODY = json.dumps({"q": "a b", "source": "fr", "target": "en"}).encode()
HEAD = (
    b"POST /translate HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
LIMIT = 100_000


@pytest.fixture
def settings() -> Settings:
    return Settings(
        limits=LimitSettings(max_body_bytes=LIMIT),
        scheduling=SchedulingSettings(deadline_seconds=0.5),
    )


class TestAPatientService:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings()

    def test_a_client_that_leaves_frees_its_rows(
        self, connection: socket.socket, client: httpx.Client, engine: ReversingEngine
    ) -> None:
        engine.hold()
        connection.sendall(HEAD % len(BODY) + BODY)
        until(lambda: engine.waiting == 1)
        connection.close()
        until(lambda: engine.jobs[0].abandoned)
        seen = 'seq2seq_requests_total{route="/translate",status="499"} 1.0'
        until(lambda: seen in client.get("/metrics").text)
        assert "seq2seq_waiting_items 0.0" in client.get("/metrics").text

    def test_a_client_that_leaves_while_it_sends_is_counted_too(
        self, connection: socket.socket, client: httpx.Client
    ) -> None:
        connection.sendall(HEAD % len(BODY) + BODY[:5])
        connection.close()
        seen = 'seq2seq_requests_total{route="/translate",status="499"} 1.0'
        until(lambda: seen in client.get("/metrics").text)


def test_a_body_that_is_too_large_is_refused_while_it_arrives(connection: socket.socket) -> None:
    connection.sendall(HEAD % 10_000_000)
    head = connection.recv(65_536)
    assert head.startswith(b"HTTP/1.1 413 ")
    # The client is still sending. It must not be reset before it has read the answer.
    for _ in range(100):
        connection.sendall(b" " * 100_000)
    rest = read(connection)
    assert b"connection: close" in head.lower()
    assert b'{"error":"The body is larger than 100000 bytes."}' in head + rest


def test_a_body_without_a_declared_size_is_refused_where_it_is_too_large(
    connection: socket.socket,
) -> None:
    connection.sendall(
        b"POST /translate HTTP/1.1\r\nHost: service\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for _ in range(30):
        connection.sendall(b"2710\r\n" + b" " * 10_000 + b"\r\n")
    connection.sendall(b"0\r\n\r\n")
    assert read(connection).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_never_arrives_is_not_waited_for(connection: socket.socket) -> None:
    connection.sendall(HEAD % len(BODY) + BODY[:5])
    assert connection.recv(65_536).startswith(b"HTTP/1.1 504 ")


def test_a_translation_that_takes_too_long_is_given_up(
    connection: socket.socket, engine: ReversingEngine
) -> None:
    engine.hold()
    connection.sendall(HEAD % len(BODY) + BODY)
    assert connection.recv(65_536).startswith(b"HTTP/1.1 504 ")
    assert engine.jobs[0].abandoned


def test_a_body_that_is_announced_is_only_sent_when_it_fits(connection: socket.socket) -> None:
    head = HEAD.replace(b"Host:", b"Expect: 100-continue\r\nHost:")
    connection.sendall(head % len(BODY))
    assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
    connection.sendall(BODY)
    assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    connection.sendall(head % 10_000_000)
    assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_what_is_not_http_is_refused(connection: socket.socket) -> None:
    connection.sendall(b"bonjour\r\n\r\n")
    assert read(connection).startswith(b"HTTP/1.1 400 ")


def test_a_head_that_is_too_large_is_refused(connection: socket.socket) -> None:
    connection.sendall(
        b"GET /health HTTP/1.1\r\nHost: service\r\nX: " + b"x" * 65_536 + b"\r\n\r\n"
    )
    assert read(connection).startswith(b"HTTP/1.1 431 ")


def test_a_head_that_grows_too_large_is_refused_before_it_ends(connection: socket.socket) -> None:
    connection.sendall(b"GET /health HTTP/1.1\r\nHost: service\r\nX: ")
    with suppress(ConnectionError):  # the refusal closes it
        for _ in range(100):
            connection.sendall(b"x" * 100_000)
        raise AssertionError("10 MB of a header were taken")


def test_many_headers_count_together(connection: socket.socket) -> None:
    headers = b"".join(b"X-%d: x\r\n" % number for number in range(10_000))
    connection.sendall(b"GET /health HTTP/1.1\r\nHost: service\r\n" + headers + b"\r\n")
    assert read(connection).startswith(b"HTTP/1.1 431 ")


def test_a_long_target_counts_too(connection: socket.socket) -> None:
    connection.sendall(b"GET /health?q=" + b"x" * 65_536 + b" HTTP/1.1\r\nHost: service\r\n\r\n")
    assert read(connection).startswith(b"HTTP/1.1 431 ")


def test_heads_of_one_connection_do_not_add_up(connection: socket.socket) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: service\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"
    for _ in range(3):
        connection.sendall(request[:20_000])
        connection.sendall(request[20_000:])
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


class TestADeadline:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(
            access=AccessSettings(address_rates="1000/minute"),  # so that a key is looked for
            scheduling=SchedulingSettings(deadline_seconds=100),
        )

    @pytest.fixture
    def url(self, settings: Settings, engine: ReversingEngine) -> Iterator[str]:
        pairs = [*PAIRS, LanguagePair(source="fr", target="fr")]
        with live_server(settings, serving(engine, pairs)) as url:
            yield url

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            (b"/translate", {"q": "a b", "source": "fr", "target": "en"}),
            (b"/score", {"q": "a b", "translation": "c", "source": "fr", "target": "en"}),
            (b"/v2/translate", {"text": ["a b"], "source_lang": "FR", "target_lang": "EN"}),
            (b"/v2/write/rephrase", {"text": ["a b"], "target_lang": "FR"}),
        ],
    )
    @pytest.mark.parametrize("head", [HEAD, HEAD.replace(b"Host:", b"X-API-Key: key\r\nHost:")])
    def test_counts_from_the_arrival_of_the_request(
        self,
        connection: socket.socket,
        client: httpx.Client,
        engine: ReversingEngine,
        path: bytes,
        body: dict[str, object],
        head: bytes,
    ) -> None:
        content = json.dumps(body).encode()
        connection.sendall(head.replace(b"/translate", path) % len(content) + content[:5])
        until(lambda: "seq2seq_requests_in_progress 2.0" in client.get("/metrics").text)
        seen = time.monotonic()
        connection.sendall(content[5:])
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert engine.jobs[0].deadline < seen + 100


CHUNKED = (
    b"POST /translate HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


class TestWhatIsSentBesideABody:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings()

    @pytest.mark.parametrize("path", [b"/translate", b"/nothing"])
    @pytest.mark.parametrize(
        ("begin", "more"),
        [
            (b"2\r\n{}\r\n0\r\n", b"a: b\r\n" * 10_000),
            (b"2\r\n{}\r\n0\r\nX: ", b"x" * 100_000),
            (b"2;", b"x" * 100_000),
        ],
        ids=["many trailers", "a long trailer", "a long extension of a chunk"],
    )
    def test_is_bounded(
        self, connection: socket.socket, path: bytes, begin: bytes, more: bytes
    ) -> None:
        connection.sendall(CHUNKED.replace(b"/translate", path) + begin)
        with suppress(ConnectionError):  # the refusal closes it
            for _ in range(100):
                connection.sendall(more)
            raise AssertionError("megabytes were taken")

    def test_is_refused_with_a_reason(self, connection: socket.socket) -> None:
        connection.sendall(CHUNKED.replace(b"Host:", b"Expect: 100-continue\r\nHost:"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"2;".ljust(65_537, b"x"))
        assert read(connection).startswith(b"HTTP/1.1 431 ")

    def test_does_not_count_what_is_body(self, connection: socket.socket) -> None:
        connection.sendall(CHUNKED)
        for byte in BODY[:-1].ljust(30_000):
            connection.sendall(b"1;x=y\r\n%c\r\n" % byte)
        connection.sendall(b"1\r\n}\r\n0\r\nX: " + b"x" * 60_000 + b"\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(HEAD % len(BODY) + BODY)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")

    def test_is_no_header(self, connection: socket.socket) -> None:
        chunk = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
        connection.sendall(CHUNKED + chunk + b"X-Request-ID: trailing\r\n\r\n")
        answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"trailing" not in answer


@pytest.mark.parametrize("request_before", [b"", b"GET /health HTTP/1.1\r\nHost: service\r\n\r\n"])
def test_empty_lines_before_a_head_are_bounded(
    connection: socket.socket, caplog: pytest.LogCaptureFixture, request_before: bytes
) -> None:
    connection.sendall(request_before)
    with suppress(ConnectionError):
        for _ in range(100):
            connection.sendall(b"\r\n" * 50_000)
        raise AssertionError("megabytes were taken")
    assert not [one for one in caplog.records if one.name == "asyncio"]


def test_heads_may_follow_a_body_closely(connection: socket.socket) -> None:
    request = HEAD % 60_000 + BODY.ljust(60_000)
    connection.sendall(request[:50])
    connection.sendall(request[50:] + request[:50])
    connection.sendall(request[50:])
    left = b""
    while left.count(b"HTTP/1.1 200 ") < 2:
        left += connection.recv(65_536)


class Hasty(BoundedConnection):
    head_seconds = 1.0
    write_seconds = 1.0


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost:"])
def test_a_head_that_never_arrives_is_not_waited_for(sent: bytes) -> None:
    with live_server(Settings(), serving(ReversingEngine()), Hasty) as url:
        address = urlsplit(url)
        assert address.hostname is not None
        assert address.port is not None
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            connection.sendall(sent)
            assert read(connection) == b""
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            for _ in range(2):
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: service\r\n\r\n")
                assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
            connection.sendall(b"GET")
            assert read(connection) == b""


def reset(connection: socket.socket) -> bool:
    """Whether the other side has let go of it."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET


def test_the_rest_of_a_body_is_not_waited_for_once_it_was_answered() -> None:
    with (
        live_server(Settings(), serving(ReversingEngine()), Hasty) as url,
        connected(url) as connection,
    ):
        connection.sendall(b"POST /health HTTP/1.1\r\nHost: service\r\nContent-Length: 99\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 405 ")
        connection.sendall(b"x")
        assert read(connection) == b""


def test_a_client_that_does_not_read_its_answer_is_not_waited_for() -> None:
    texts = ["word " * 20_000] * 128
    body = json.dumps({"q": texts, "source": "fr", "target": "fr"}).encode()
    limits = LimitSettings(max_body_bytes=20_000_000, max_characters=20_000_000)
    settings = Settings(limits=limits)
    with (
        live_server(settings, serving(ReversingEngine()), Hasty) as url,
        httpx.Client(base_url=url) as client,
        socket.socket() as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        address = urlsplit(url)
        connection.connect((address.hostname, address.port))
        connection.sendall(HEAD % len(body) + body)
        until(lambda: reset(connection))
        assert client.get("/health").status_code == 200
