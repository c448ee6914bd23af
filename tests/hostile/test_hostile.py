"""Some hundred of the requests that `make hostile` sends ten thousand of, to a small real model."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.app import create_app
from service.opening import open_model_directory
from service.settings import (
    DecodingSettings,
    ModelSettings,
    RuntimeSettings,
    SchedulingSettings,
    Settings,
    SuggestionSettings,
)
from tests.end_to_end.conftest import live_server
from tests.hostile.attack import Report, attack, fault_of
from tests.hostile.requests import KINDS, requests, routes

DOCUMENT = create_app(Settings()).openapi()
ROUNDS = 12


@pytest.fixture(scope="module")
def address(
    tiny_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    settings = Settings(
        model=ModelSettings(directory=tiny_directory),
        runtime=RuntimeSettings(engine="thread", threads=1),
        decoding=DecodingSettings(beam_size=1, max_decoding_length=8),
        scheduling=SchedulingSettings(deadline_seconds=5),
        suggestions=SuggestionSettings(file=tmp_path_factory.mktemp("suggestions") / "file"),
    )
    with live_server(settings, open_model_directory) as url:
        host, port = urlsplit(url).hostname, urlsplit(url).port
        assert host is not None
        assert port is not None
        yield host, port


def test_every_route_with_a_body_is_tried() -> None:
    posted = {path for path, methods in DOCUMENT["paths"].items() if "post" in methods}
    tried = {route.path for route in routes(DOCUMENT)}
    left_out = {path for path in posted - tried if not _has_parameters_or_files(path)}
    assert left_out == set()
    assert {"/translate", "/score", "/detect", "/suggest", "/v2/translate"} <= tried


def _has_parameters_or_files(path: str) -> bool:
    return "{" in path or "binary" in str(DOCUMENT["paths"][path]["post"].get("requestBody"))


def test_hostile_requests_are_refused_and_the_next_one_is_answered(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    count = ROUNDS * len(KINDS)
    report = Report()
    with caplog.at_level(logging.ERROR):
        attack(address, requests(DOCUMENT, count, seed=1), routes(DOCUMENT), report)
    assert report.faults == []
    # The service silences the parser of forms; here nobody has set up its log.
    errors = [one for one in caplog.records if not one.name.startswith("python_multipart")]
    assert [one.getMessage() for one in errors if one.levelno >= logging.ERROR] == []
    counted = {kind: sum(one.statuses.values()) for kind, one in report.outcomes.items()}
    assert counted.pop("usual") == -(-count // 40)
    assert counted == dict.fromkeys(KINDS, ROUNDS)


def test_bodies_that_never_end_hold_up_nobody(address: tuple[str, int]) -> None:
    head = b"POST /translate HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{"
    connections = [socket.create_connection(address, timeout=60) for _ in range(100)]
    for connection in connections:
        connection.sendall(head)
    report = Report()
    attack(address, requests(DOCUMENT, len(KINDS), seed=2), routes(DOCUMENT), report)
    assert report.faults == []
    for connection in connections:
        with connection:
            assert connection.recv(65_536).startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", "no answer"),
        (b'HTTP/1.1 500 \r\nContent-Type: application/json\r\n\r\n{"error":"a"}', "status 500"),
        (b"HTTP/1.1 400 \r\n\r\n" + b"x" * 5_000, "an error of 5000 bytes"),
        (b'HTTP/1.1 400 \r\nContent-Type: application/json\r\n\r\n{"detail":[]}', "another shape"),
        (b'HTTP/1.1 400 \r\nContent-Type: application/json\r\n\r\n{"error":"a"}', ""),
    ],
)
def test_faults_are_seen(answer: bytes, fault: str) -> None:
    assert fault in fault_of("values", answer)
    assert bool(fault_of("values", answer)) == bool(fault)
