from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from service import __version__
from service.app import create_app
from service.errors import CorruptFile, InvalidPackage, MissingFile
from service.settings import DecodingSettings, ModelSettings, RuntimeSettings, Settings

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "service").rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
    if not re.search(r"^(import|from) ray\b", path.read_text("utf-8"), re.MULTILINE)  # not here
)
PROBE = """
import importlib.abc
import os
import sys

class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "onnxruntime":
            assert os.environ.get("ORT_DISABLE_TELEMETRY") == "1", "set too late"
            print("onnxruntime is imported")

sys.meta_path.insert(0, Watch())
for module in sys.argv[1:]:
    importlib.import_module(module)
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def settings(directory: Path, variant: str | None = None) -> Settings:
    return Settings(
        model=ModelSettings(directory=directory, variant=variant),
        runtime=RuntimeSettings(threads=1),
        decoding=DecodingSettings(max_decoding_length=8),
    )


def run_probe(home: Path, *modules: str) -> str:
    """Import modules in a fresh interpreter; what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORT_")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROBE, *modules],
        cwd=ROOT,
        env=environment | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_runtime_leaves_no_trace_in_the_home(tmp_path: Path) -> None:
    assert "onnxruntime is imported" in run_probe(tmp_path, "service.runtime.session")
    assert list(tmp_path.iterdir()) == []


def test_telemetry_is_off_whichever_module_is_imported(tmp_path: Path) -> None:
    # The package, which switches it off, is imported before any of its modules.
    assert "onnxruntime is imported" in run_probe(tmp_path, "service.__main__", *MODULES)
    assert list(tmp_path.iterdir()) == []


def test_there_is_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__


async def test_a_model_directory_is_served(tiny_directory: Path) -> None:
    app = create_app(settings(tiny_directory))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            ready = (await client.get("/health/ready")).json()
            assert ready["status"] == "ready"
            assert ready["variant"] == "int8"
            assert ready["provider"] == "CPUExecutionProvider"
            body = {"q": ["Bonjour.\n\n  Ça va ?\n", ""], "source": "fr", "target": "en"}
            reply = await client.post("/translate", json=body | {"return_scores": True})
            assert reply.status_code == 200
            found = reply.json()
            first, second = found["sentences"][0]
            best = [sentence["translations"][0]["text"] for sentence in (first, second)]
            assert [first["source"], second["source"]] == ["Bonjour.", "Ça va ?"]
            assert found["translatedText"] == [f"{best[0]}\n\n  {best[1]}\n", ""]


async def test_a_variant_can_be_chosen(tiny_directory: Path) -> None:
    app = create_app(settings(tiny_directory, "fp32"))
    async with app.router.lifespan_context(app):
        assert app.state.service.model.precision == "fp32"


async def test_a_variant_that_is_not_there_is_refused(tiny_directory: Path) -> None:
    app = create_app(settings(tiny_directory, "fp4"))
    with pytest.raises(InvalidPackage, match="fp4"):
        async with app.router.lifespan_context(app):
            pass


async def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    app = create_app(settings(tmp_path / "nothing"))
    with pytest.raises(MissingFile):
        async with app.router.lifespan_context(app):
            pass


@pytest.fixture
def damaged(tiny_directory: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model with one changed bit in every decoder."""
    for file in tiny_directory.iterdir():
        content = file.read_bytes()
        if file.name.startswith("decoder"):
            content = content[:-1] + bytes([content[-1] ^ 1])
        (tmp_path / file.name).write_bytes(content)
    return tmp_path


async def test_a_file_that_changed_is_refused(damaged: Path) -> None:
    app = create_app(settings(damaged))
    with pytest.raises(CorruptFile, match="decoder"):
        async with app.router.lifespan_context(app):
            pass
