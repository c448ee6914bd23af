"""Sequence-to-sequence models of Keras 3, LSTM or GRU, in the form in which they are trained.

    MODEL.keras, or a directory that holds one

A run of `model_export train lstm` has its vocabularies, languages and special tokens beside it.
Other models' are files that are named, or layers of the model (TextVectorization, StringLookup).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model_export.errors import UnsupportedCheckpoint
from model_export.sources.keras import archive
from model_export.sources.keras.network import Found, read_network
from model_export.spec import Checkpoint
from model_export.texts import CheckpointText
from model_export.vocabulary_files import TEXT, TextOptions
from service.package.directory import sha256_of
from service.package.manifest import LanguagePair, Limits

KIND = "keras"
SUFFIX = ".keras"
RECIPE_CONFIG = "config.json"
LONGEST = 128
"""Most source and target tokens. Recurrent networks say little of use about longer sentences, and
up to here no result of attention depends on the company (model_export.graph.recurrent_memory)."""


def recognises(path: Path) -> bool:
    """Whether it is a .keras file or a directory that holds one."""
    return path.suffix == SUFFIX if path.is_file() else any(path.glob(f"*{SUFFIX}"))


def load(path: Path, pairs: tuple[LanguagePair, ...], told: TextOptions) -> Checkpoint:
    """Read the model.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    file = _file(path)
    recipe = _recipe(file.parent)
    if recipe is not None:
        told, pairs = recipe.options(told), pairs or recipe.pairs
    found = read_network(archive.read(file))
    sizes = found.network.source_vocabulary, found.network.projection.bias.size
    text = CheckpointText.read(sizes, found.texts, told, found.masked, found.lengths.get("source"))
    text.check(pairs)
    source, target = text.tokenizers()
    network = found.network.never(text.never())
    return Checkpoint(
        kind=KIND,
        family="recurrent",
        network=network,
        source_tokenizer=source,
        target_tokenizer=target,
        pairs=pairs,
        tokens=text.tokens(),
        limits=_limits(found, recipe),
        files={one.name: sha256_of(one) for one in (file, *told.files)},
        attention=network.attention is not None,
        architecture=network.summary(),
    )


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob(f"*{SUFFIX}"))
    if len(found) != 1:
        names = ", ".join(one.name for one in found)
        raise UnsupportedCheckpoint([f"{path} holds several models, {names}; name one of them."])
    return found[0]


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What `model_export train lstm` leaves beside a model."""

    folder: Path
    pair: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def pairs(self) -> tuple[LanguagePair, ...]:
        return (LanguagePair(**self.pair),)

    @property
    def longest(self) -> int:
        """Tokens of the longest sentence that it was trained with."""
        return int(self.settings["max_training_tokens"])

    def options(self, told: TextOptions) -> TextOptions:
        """What it says of texts, where nobody said otherwise."""
        suffix = "words" if self.settings["vocabulary"] == "word" else "spm"
        return replace(
            told,
            source_vocabulary=told.source_vocabulary or self.folder / f"source.{suffix}",
            target_vocabulary=told.target_vocabulary or self.folder / f"target.{suffix}",
            source_template=told.source_template or f"{TEXT} </s>",
        )


def _recipe(folder: Path) -> _Recipe | None:
    try:
        config = json.loads((folder / RECIPE_CONFIG).read_text(encoding="utf-8"))
        return _Recipe(folder, config["pair"], config["recipe"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _limits(found: Found, recipe: _Recipe | None) -> Limits:
    longest = LONGEST if recipe is None else min(LONGEST, recipe.longest)
    return Limits(
        max_source_tokens=min(longest, found.lengths.get("source", LONGEST)),
        max_target_tokens=256,
        target_vocabulary=found.network.projection.bias.size,
    )
