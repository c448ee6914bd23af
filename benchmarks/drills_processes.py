"""Drills: processes that die, hang or are told to end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.drills import LOST, Clients, free_port, gone, limit, service, until

STUCK_SECONDS = 5
SIGNALS = 500
RESTARTS = 10
SPARE_BYTES = 64 << 20


def engine_is_killed(sentences: list[str]) -> str:
    """kill -9 of the engine's process while requests wait."""
    with _folder() as folder, service(folder) as drilled, ThreadPoolExecutor(32) as threads:
        text = " ".join(sentences[:100])
        waiting = [threads.submit(drilled.translate, text) for _ in range(32)]
        until(lambda: "seq2seq_waiting_items 32.0" in drilled.get("/metrics").text)
        os.kill(drilled.engine, signal.SIGKILL)
        started = time.monotonic()
        statuses = sorted({one.result().status_code for one in waiting})
        answered = time.monotonic() - started
        code, _ = drilled.ended()
        assert set(statuses) <= {500, 503}, f"answers {statuses}"
        assert code == 70, f"exit code {code}"
        return (
            f"32 waiting requests were answered {statuses} within {answered:.2f} s; exit code "
            f"{code} after {time.monotonic() - started:.1f} s"
        )


def engine_hangs(sentences: list[str]) -> str:
    """The engine's process is stopped, and so neither works nor reads."""
    with (
        _folder() as folder,
        service(folder, RUNTIME__STUCK_SECONDS=STUCK_SECONDS) as drilled,
        ThreadPoolExecutor(8) as threads,
    ):
        engine = drilled.engine
        os.kill(engine, signal.SIGSTOP)
        started = time.monotonic()
        waiting = [threads.submit(drilled.translate, sentence) for sentence in sentences[:8]]
        statuses = sorted({one.result().status_code for one in waiting})
        answered = time.monotonic() - started
        code, _ = drilled.ended()
        assert statuses == [503], f"answers {statuses}"
        assert code == 70, f"exit code {code}"
        until(lambda: gone(engine))
        return (
            f"with RUNTIME__STUCK_SECONDS={STUCK_SECONDS} 8 waiting requests were answered "
            f"{statuses} after {answered:.1f} s; exit code {code} after "
            f"{time.monotonic() - started:.1f} s; the engine's process is gone"
        )


def replica_is_killed(sentences: list[str]) -> str:
    """kill -9 of one of two services under load, whose clients ask the other one then."""
    with _folder() as folder, service(folder) as first, service(folder) as second:
        clients = Clients([first.url, second.url], sentences)
        with clients.running():
            engine = first.engine
            first.process.kill()
            before = clients.outcomes.total()
            until(lambda: clients.outcomes.total() > before + 200)
            until(lambda: gone(engine))
        assert set(clients.outcomes) == {"200"}, clients.told()
        return f"{clients.told()}, slowest {clients.slowest:.1f} s; its engine's process is gone"


def signals_storm(sentences: list[str]) -> str:
    """Hundreds of SIGTERM and SIGINT under load."""
    with _folder() as folder, service(folder) as drilled:
        clients = Clients([drilled.url], sentences)
        with clients.running():
            for number in range(SIGNALS):
                drilled.process.send_signal((signal.SIGTERM, signal.SIGINT)[number % 2])
            code, seconds = drilled.ended()
        assert code == 0, f"exit code {code}"
        broken = set(clients.outcomes) - {"200", "503", LOST}
        assert not broken, clients.told()
        drained = '"everything": true' in drilled.log.read_text()
        assert drained, "something accepted was not answered"
        return (
            f"{SIGNALS} signals: exit code 0 after {seconds:.1f} s, all that was accepted was "
            f"answered ({clients.outcomes['200']} × 200, {clients.outcomes['503']} × 503)"
        )


def restarts(sentences: list[str]) -> str:
    """Many starts on one port, each killed under load."""
    with _folder() as folder:
        port, seconds = free_port(), []
        for _ in range(RESTARTS):
            started = time.monotonic()
            with service(folder, SERVER__PORT=port) as drilled:
                seconds.append(time.monotonic() - started)
                clients = Clients([drilled.url], sentences, count=4)
                with clients.running():
                    engine = drilled.engine
                    drilled.process.kill()
                until(lambda engine=engine: gone(engine))  # type: ignore[misc]
        return (
            f"{RESTARTS} starts after kill -9, each ready after {min(seconds):.1f} to "
            f"{max(seconds):.1f} s; no engine's process was left"
        )


