"""What drills need: a service whose log is kept, and clients that ask it all the time."""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.services import ROOT

FR_EN = {"source": "fr", "target": "en"}
SECONDS = 60.0
LOST = "no answer"


@dataclass
class Drilled:
    """A service that something is done to."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def engine(self) -> int:
        """The process of its engine."""
        (found,) = _children(self.process.pid)
        return found

    def get(self, path: str) -> httpx.Response:
        """A request that must be answered."""
        return httpx.get(f"{self.url}{path}", timeout=SECONDS)

    def translate(self, text: str = "Le chat dort.", **fields: object) -> httpx.Response:
        """A request that must be answered."""
        return httpx.post(
            f"{self.url}/translate", json={"q": text, **FR_EN, **fields}, timeout=SECONDS
        )

    def ended(self) -> tuple[int, float]:
        """Wait for its end: exit code and seconds."""
        started = time.monotonic()
        code = self.process.wait(SECONDS)
        return code, time.monotonic() - started

    def faults(self) -> list[str]:
        """Lines of its log that are errors."""
        return [line for line in self.log.read_text().splitlines() if '"level": "error"' in line]

    @property
    def resident_megabytes(self) -> float:
        """Of the process that answers HTTP, in 10^6 bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024 / 1e6


def _children(number: int) -> list[int]:
    files = Path(f"/proc/{number}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def gone(number: int) -> bool:
    """Whether a process has ended."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


@contextlib.contextmanager
def service(
    folder: Path,
    limits: Callable[[], None] | None = None,
    stderr: int | None = None,
    **settings: object,
) -> Iterator[Drilled]:
    """A service without a cache.

    Args:
        folder: where its log is written.
        limits: called in its process before it begins.
        stderr: where it logs instead.
    """
    port = settings.get("SERVER__PORT") or free_port()
    log = folder / f"log-{port}"
    chosen = {"SERVER__PORT": port, "CACHE__MAX_MB": 0, **settings}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "service"],
            cwd=ROOT,
            env=os.environ | {f"SEQ2SEQ_{name}": str(value) for name, value in chosen.items()},
            stderr=stream if stderr is None else stderr,
            preexec_fn=limits,
        )
    drilled = Drilled(process, f"http://127.0.0.1:{port}", log)
    try:
        until(lambda: ready(drilled) or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield drilled
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        process.wait(SECONDS)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def ready(drilled: Drilled) -> bool:
    """Whether requests can be sent."""
    try:
        return drilled.get("/health/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait for what happens in another process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {seconds:g} s"
        time.sleep(0.02)


def limit(process: int, kind: int, most: int) -> None:
    """Set a soft limit of a running process."""
    _, hard = resource.prlimit(process, kind)
    resource.prlimit(process, kind, (most, hard))


@dataclass
class Clients:
    """Threads that translate sentences one after the other, until they are told to stop."""

    urls: Sequence[str]
    """A request that is not answered by the first of them goes to the next one."""
    sentences: Sequence[str]
    count: int = 16
    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    slowest: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Ask, as long as this is open."""
        threads = [threading.Thread(target=self._run, args=[n]) for n in range(self.count)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: self.outcomes.total() >= 2 * self.count)
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _run(self, number: int) -> None:
        with httpx.Client(timeout=SECONDS) as client:
            for sentence in itertools.cycle(self.sentences[number :: self.count]):
                if self._stop.is_set():
                    return
                started = time.monotonic()
                outcome = self._ask(client, sentence, number)
                self.outcomes[outcome] += 1
                self.slowest = max(self.slowest, time.monotonic() - started)
                if outcome == LOST:
                    self._stop.wait(0.05)

    def _ask(self, client: httpx.Client, sentence: str, number: int) -> str:
        status = LOST
        for place in range(len(self.urls)):
            url = self.urls[(number + place) % len(self.urls)]
            try:
                reply = client.post(f"{url}/translate", json={"q": sentence, **FR_EN})
            except httpx.TransportError:
                continue
            status = str(reply.status_code)
            if reply.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                break
        return status

    def told(self) -> str:
        """How requests ended."""
        return ", ".join(f"{count} × {name}" for name, count in sorted(self.outcomes.items()))
