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

from tokenizers import Tokenizer

from model_export.errors import UnsupportedCheckpoint
from model_export.sources.keras import archive
from model_export.sources.keras.network import Found, never, read_network
from model_export.spec import Checkpoint
from model_export.vocabulary_files import TEXT, TextOptions, Vocabulary, pad, set_template
from service.package.directory import sha256_of
from service.package.manifest import LanguagePair, Limits, Tokens

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
    text = _Text.read(found, told)
    problems = text.problems()
    if not pairs:
        problems.append("The languages are not in the file; give --pair fr-en.")
    if problems:
        raise UnsupportedCheckpoint(problems)
    source, target = text.tokenizers()
    network = never(found.network, text.never())
    used = [one for one in (told.source_vocabulary, told.target_vocabulary) if one is not None]
    return Checkpoint(
        kind=KIND,
        family="recurrent",
        network=network,
        source_tokenizer=source,
        target_tokenizer=target,
        pairs=pairs,
        tokens=text.tokens(),
        limits=_limits(found, recipe),
        files={one.name: sha256_of(one) for one in (file, *used)},
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


@dataclass(frozen=True, slots=True)
class _Text:
    """Both vocabularies, and what the model makes of them."""

    found: Found
    told: TextOptions
    source: Vocabulary
    target: Vocabulary

    @classmethod
    def read(cls, found: Found, told: TextOptions) -> _Text:
        """Raises UnsupportedCheckpoint: a vocabulary is not there or can't be read."""
        files = {"source": told.source_vocabulary, "target": told.target_vocabulary}
        problems: list[str] = []
        known: dict[str, Vocabulary] = {}
        for side in ("source", "target"):
            path = files[side]
            try:
                if path is not None:
                    known[side] = Vocabulary.read(path)
                elif side in found.texts:
                    known[side] = found.texts[side]
                else:
                    problems.append(
                        f"The {side} vocabulary is not in the file; give --{side}-vocabulary FILE."
                    )
            except UnsupportedCheckpoint as error:
                problems += error.problems
        if problems:
            raise UnsupportedCheckpoint(problems)
        return cls(found, told, known["source"], known["target"])

    @property
    def boundaries(self) -> tuple[str | None, str | None]:
        """Start and end token, as far as they are known."""
        pair = self.target.pair() or (None, None)
        return self.told.start or pair[0], self.told.end or pair[1]

    def problems(self) -> list[str]:
        """What does not fit."""
        network = self.found.network
        sizes = (
            (self.source, network.source_vocabulary),
            (self.target, network.projection.bias.size),
        )
        problems = [
            f"{one.name} has {len(one.tokens)} tokens; the model has {size}."
            for one, size in sizes
            if len(one.tokens) != size
        ]
        for option, token in zip(("start", "end"), self.boundaries, strict=True):
            if token is None:
                problems.append(
                    f"{self.target.name} does not show the {option} token; "
                    f"give --{option}-token TOKEN."
                )
            elif self.target.id_of(token) is None:
                problems.append(f"{self.target.name} has no token {token!r}.")
        if self.boundaries[0] is not None and self._masked("target", self.boundaries[0]):
            problems.append(
                f"The start token {self.boundaries[0]!r} is token 0, which the decoder masks."
            )
        return problems + self._source_problems()

    def tokens(self) -> Tokens:
        """The ids that decoding needs."""
        start, end = (self.target.tokens.index(token or "") for token in self.boundaries)
        unknown = self.target.unknown(self.told)
        number = None if unknown is None else self.target.id_of(unknown)
        return Tokens(start=start, end=end, unknown=number, padding=0)

    def never(self) -> set[int]:
        """Tokens that no translation holds: the start, and padding that the model masks."""
        tokens = self.tokens()
        masked = {0} if "target" in self.found.masked else set()
        return (masked | {tokens.start}) - {tokens.end}

    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """Of the source and of the target."""
        boundaries = [token for token in self.boundaries if token is not None]
        source = self.source.tokenizer(boundaries, self.told)
        set_template(source, self.source, self.told.source_template or TEXT)
        length = self._padded_length
        if length is not None:
            pad(source, length, self._padding or 0)
        return source, self.target.tokenizer(boundaries, self.told)

    @property
    def _padded_length(self) -> int | None:
        """Without a mask, the model has seen padding as if it were text, and has to again."""
        masked = "source" in self.found.masked
        return self.told.pad_source or (None if masked else self.found.lengths.get("source"))

    @property
    def _padding(self) -> int | None:
        return 0 if self.told.padding is None else self.source.id_of(self.told.padding)

    def _masked(self, side: str, token: str) -> bool:
        return side in self.found.masked and self.target.id_of(token) == 0

    def _source_problems(self) -> list[str]:
        around = [token for token in self.boundaries if token in self.source.tokens]
        problems = []
        if self.told.source_template is None and around:
            problems.append(
                f"{self.source.name} has {' and '.join(map(repr, around))}: say what the encoder "
                f"is given with --source-template, such as '{TEXT} {around[-1]}' or '{TEXT}'."
            )
        if self._padding is None:
            problems.append(f"{self.source.name} has no token {self.told.padding!r}.")
        return problems + self.source.problems_as_source(self.told)


def _limits(found: Found, recipe: _Recipe | None) -> Limits:
    longest = LONGEST if recipe is None else min(LONGEST, recipe.longest)
    return Limits(
        max_source_tokens=min(longest, found.lengths.get("source", LONGEST)),
        max_target_tokens=256,
        target_vocabulary=found.network.projection.bias.size,
    )