def out_of_memory(sentences: list[str]) -> str:
    """Little more memory for the engine than it has, and a batch that needs more."""
    texts = [" ".join(sentences[place : place + 8]) for place in range(0, 200, 8)]
    settings = {
        "SCHEDULING__DEADLINE_SECONDS": 300,
        "SCHEDULING__MAX_BULK_ROWS": 4096,
        "SCHEDULING__MAX_BATCH_TOKENS": 65_536,
        "SCHEDULING__MAX_JOINING_TOKENS": 16_384,
    }
    with _folder() as folder, service(folder, None, None, **settings) as drilled:
        drilled.translate()
        engine = drilled.engine
        limit(engine, resource.RLIMIT_AS, _virtual(engine) + SPARE_BYTES)
        reply = httpx.post(
            f"{drilled.url}/translate",
            json={"q": texts, "source": "fr", "target": "en", "beam_size": 16},
            timeout=300,
        )
        failures = drilled.log.read_text().count("a batch failed")
        joins = drilled.log.read_text().count("sentences could not join")
        told = f"a request of {len(texts)} texts at beam 16: {reply.status_code}"
        if drilled.process.poll() is not None or gone(engine):
            code, _ = drilled.ended()
            assert code == 70, f"exit code {code}"
            return f"{told}; the engine's process ended, exit code {code}"
        limit(engine, resource.RLIMIT_AS, resource.RLIM_INFINITY)
        assert drilled.translate().status_code == 200
        return (
            f"{told}, after {failures + joins} batches that failed and were decoded again in "
            "halves; then the service translates as before"
        )


def clock_jumps(sentences: list[str]) -> str:
    """The wall clock jumps by a day, forward and back, under load."""
    with _folder() as folder:
        library, jump = _clock(folder)
        settings = {"LD_PRELOAD": library, "CLOCK_FILE": jump}
        before = dict(os.environ)
        os.environ.update({name: str(value) for name, value in settings.items()})
        try:
            with service(folder, SCHEDULING__DEADLINE_SECONDS=20) as drilled:
                clients = Clients([drilled.url], sentences, count=8)
                dates = set()
                with clients.running():
                    for seconds in (86_400, -86_400, 0):
                        jump.write_text(str(seconds))
                        time.sleep(3)
                        dates.add(drilled.get("/health").headers["Date"][:16])
                assert len(dates) == 3, f"the clock did not jump: {dates}"
                assert set(clients.outcomes) == {"200"}, clients.told()
                return f"{clients.told()}, slowest {clients.slowest:.2f} s, on {len(dates)} days"
        finally:
            os.environ.clear()
            os.environ.update(before)


def _virtual(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmSize:"))
    return int(line.split()[1]) * 1024


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

/* Adds the seconds that a file tells to the wall clock, and to no other. */
static long jump(void) {
    long seconds = 0;
    FILE *file = fopen(getenv("CLOCK_FILE"), "r");
    if (file) {
        if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
        fclose(file);
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *result) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, result);
    if (clock == CLOCK_REALTIME) result->tv_sec += jump();
    return code;
}

int gettimeofday(struct timeval *restrict result, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    result->tv_sec = now.tv_sec;
    result->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


def _clock(folder: Path) -> tuple[Path, Path]:
    """A library that makes the wall clock jump, and the file that says how far."""
    source, library, jump = folder / "clock.c", folder / "clock.so", folder / "jump"
    source.write_text(CLOCK)
    jump.write_text("0")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library, jump


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder, as a path."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


DRILLS = {
    "the engine's process is killed": engine_is_killed,
    "the engine hangs": engine_hangs,
    "one of two replicas is killed": replica_is_killed,
    "a storm of signals": signals_storm,
    "many restarts": restarts,
    "out of memory in a batch": out_of_memory,
    "the clock jumps": clock_jumps,
}
