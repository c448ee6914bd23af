from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from service.app import create_app
from service.connection import BoundedConnection
from service.opening import OpenModel
from service.settings import PREFIX, SchedulingSettings, Settings
from tests.service.api.reversing import ReversingEngine, serving

ROOT = Path(__file__).parents[2]
FR_EN = {"source": "fr", "target": "en"}


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for what happens in another thread or process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow: not that of pytest's capture either, unless by capsys."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def live_server(
    settings: Settings,
    open_model: OpenModel,
    connection: type[BoundedConnection] = BoundedConnection,
) -> Iterator[str]:
    """A real server in a thread; its URL."""
    app = create_app(settings, open_model)
    config = uvicorn.Config(
        app, port=0, lifespan="on", http=connection, log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="server")
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive(), 60)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def engine() -> ReversingEngine:
    return ReversingEngine()


@pytest.fixture
def settings() -> Settings:
    return Settings(scheduling=SchedulingSettings(max_waiting_items=3))


@pytest.fixture
def url(settings: Settings, engine: ReversingEngine) -> Iterator[str]:
    with live_server(settings, serving(engine)) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url) as client:
        yield client


def connected(url: str) -> socket.socket:
    """A connection to a server."""
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    return socket.create_connection((address.hostname, address.port), timeout=10)


@pytest.fixture
def connection(url: str) -> Iterator[socket.socket]:
    with connected(url) as connection:
        yield connection


def read(connection: socket.socket) -> bytes:
    """All that arrives until the other side closes."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


@dataclass
class Process:
    """A service in a process of its own."""

    popen: subprocess.Popen[str]
    lines: list[dict[str, Any]]
    """Its log so far."""

    def tell(self, word: str) -> None:
        """Tell the reversing engine what to do."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(f"{word}\n")
        self.popen.stdin.flush()

    def logged(self, event: str) -> bool:
        """Whether an event that begins like this was logged."""
        return any(line["event"].startswith(event) for line in self.lines)

    @property
    def url(self) -> str:
        """Where it listens."""
        until(lambda: self.logged("ready on ") or self.popen.poll() is not None, 60)
        (ready,) = (line["event"] for line in self.lines if line["event"].startswith("ready on "))
        return str(ready.removeprefix("ready on "))


def environment(**settings: str) -> dict[str, str]:
    """This environment with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return kept | {f"{PREFIX}{name}": value for name, value in settings.items()}


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start a process on a free port. It serves the reversing model unless told otherwise."""
    started: list[Process] = []

    def start(module: str = "tests.end_to_end.serve_reversing", **settings: str) -> Process:
        popen = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=environment(**{"SERVER__PORT": "0"} | settings),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process = Process(popen, [])
        reader = threading.Thread(target=read, args=(process,))
        reader.start()
        readers.append(reader)
        started.append(process)
        return process

    def read(process: Process) -> None:
        assert process.popen.stderr is not None
        for line in process.popen.stderr:
            process.lines.append(json.loads(line))

    readers: list[threading.Thread] = []
    yield start
    for process, reader in zip(started, readers, strict=True):
        process.popen.kill()
        process.popen.wait()
        reader.join()
        for pipe in (process.popen.stdin, process.popen.stderr):
            assert pipe is not None
            pipe.close()
