"""Drills: disks that are full, files that change, logs that nobody reads."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.drills import FR_EN, SECONDS, Drilled, limit, service
from benchmarks.services import ROOT

MODEL = ROOT / "models" / "fr-en"
LINES = 2_000


def model_changes(sentences: list[str]) -> str:
    """Graphs are overwritten, cut and deleted under a running service."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model"
        shutil.copytree(MODEL, model)
        graphs = sorted(model.glob("*.onnx"))
        with service(folder, MODEL__DIRECTORY=model) as drilled:
            before = [drilled.translate(text).json() for text in sentences[:20]]
            changes: list[Callable[[Path], object]] = [_overwrite, _cut, Path.unlink]
            for change in changes:
                for graph in graphs:
                    change(graph)
                after = [drilled.translate(text).json() for text in sentences[:20]]
                assert after == before, f"other translations after {change}"
        refused = _refused(MODEL__DIRECTORY=model).replace(str(folder), "")
        return f"the same translations in all cases; the next start: “{refused}”"


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * path.stat().st_size)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def broken_files(sentences: list[str]) -> str:
    """A model that was copied in part, and one that is not there."""
    with tempfile.TemporaryDirectory() as name:
        model = Path(name) / "model"
        shutil.copytree(MODEL, model)
        _cut(next(model.glob("decoder*.onnx")))
        cut = _refused(MODEL__DIRECTORY=model)
        missing = _refused(MODEL__DIRECTORY=Path(name) / "nowhere")
        host = _refused(SERVER__HOST="no-such-host.invalid")
        lines = f"“{cut}”, “{missing}”; a host without DNS: “{host}”".replace(name, "")
        return f"exit code 1 with one line: {lines}"


def _refused(**settings: object) -> str:
    """How the service refuses to start."""
    chosen = {f"SEQ2SEQ_{name}": str(value) for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=os.environ | {"SEQ2SEQ_SERVER__PORT": "0"} | chosen,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1, f"exit code {done.returncode}"
    (line,) = done.stderr.splitlines()
    return line


def full_at_start(sentences: list[str]) -> str:
    """No file can be written when the model is loaded."""
    with tempfile.TemporaryDirectory() as folder, service(Path(folder), _no_room) as drilled:
        assert drilled.translate().status_code == 200
        return "the service starts and translates: it writes nothing (its log is lost)"


def _no_room() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def full_while_running(sentences: list[str]) -> str:
    """No file can be written any more: those of usage, suggestions and glossaries."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keys, suggestions = folder / "keys", folder / "suggestions"
        key = subprocess.run(
            [sys.executable, "-m", "service", "key", "add", "drill", "--file", keys],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        settings = {
            "ACCESS__KEYS_FILE": keys,
            "ACCESS__USAGE_FILE": folder / "usage",
            "SUGGESTIONS__FILE": suggestions,
            "GLOSSARIES__DIRECTORY": folder / "glossaries",
        }
        with service(folder, None, subprocess.DEVNULL, **settings) as drilled:
            assert _all(drilled, key) == [200, 200, 201]
            limit(drilled.process.pid, resource.RLIMIT_FSIZE, 0)
            full = _all(drilled, key)
            assert full[0] == 200, f"translations: {full[0]}"
            limit(drilled.process.pid, resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
            again = _all(drilled, key)
            assert again == [200, 200, 201], f"afterwards {again}"
            usage = httpx.get(f"{drilled.url}/v2/usage", headers={"X-API-Key": key}).json()
        assert usage["character_count"] == 3 * len("Le chat dort."), usage
        kept = [json.loads(line) for line in suggestions.read_text().splitlines()]
        unfinished = list((folder / "glossaries").glob("*.unfinished"))
        assert not unfinished, unfinished
        return (
            f"translations {full[0]}, and all characters are counted in the end; a suggestion "
            f"{full[1]} and a glossary {full[2]}, which leave no half files ({len(kept)} "
            "suggestions are whole)"
        )


def _all(drilled: Drilled, key: str) -> list[int]:
    """Statuses of a translation, a suggestion and a glossary."""
    asked: list[tuple[str, dict[str, str]]] = [
        ("/translate", {"q": "Le chat dort.", **FR_EN}),
        ("/suggest", {"q": "Le chat dort.", "s": "The cat sleeps.", **FR_EN}),
        (
            "/v2/glossaries",
            {
                "name": "animals",
                "source_lang": "fr",
                "target_lang": "en",
                "entries": "chat\ttomcat",
                "entries_format": "tsv",
            },
        ),
    ]
    with httpx.Client(timeout=SECONDS, headers={"X-API-Key": key}) as client:
        return [client.post(f"{drilled.url}{path}", json=body).status_code for path, body in asked]


def unread_log(sentences: list[str]) -> str:
    """A log whose reader hangs, and then goes away."""
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"SERVER__LOG_LEVEL": "debug"}
        with (
            service(Path(folder), None, writing, **settings) as drilled,
            httpx.Client(base_url=drilled.url, timeout=SECONDS) as client,
        ):
            os.close(writing)
            for _ in range(LINES):
                assert client.get("/health").status_code == 200
            assert drilled.translate().status_code == 200
            os.close(reading)
            assert drilled.translate().status_code == 200
            drilled.process.terminate()
            code, seconds = drilled.ended()
            assert code == 0, f"exit code {code}"
    return f"{LINES} lines that nobody reads: every request was answered; end after {seconds:.1f} s"


DRILLS = {
    "the model's files change": model_changes,
    "broken files, no DNS": broken_files,
    "disk full at the start": full_at_start,
    "disk full while running": full_while_running,
    "a log that nobody reads": unread_log,
}
