"""Folders of small models, which translate into gibberish, but always into the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from model_export import pipeline
from service.package.manifest import MANIFEST_NAME, LanguagePair
from tests.conftest import DATA, TINY_MARIAN

FR_EN = LanguagePair(source="fr", target="en")
CHECKPOINTS = {
    "tiny": TINY_MARIAN,
    "untied": DATA / "families" / "marian-untied",
    "student": DATA / "families" / "marian-student",
}


def convert(name: str, destination: Path, *pairs: LanguagePair) -> Path:
    """Convert one of the checkpoints, in fp32."""
    options = pipeline.ExportOptions(name=name, variants=["fp32"], pairs=pairs or (FR_EN,))
    pipeline.convert(CHECKPOINTS[name], destination, options, lambda stage: None)
    return destination


def install(model: Path, place: Path, *pairs: str, attention: bool = True) -> Path:
    """Put a model directory somewhere, at once, for other languages (`fr-en`)."""
    staged = place.parent / f".{place.name}"
    staged.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(model, staged)
    manifest = json.loads((staged / MANIFEST_NAME).read_text(encoding="utf-8"))
    manifest["pairs"] = [
        dict(zip(("source", "target"), one.split("-"), strict=True)) for one in pairs
    ]
    manifest["attention"] = attention
    (staged / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    staged.rename(place)
    return place
