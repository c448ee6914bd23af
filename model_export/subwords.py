"""Lists of subwords or words that a checkpoint holds, and what splits text into them.

The tokenizer of these toolkits is a program of its own, and no part of a checkpoint. Subwords of
SentencePiece take the model that was used, which the command line names; a list of words is what
stands between spaces, as for the toolkits themselves.

What subword-nmt, fastBPE and pyonmttok make is refused. Their codes split words that another
program has taken apart before (the Moses tokenizer, a truecaser), which neither the checkpoint nor
the codes describe, and whose output would have to be put together again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tokenizers import Tokenizer

from model_export.errors import UnsupportedCheckpoint
from model_export.vocabulary import read_model, sentencepiece_tokenizer
from model_export.vocabulary_files import (
    SENTENCEPIECE,
    TextOptions,
    Vocabulary,
    set_template,
)
from model_export.word_lists import tokenizer_of

PIECES_AT_LEAST = 0.9
"""Share of a list's tokens that are pieces of the SentencePiece model which made it; others are
special tokens."""
FOREIGN_MARKS = {"@@": "subword-nmt or fastBPE", "￭": "pyonmttok"}
"""What other tokenizers write, and nobody else."""
USED = ("source_vocabulary", "target_vocabulary", "source_template", "standardization")
"""Of TextOptions; a checkpoint says the rest."""
OPTION = {"start": "start-token", "end": "end-token", "unknown": "unknown-token"} | {
    "drop_unknown": "drop-unknown",
    "pad_source": "pad-source",
    "padding": "padding-token",
}


@dataclass(frozen=True, slots=True)
class Special:
    """Names of the tokens that are no text."""

    start: str
    end: str
    unknown: str
    padding: str
    others: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        names = (self.start, self.end, self.unknown, self.padding, *self.others)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class SubwordText:
    """Both lists of a checkpoint, by their ids."""

    source: Vocabulary
    target: Vocabulary
    special: Special
    template: str
    """What the encoder is given: tokens and $A for the sentence."""
    told: TextOptions
    kind: str
    """Of the source, for messages."""

    def problems(self) -> list[str]:
        """What does not fit, or is missing."""
        unused = [
            f"--{OPTION[field.name]} is not for {self.kind} checkpoints, which say it themselves."
            for field in fields(self.told)
            if field.name not in USED and getattr(self.told, field.name) not in (None, False)
        ]
        source = self._list_problems("source")
        return unused + source + ([] if self._one else self._list_problems("target"))

    @property
    def _one(self) -> bool:
        """Whether both sides have the same tokenizer."""
        models = self._model("source"), self._model("target")
        return self.source.tokens == self.target.tokens and models[0] == models[1]

    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """Of the source and the target; the same object where they are the same.

        Raises:
            UnsupportedCheckpoint: SentencePiece does what no tokenizer here can do, or
                --source-template names no tokens.
        """
        source = self._tokenizer(self.source, self._model("source"))
        set_template(source, self.source, self.told.source_template or self.template)
        if self._one:
            return source, source
        return source, self._tokenizer(self.target, self._model("target"))

    @property
    def padding(self) -> int:
        """The source's id of it; any other will do where there is none, it is masked."""
        return self.source.id_of(self.special.padding) or 0

    @property
    def files(self) -> list[Path]:
        """What was read besides the checkpoint."""
        return self.told.files

    def _model(self, side: str) -> Path | None:
        """The SentencePiece model; one is enough where both sides have the same list."""
        own = self.told.source_vocabulary, self.told.target_vocabulary
        if side == "target":
            own = own[::-1]
        return own[0] or (own[1] if self.source.tokens == self.target.tokens else None)

    def _tokenizer(self, vocabulary: Vocabulary, model: Path | None) -> Tokenizer:
        special, tokens = self.special, vocabulary.tokens
        if model is None:
            names = [name for name in special.all if name in tokens]
            how = self.told.standardization or "none"
            return tokenizer_of(tokens, names, special.unknown, "words", how)
        first = (special.end, special.unknown)
        others = [one for one in special.all if one in tokens and one not in first]
        ids = {token: number for number, token in enumerate(tokens)}
        return sentencepiece_tokenizer(
            model, ids, others, end=special.end, unknown=special.unknown, size=len(tokens)
        )

    def _list_problems(self, side: str) -> list[str]:
        vocabulary = self.source if side == "source" else self.target
        needed = {self.special.unknown, self.special.end}
        needed |= {self.special.start} if side == "target" or self._one else set()
        lacking = sorted(needed - set(vocabulary.tokens))
        problems = [f"{vocabulary.name} has no {token}." for token in lacking]
        model = self._model(side)
        if model is None:
            return problems + _word_problems(side, vocabulary)
        if self.told.standardization is not None:
            problems.append("--standardize is for lists of words, not for SentencePiece models.")
        # One list for both sides may hold the pieces of two models.
        joint = self.source.tokens == self.target.tokens
        return problems + _model_problems(self.told.files if joint else [model], vocabulary)


def vocabulary_of(name: str, tokens: object) -> Vocabulary:
    """A list that a checkpoint holds. name: for messages.

    Raises:
        UnsupportedCheckpoint: it is no list of different tokens.
    """
    if not isinstance(tokens, list) or not tokens or not all(isinstance(t, str) for t in tokens):
        raise UnsupportedCheckpoint([f"{name} is no list of tokens."])
    return Vocabulary(name, tuple(tokens))


def _word_problems(side: str, vocabulary: Vocabulary) -> list[str]:
    for mark, tool in FOREIGN_MARKS.items():
        if any(mark in (token[:1], token[-1:], token[-2:]) for token in vocabulary.tokens):
            return [
                f"{vocabulary.name} has subwords of {tool} (with {mark}), which split what another "
                "program has made of text before; they are not supported."
            ]
    if any(token.startswith("▁") for token in vocabulary.tokens):
        return [
            f"{vocabulary.name} has pieces of SentencePiece: give the model that text was split "
            f"with, --{side}-vocabulary FILE.model."
        ]
    return []


def _model_problems(paths: Sequence[Path], vocabulary: Vocabulary) -> list[str]:
    pieces: set[str] = set()
    for path in paths:
        if path.suffix not in SENTENCEPIECE:
            endings = ", ".join(SENTENCEPIECE)
            return [
                f"{path.name} is no SentencePiece model ({endings}), which is what splits text "
                f"here: {vocabulary.name} is in the checkpoint."
            ]
        try:
            pieces |= {one.piece for one in read_model(path).pieces}
        except (UnsupportedCheckpoint, OSError) as error:
            return [f"{path.name} can't be read: {error}".removesuffix(".") + "."]
    known = len(pieces & set(vocabulary.tokens))
    if known >= PIECES_AT_LEAST * len(vocabulary.tokens):
        return []
    names = " and ".join(path.name for path in paths)
    return [
        f"{vocabulary.name} has {len(vocabulary.tokens)} tokens, of which {known} are pieces of "
        f"{names}: it was made with another model."
    ]
