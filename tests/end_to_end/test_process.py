"""python -m service as a process: how it starts, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from libretranslatepy import LibreTranslateAPI

from service.scheduling.watchdog import DEAD, Pulse
from service.watch import GIVEN_UP, Watch
from tests.end_to_end.conftest import FR_EN, ROOT, Process, environment, until

Start = Callable[..., Process]
BODY = FR_EN | {"q": "a b"}


def refused_start(**settings: str) -> str:
    """The one line with which the service refuses to start."""
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=environment(**{"SERVER__PORT": "0"} | settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("seq2serve cannot start: ")
    return line


def test_an_idle_service_ends_at_once(start: Start) -> None:
    process = start()
    assert httpx.get(f"{process.url}/health/ready").status_code == 200
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(10) == 0


def test_an_idle_connection_does_not_hold_the_end(start: Start) -> None:
    process = start()
    with httpx.Client(base_url=process.url) as client:
        assert client.get("/health").status_code == 200
        process.popen.send_signal(signal.SIGINT)
        assert process.popen.wait(10) == 0


def test_what_was_accepted_is_finished_and_nothing_else(start: Start) -> None:
    process = start()
    process.tell("hold")
    with httpx.Client(base_url=process.url) as old, ThreadPoolExecutor() as threads:
        assert old.get("/health/ready").status_code == 200
        accepted = threads.submit(httpx.post, f"{process.url}/translate", json=BODY)
        until(lambda: "seq2seq_waiting_items 1.0" in old.get("/metrics").text)

        process.popen.send_signal(signal.SIGTERM)
        until(lambda: process.logged("draining"))
        with httpx.Client(base_url=process.url) as new:
            for client in (old, new):
                assert client.get("/health/ready").status_code == 503
                assert client.get("/health/live").status_code == 200
                refused = client.post("/translate", json=BODY)
                assert refused.status_code == 503
                assert "Retry-After" in refused.headers
        process.popen.send_signal(signal.SIGTERM)
        process.popen.send_signal(signal.SIGINT)
        assert old.get("/health/live").status_code == 200
        assert not accepted.done()

        process.tell("release")
        assert accepted.result(10).json() == {"translatedText": "b a"}
        assert process.popen.wait(10) == 0


def test_an_end_is_bounded(start: Start) -> None:
    process = start(SERVER__DRAIN_TIMEOUT_SECONDS="0.2")
    process.tell("hold")
    with httpx.Client(base_url=process.url) as client, ThreadPoolExecutor() as threads:
        accepted = threads.submit(httpx.post, f"{process.url}/translate", json=BODY)
        until(lambda: "seq2seq_waiting_items 1.0" in client.get("/metrics").text)
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(10) == 0
        reply = accepted.result(10)
    assert reply.status_code == 503
    assert reply.json() == {"error": "The service is shutting down."}


def test_a_signal_while_loading_ends_at_once(start: Start) -> None:
    process = start("tests.end_to_end.load_for_ever")
    until(lambda: process.logged("loading"))
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(10) == 128 + signal.SIGTERM


def test_ready_says_where_and_how_long_it_took(start: Start) -> None:
    process = start()
    assert process.url.startswith("http://127.0.0.1:")
    (ready,) = (line for line in process.lines if line["event"].startswith("ready on"))
    assert 0 < ready["seconds"] < 60


def test_a_model_directory_is_served(start: Start, tiny_directory: Path) -> None:
    process = start("service", MODEL__DIRECTORY=str(tiny_directory))
    translated = LibreTranslateAPI(process.url).translate("Bonjour.\n\n😀\n", "fr", "en")
    assert translated.endswith("\n\n😀\n")
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(10) == 0


def test_a_missing_model_is_one_line(tmp_path: Path) -> None:
    assert "manifest.json does not exist" in refused_start(MODEL__DIRECTORY=str(tmp_path))


def test_a_wrong_setting_is_one_line() -> None:
    assert "SEQ2SEQ_SERVER__LOG_LEVEL" in refused_start(SERVER__LOG_LEVEL="loud")
    assert "SEQ2SEQ_NONSENSE" in refused_start(NONSENSE="1")


def test_a_used_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        assert f"port {port}" in refused_start(SERVER__PORT=str(port))


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_other_addresses(start: Start, host: str) -> None:
    if host == "::1":
        try:
            socket.create_server((host, 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6")
    process = start(SERVER__HOST=host)
    assert httpx.get(f"{process.url}/health").json() == {"status": "ok"}


def children(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def faults(process: Process) -> list[str]:
    """Why the process ended, as it says in its log."""
    return [line["fault"] for line in process.lines if "fault" in line]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="children are looked up in /proc")
def test_a_service_whose_engine_is_killed_answers_all_and_ends(start: Start) -> None:
    process = start("service", CACHE__MAX_MB="0")
    body = FR_EN | {"q": "Il fait beau. " * 1000}
    with httpx.Client(base_url=process.url, timeout=60) as client, ThreadPoolExecutor(8) as threads:
        assert client.post("/translate", json=FR_EN | {"q": "Bonjour."}).status_code == 200
        under_way = [threads.submit(client.post, "/translate", json=body) for _ in range(8)]
        until(lambda: "seq2seq_waiting_items 8.0" in client.get("/metrics").text)
        (engine,) = children(process.popen.pid)
        os.kill(engine, signal.SIGKILL)
        assert {one.result().status_code for one in under_way} <= {500, 503}
    assert process.popen.wait(20) == GIVEN_UP
    until(lambda: bool(faults(process)))
    assert faults(process) == [DEAD]


def test_a_service_without_its_engine_is_not_ready(start: Start) -> None:
    process = start()
    url = process.url
    process.tell("hold")
    with ThreadPoolExecutor() as threads, httpx.Client(base_url=url) as client:
        under_way = threads.submit(client.post, "/translate", json=BODY)
        until(lambda: "seq2seq_waiting_items 1.0" in client.get("/metrics").text)
        process.tell("die")
        assert under_way.result().status_code == 500
    assert process.popen.wait(20) == GIVEN_UP
    assert faults(process) == [DEAD]


def test_a_stuck_engine_is_given_up(start: Start) -> None:
    process = start(RUNTIME__STUCK_SECONDS="1")
    url = process.url
    process.tell("hold")
    refused = httpx.post(f"{url}/translate", json=BODY, timeout=60)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert process.popen.wait(20) == GIVEN_UP
    (fault,) = faults(process)
    assert "no step in 1 seconds, with 1 sentences under way" in fault


def test_a_process_that_does_not_end_is_ended() -> None:
    ended: list[int] = []
    pulse = Pulse(alive=True, steps=0, under_way=0)
    with Watch(lambda: pulse, 60, lambda fault: None, ended.append) as watch:
        watch.end_within(0)
        until(lambda: bool(ended))
    assert ended == [GIVEN_UP]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="children are looked up in /proc")
def test_an_engine_does_not_outlive_its_service(start: Start) -> None:
    process = start("service")
    assert httpx.get(f"{process.url}/health/ready").status_code == 200
    (engine,) = children(process.popen.pid)
    process.popen.kill()
    until(lambda: gone(engine))
