"""Small random recurrent models of Keras and of PyTorch's tutorial; see data/make_recurrent.py."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from model_export import pipeline, sources
from model_export.spec import Checkpoint
from model_export.vocabulary_files import TextOptions
from service.package.manifest import LanguagePair
from tests.conftest import DATA

RECURRENT = DATA / "recurrent"
GOLDEN: dict[str, list[dict[str, Any]]] = json.loads(
    (RECURRENT / "golden.json").read_text(encoding="utf-8")
)
NAMES = tuple(GOLDEN)
WITHOUT_ATTENTION = (
    "lstm",
    "gru",
    "gru_reset_before",
    "stacked",
    "fixed_lengths",
    "characters",
    "text_inside",
)
SPECIAL = ["", "[UNK]", "[start]", "[end]"]
WORDS = [f"w{number}" for number in range(20)]
CHARACTERS = ["\t", "\n", " ", *"abcdefghij"]
SOURCE_WORDS = [*SPECIAL, *WORDS[:13]]
TARGET_WORDS = [*SPECIAL, *WORDS[:15]]
PAIR = (LanguagePair(source="fr", target="en"),)


def path_of(name: str) -> Path:
    """Where a model is."""
    return RECURRENT / ("pytorch-tutorial" if name == "pytorch_tutorial" else f"{name}.keras")


def told(name: str, folder: Path) -> TextOptions:
    """What the command line says of a model's text; folder: for the vocabularies."""
    if name == "text_inside":
        return TextOptions()
    if name == "characters":
        both = write_list(folder / "characters.json", CHARACTERS)
        return TextOptions(both, both, drop_unknown=True, source_template="$A")
    if name == "pytorch_tutorial":
        words = ["SOS", "EOS", *"abcdefghijklmnopq"]
        source, target = (write_list(folder / f"{n}.txt", words[:n]) for n in (17, 19))
        return TextOptions(source, target, drop_unknown=True)
    shares_its_embedding = name == "other_functions"
    words = TARGET_WORDS if shares_its_embedding else SOURCE_WORDS
    source = write_list(folder / "source.txt", words)
    target = write_list(folder / "target.txt", TARGET_WORDS)
    return TextOptions(source, target, source_template="$A")


def write_list(path: Path, tokens: list[str]) -> Path:
    """Write a vocabulary; returns its path."""
    text = json.dumps(tokens) if path.suffix == ".json" else "".join(f"{t}\n" for t in tokens)
    path.write_text(text, encoding="utf-8")
    return path


def read(name: str, folder: Path) -> Checkpoint:
    """Read a model with its source."""
    return sources.load(path_of(name), PAIR, told(name, folder))


def convert(name: str, folder: Path, **options: Any) -> Path:
    """Make a model directory in a folder; returns it."""
    destination = folder / name
    chosen = pipeline.ExportOptions(name=name, pairs=PAIR, text=told(name, folder), **options)
    pipeline.convert(path_of(name), destination, chosen, lambda stage: None)
    return destination


@functools.cache
def sources_of(name: str) -> list[tuple[int, ...]]:
    """The golden sources."""
    return [tuple(one["source"]) for one in GOLDEN[name]]
