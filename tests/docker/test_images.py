"""The image files say what they must. `make containers` lints them."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from service import settings
from tests.docker.dockerfile import (
    EXPORT,
    ROOT,
    SERVICE,
    copied,
    environment,
    instructions,
    last,
)

both = pytest.mark.parametrize("path", [SERVICE, EXPORT], ids=lambda path: path.stem)


@both
def test_not_root_and_known_by_number(path: Path) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last(path, "USER").arguments)


@both
def test_signals_reach_python(path: Path) -> None:
    """The shell form would put a shell in between, which passes no signal on."""
    assert last(path, "ENTRYPOINT").command[:2] == ["python", "-m"]


@both
def test_nothing_is_written_and_no_usage_data_sent(path: Path) -> None:
    variables = environment(path)
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"
    assert variables["HOME"] == "/tmp"
    assert variables["ORT_DISABLE_TELEMETRY"] == "1"


@both
def test_only_locked_packages_are_installed(path: Path) -> None:
    commands = [found.arguments for found in instructions(path)]
    if "docker/install" in copied(path):
        commands.append((ROOT / "docker/install").read_text(encoding="utf-8"))
    installs = [one for one in commands if re.search(r"\bpip\b[^&;]* install ", one)]
    assert installs
    for install in installs:
        assert "--require-hashes" in install
        assert "--no-deps" in install


@both
def test_what_is_copied_exists_and_is_sent_to_the_builder(path: Path) -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in allowed
    for source in copied(path):
        for flavour in ("cpu", "gpu", "cluster"):
            file = source.replace("${FLAVOUR}", flavour)
            assert (ROOT / file).exists(), file
            assert f"!{file}" in allowed or f"!{Path(file).parent}/*.txt" in allowed, file


def test_neither_exporter_nor_tests_are_in_the_service() -> None:
    assert copied(SERVICE) == [
        "requirements/${FLAVOUR}.txt",
        "docker/install",
        "models",
        "service",
    ]


@pytest.mark.parametrize(("flavour", "device"), [("cpu", "cpu"), ("gpu", "cuda")])
def test_the_settings_of_the_image(
    monkeypatch: pytest.MonkeyPatch, flavour: str, device: str
) -> None:
    variables = environment(SERVICE, "runtime") | environment(SERVICE, f"flavour-{flavour}")
    for name, value in variables.items():
        if name.startswith(settings.PREFIX):
            monkeypatch.setenv(name, value)
    loaded = settings.load()
    assert loaded.server.host == "0.0.0.0"
    assert loaded.runtime.device == device
    assert str(loaded.server.port) == last(SERVICE, "EXPOSE").arguments
    assert loaded.model.directory == Path("/models/fr-en")


def test_the_gpu_image_asks_for_the_driver() -> None:
    variables = environment(SERVICE, "flavour-gpu")
    assert variables["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert variables["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"


class TestHealthCheck:
    """The image's own command, against a server that answers as the service would."""

    @pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
    def test_healthy_when_ready(self, status: int, code: int) -> None:
        with answering(status) as (port, paths):
            assert health_check(port) == code
        assert paths == ["/health/ready"]

    def test_unhealthy_when_nobody_listens(self) -> None:
        with answering(200) as (port, _):
            pass
        assert health_check(port) == 1


def health_check(port: int) -> int:
    python, *arguments = last(SERVICE, "HEALTHCHECK").command
    assert python == "python"
    # The proxy is there to be left alone.
    variables = {"SEQ2SEQ_SERVER__PORT": str(port), "http_proxy": "http://localhost:9"}
    return subprocess.run(
        [sys.executable, *arguments], env=variables, stderr=subprocess.DEVNULL, check=False
    ).returncode


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, paths
        finally:
            server.shutdown()
            thread.join()
