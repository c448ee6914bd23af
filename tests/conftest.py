"""Fixtures that both packages' tests use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from model_export import pipeline
from service.package.directory import ModelDirectory
from service.runtime.seq2seq import OnnxSeq2Seq
from service.settings import RuntimeSettings

# Nothing here is timed: a busy machine is no failure.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

DATA = Path(__file__).parent / "data"
TINY_MARIAN = DATA / "tiny-marian"
DEFAULT_MODEL = Path(__file__).parent.parent / "models" / "fr-en"


def load(path: Path, variant: str) -> OnnxSeq2Seq:
    """Load a variant as the service does, on one thread."""
    directory = ModelDirectory.open(path)
    return OnnxSeq2Seq.load(directory, directory.variant(variant), RuntimeSettings(threads=1))


@pytest.fixture(scope="session")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny random Marian model, converted by our exporter. Not to be changed."""
    destination = tmp_path_factory.mktemp("models") / "tiny"
    pipeline.convert(
        TINY_MARIAN, destination, pipeline.ExportOptions(name="tiny"), lambda stage: None
    )
    return destination


@pytest.fixture(scope="session")
def tiny_fp32(tiny_directory: Path) -> OnnxSeq2Seq:
    return load(tiny_directory, "fp32")


@pytest.fixture(scope="session", params=["fp32", "int8"])
def tiny(tiny_directory: Path, request: pytest.FixtureRequest) -> OnnxSeq2Seq:
    """Each variant of the tiny model."""
    return load(tiny_directory, request.param)


def golden(name: str) -> dict[str, Any]:
    """What transformers and CTranslate2 made of a model; see data/make_golden.py."""
    content: dict[str, Any] = json.loads(
        (DATA / "golden" / f"{name}.json").read_text(encoding="utf-8")
    )
    return content
