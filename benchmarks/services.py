"""Services as processes of their own, started on a free port and stopped in the end. Linux only."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    seconds_to_ready: float

    @property
    def resident_megabytes(self) -> float:
        """Resident memory of all its processes, in 10^6 bytes. What they share counts in each."""
        return sum(self.resident_by_process)

    @property
    def resident_by_process(self) -> list[float]:
        """The same of each: of the one that answers HTTP, and of the engine's if it has one."""
        found = []
        for process in self._processes():
            status = (process / "status").read_text(encoding="ascii")
            (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
            found.append(int(line.split()[1]) * 1024 / 1e6)
        return found

    @property
    def processor_seconds(self) -> float:
        """Processor time that its processes have used, of all threads together."""
        ticks = 0
        for process in self._processes():
            fields = (process / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def _processes(self) -> list[Path]:
        """It and its children, in /proc."""
        service = Path(f"/proc/{self.process.pid}")
        children = [
            number
            for file in service.glob("task/*/children")
            for number in file.read_text(encoding="ascii").split()
        ]
        return [service, *(Path("/proc") / number for number in children)]

    def metrics(self) -> dict[str, float]:
        """What /metrics says, by name with labels."""
        text = httpx.get(f"{self.url}/metrics", timeout=READY_SECONDS).raise_for_status().text
        found = re.findall(r"^([a-z]\S*(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in found}


@contextlib.contextmanager
def ours(
    directory: Path | None = None, settings: Mapping[str, object] | None = None
) -> Iterator[Service]:
    """This project's service, without its cache: the load is of sentences that come again.

    settings: by their names without SEQ2SEQ_.
    """
    port = _free_port()
    chosen = {"SERVER__PORT": port, "CACHE__MAX_MB": 0, **(settings or {})}
    if directory is not None:
        chosen["MODEL__DIRECTORY"] = directory.resolve()
    variables = {f"SEQ2SEQ_{name}": str(value) for name, value in chosen.items()}
    with _running("seq2serve", ["-m", "service"], port, variables) as service:
        yield service


@contextlib.contextmanager
def peer(directory: Path, beam_size: int, threads: str) -> Iterator[Service]:
    """peer_service.py. threads: translations at once x threads of each, such as 2x1."""
    port = _free_port()
    command = ["-m", "benchmarks.peer_service", str(directory), "--port", str(port)]
    command += ["--beam-size", str(beam_size), "--threads", threads]
    with _running("FastAPI + CTranslate2", command, port, {}) as service:
        yield service


@contextlib.contextmanager
def _running(
    name: str, command: Sequence[str], port: int, variables: Mapping[str, str]
) -> Iterator[Service]:
    started = time.monotonic()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            while not _ready(url):
                if process.poll() is not None or time.monotonic() > started + READY_SECONDS:
                    log.seek(0)
                    raise RuntimeError(f"{name} did not start: {log.read().decode()}")
                time.sleep(0.01)
            yield Service(name, url, process, time.monotonic() - started)
        finally:
            process.terminate()
            process.wait(READY_SECONDS)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
