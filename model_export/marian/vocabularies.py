"""Marian's vocabularies → tokenizers.

A vocabulary is a SentencePiece model (.spm), whose ids are the network's, or a list of tokens
(.yml, or one a line) for text that SentencePiece has split by source.spm and target.spm. Symbols
that a SentencePiece model was told to keep whole (`__source__` and the like) are never found in
text: to whoever sends them they are text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from model_export.errors import UnsupportedCheckpoint
from model_export.marian.npz import MODEL_OPTIONS
from model_export.marian.options import Options
from model_export.marian.release import Release
from model_export.marian.yaml_files import read_text, token_ids
from model_export.vocabulary import pieces_of, sentencepiece_tokenizer, user_symbols
from service.package.manifest import Tokens

END, UNKNOWN = "</s>", "<unk>"
START = "the start"
"""Name of the token that the decoder begins with; no piece has a space in it."""
CONTINUED = "@@"
"""How subword-nmt marks pieces that are not at a word's end."""
YAML = (".yml", ".yaml", ".json")


@dataclass(frozen=True, slots=True)
class Side:
    """One language's vocabulary."""

    file: Path
    spm: Path
    """What splits text; file itself where that is a SentencePiece model."""
    ids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Vocabularies:
    """Those of both languages."""

    source: Side
    target: Side
    start: int
    """Behind the last token of the target."""

    @classmethod
    def read(cls, release: Release, options: Options) -> Vocabularies:
        """Read the files and check that they fit.

        Raises:
            UnsupportedCheckpoint: with every reason.
        """
        splitters = release.splitters or release.vocabularies
        sides = [
            _side(release.path / name, release.path / spm)
            for name, spm in zip(release.vocabularies, splitters, strict=True)
        ]
        problems = [
            f"{side.file.name} has {len(side.ids)} tokens; {MODEL_OPTIONS} says {size}."
            for side, size in zip(sides, options.vocabularies, strict=True)
            if len(side.ids) != size
        ]
        problems += [
            f"{side.file.name} has no {token}."
            for side in sides
            for token in (END, UNKNOWN)
            if token not in side.ids
        ]
        if problems:
            raise UnsupportedCheckpoint(list(dict.fromkeys(problems)))
        return cls(sides[0], sides[1], options.vocabularies[1])

    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """Of the source and the target, the same where the files are.

        Raises:
            UnsupportedCheckpoint: SentencePiece splits text by rules that are not supported.
        """
        target = _tokenizer(self.target, {START: self.start})
        if self._same:
            return target, target
        return _tokenizer(self.source, {}), target

    def tokens(self) -> Tokens:
        """What decoding needs."""
        return Tokens(
            start=self.start,
            end=self.target.ids[END],
            unknown=self.target.ids[UNKNOWN],
            padding=self.source.ids[END],
        )

    @property
    def _same(self) -> bool:
        source, target = self.source, self.target
        return source.ids == target.ids and source.spm.read_bytes() == target.spm.read_bytes()


def _side(file: Path, spm: Path) -> Side:
    if file == spm:
        return Side(file, file, {piece: number for number, piece in enumerate(pieces_of(file))})
    ids = token_ids(file) if file.suffix in YAML else _lines(file)
    _require_sentencepiece(file, spm, ids)
    return Side(file, spm, ids)


def _require_sentencepiece(file: Path, spm: Path, ids: Iterable[str]) -> None:
    marked = next((token for token in ids if token.endswith(CONTINUED)), None)
    if marked is not None:
        raise UnsupportedCheckpoint(
            [
                f"{file.name} has tokens of subword-nmt's BPE, such as {marked!r}. Their text is "
                "first tokenised by Moses' scripts, which the service has no part for; only "
                "vocabularies of SentencePiece are supported."
            ]
        )
    if not spm.is_file():
        raise UnsupportedCheckpoint(
            [
                f"{spm.name} is missing: {file.name} does not say how text is split into its "
                f"tokens. {spm.name} must be the SentencePiece model that did it."
            ]
        )


def _lines(file: Path) -> dict[str, int]:
    tokens = read_text(file).removesuffix("\n").split("\n")
    ids = {token: number for number, token in enumerate(tokens)}
    if len(ids) != len(tokens):
        raise UnsupportedCheckpoint([f"{file.name} has a token more than once."])
    return ids


def _tokenizer(side: Side, more: Mapping[str, int]) -> Tokenizer:
    ids = {**side.ids, **more}
    special = [*more, *(symbol for symbol in user_symbols(side.spm) if symbol in ids)]
    return sentencepiece_tokenizer(side.spm, ids, special, end=END, unknown=UNKNOWN)
