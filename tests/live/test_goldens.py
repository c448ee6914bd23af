"""The scripts in tests/data make again what is stored there, with today's toolkits.

`make test-live` runs this. A script that makes goldens is a line in GOLDENS.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from model_export import graph, sources
from tests.conftest import DATA, TINY_MARIAN
from tests.model_export.test_families import PAIRS
from tests.model_export.test_optimum import HUGGING_FACE, assemble

ROOT = Path(__file__).parents[2]
OPTIMUM = ROOT / "build" / "optimum" / "bin" / "python"
MARIAN = ROOT / "build" / "marian" / "bin" / "python"
OPENNMT = ROOT / "build" / "opennmt" / "bin" / "python"
FAIRSEQ = ROOT / "build" / "fairseq"
NEAR = 1e-4
"""Largest accepted difference of a number; everything else is equal."""


@dataclass(frozen=True)
class Golden:
    """How a stored file is made. Scripts run in a copy of tests/data that lacks it."""

    made: str
    """The file, a JSON."""
    script: str
    arguments: tuple[str, ...]
    """{checkpoint} stands for the default model's checkpoint, {lstm} for the LSTM's run."""
    environment: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable


GOLDENS = {
    "tiny": Golden("golden/tiny.json", "make_golden.py", ("tiny-marian", "tiny.fr", "{made}")),
    "tiny-options": Golden(
        "golden/tiny-options.json",
        "make_golden_options.py",
        ("tiny-marian", "golden/tiny.json", "{made}"),
    ),
    "default": Golden(
        "golden/fr-en.json", "make_golden.py", ("{checkpoint}", "fr-en.fr", "{made}")
    ),
    "lstm": Golden(
        "golden/fr-en-lstm.json",
        "make_lstm.py",
        ("{lstm}", "fr-en-lstm.fr", "{made}"),
        {"KERAS_BACKEND": "tensorflow"},
    ),
    "recurrent": Golden(
        "recurrent/golden.json",
        "make_recurrent.py",
        ("recurrent",),
        {"KERAS_BACKEND": "tensorflow"},
    ),
} | {
    name: Golden(
        f"families/{name}/golden.json",
        "make_tiny_families.py",
        ("--goldens", "text", "families", name),
    )
    for name in HUGGING_FACE
}
# These scripts make the models afresh too, the same ones: their seeds are fixed.
GOLDENS |= {
    path.name: Golden(
        f"families/{path.name}/golden.json",
        "make_marian.py",
        ("text", "families", path.name),
        python=str(MARIAN),
    )
    for path in sorted((DATA / "families").glob("marian-*"))
}
GOLDENS |= {
    path.name: Golden(
        f"toolkits/{path.name}/golden.json",
        "make_tiny_toolkits.py",
        ("text", "families", "toolkits", path.name),
        {"PYTHONPATH": str(FAIRSEQ)},
        python=str(OPENNMT),
    )
    for path in sorted((DATA / "toolkits").iterdir())
}


def run(golden: Golden, data: Path, **weights: str) -> None:
    arguments = [one.format(made=golden.made, **weights) for one in golden.arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **golden.environment}
    subprocess.run(
        [golden.python, golden.script, *arguments], cwd=data, env=environment, check=True
    )


def differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Where two JSON values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for name in ours:
            yield from differences(ours[name], theirs[name], f"{where}/{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{where}/{place}")
    elif isinstance(ours, float) and isinstance(theirs, float):
        if not abs(ours - theirs) <= NEAR:
            yield f"{where}: {ours} and {theirs}"
    elif ours != theirs:
        yield f"{where}: {ours!r:.60} and {theirs!r:.60}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of tests/data, with the sentences of goldens as texts."""
    copy = Path(shutil.copytree(DATA, tmp_path / "data"))
    for name in ("tiny", "fr-en", "fr-en-lstm"):
        content = json.loads((copy / "golden" / f"{name}.json").read_text(encoding="utf-8"))
        (copy / f"{name}.fr").write_text("\n".join(content["sentences"]) + "\n", encoding="utf-8")
    return copy


@pytest.mark.parametrize("name", GOLDENS)
def test_goldens_are_what_the_toolkits_say(
    name: str, data: Path, pytestconfig: pytest.Config
) -> None:
    golden = GOLDENS[name]
    weights = {name: pytestconfig.getoption(f"--{name}") or "" for name in ("checkpoint", "lstm")}
    for name, given in weights.items():
        if f"{{{name}}}" in golden.arguments and not given:
            pytest.skip(f"needs --{name}")
    (data / golden.made).unlink()
    run(golden, data, **weights)
    found, stored = (
        json.loads((folder / golden.made).read_text(encoding="utf-8")) for folder in (data, DATA)
    )
    assert list(differences(found, stored)) == []


def test_differences_are_found() -> None:
    stored = {"tokens": [1, 2], "score": -0.5}
    assert list(differences({"tokens": [1, 2], "score": -0.50001}, stored)) == []
    for other in ({"tokens": [1, 3], "score": -0.5}, {"tokens": [1, 2], "score": -0.6}, {}):
        assert list(differences(other, stored))


def test_graphs_that_optimum_exports_now_are_read(data: Path) -> None:
    """They give the graphs that are made of the checkpoints."""
    arguments = ("tiny-marian", "families", "exported")
    run(Golden("", "make_optimum.py", arguments, python=str(OPTIMUM)), data)
    for name in ("marian", *HUGGING_FACE):
        checkpoint = TINY_MARIAN if name == "marian" else DATA / "families" / name
        exported = assemble(name, data / "whole" / name, data / "exported")
        expected, found = (
            graph.build(sources.load(path, PAIRS.get(name, ())).network, "fp32")
            for path in (checkpoint, exported)
        )
        assert found == expected, name
