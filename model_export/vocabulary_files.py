"""Vocabularies that stand beside a checkpoint: SentencePiece models, and lists of tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, processors

from model_export.errors import UnsupportedCheckpoint
from model_export.sentencepiece_bpe import bpe_tokenizer
from model_export.vocabulary import marian_tokenizer, read_model
from model_export.word_lists import Standardization, spelling_of, tokenizer_of

TEXT = "$A"
"""Stands for the sentence in a template."""
SENTENCEPIECE = (".spm", ".model")
KNOWN_PAIRS = (
    ("<s>", "</s>"),
    ("<start>", "<end>"),
    ("[start]", "[end]"),
    ("[START]", "[END]"),
    ("<sos>", "<eos>"),
    ("<SOS>", "<EOS>"),
    ("<bos>", "<eos>"),
    ("sos", "eos"),
    ("SOS", "EOS"),
    ("startseq", "endseq"),
    ("start_", "_end"),
    ("\t", "\n"),
)
"""What tutorials call the start and the end of a sentence."""
KNOWN_UNKNOWN = ("<unk>", "[UNK]", "<UNK>", "UNK", "<OOV>", "<oov>", "unk")
KNOWN_PADDING = ("", "<pad>", "[PAD]", "<PAD>", "PAD", "pad")


@dataclass(frozen=True, slots=True)
class TextOptions:
    """What the command line says about text. None: it doesn't."""

    source_vocabulary: Path | None = None
    target_vocabulary: Path | None = None
    start: str | None = None
    """The decoder's first token."""
    end: str | None = None
    unknown: str | None = None
    drop_unknown: bool = False
    """Leave out text that there is no token for."""
    source_template: str | None = None
    """What the encoder is given: tokens and $A for the sentence, with spaces in between."""
    standardization: Standardization | None = None
    pad_source: int | None = None
    """Shorter sources are filled up to so many tokens."""
    padding: str | None = None
    """The token that they are filled up with."""

    @property
    def files(self) -> list[Path]:
        """The files that it names."""
        both = (self.source_vocabulary, self.target_vocabulary)
        return [path for path in both if path is not None]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens of one language by their ids, from wherever they came."""

    name: str
    """Of its file or layer, for messages."""
    tokens: tuple[str, ...]
    sentencepiece: Any = None
    """The ModelProto, if it is one."""
    path: Path | None = None
    standardization: Standardization | None = None
    """What it was made with, where that is known."""
    characters: bool | None = None
    """Whether text is split into characters, where that is known."""

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """Read a file: .spm or .model is SentencePiece's, .json a list of tokens or an object of
        token → id, any other has one token a line.

        Raises:
            UnsupportedCheckpoint: it can't be read.
        """
        try:
            if path.suffix in SENTENCEPIECE:
                model = read_model(path)
                tokens = tuple(piece.piece for piece in model.pieces)
                return cls(path.name, tokens, model, path)
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UnsupportedCheckpoint([f"{path} can't be read: {error}."]) from error
        if path.suffix == ".json":
            return cls(path.name, _json_tokens(path, text))
        return cls(path.name, tuple(text.removesuffix("\n").split("\n")))

    def __post_init__(self) -> None:
        if len(set(self.tokens)) != len(self.tokens):
            twice = next(token for token in self.tokens if self.tokens.count(token) > 1)
            raise UnsupportedCheckpoint([f"{self.name} has the token {twice!r} more than once."])

    def id_of(self, token: str) -> int | None:
        """The token's id, if it is one."""
        return self.tokens.index(token) if token in self.tokens else None

    def pair(self) -> tuple[str, str] | None:
        """Its start and end, if it has exactly one of the pairs that tutorials use."""
        found = [pair for pair in KNOWN_PAIRS if set(pair) <= set(self.tokens)]
        return found[0] if len(found) == 1 else None

    def one_of(self, names: Sequence[str]) -> str | None:
        """The first of these that is one of its tokens."""
        return next((name for name in names if name in self.tokens), None)

    def tokenizer(self, boundaries: Sequence[str], options: TextOptions) -> Tokenizer:
        """The tokenizer of it, without a template. boundaries: start and end tokens it may hold.

        Raises:
            UnsupportedCheckpoint: SentencePiece does what no tokenizer here can do.
        """
        if self.sentencepiece is not None:
            return self._sentencepiece_tokenizer()
        unknown = self.unknown(options)
        padding = options.padding or self.one_of(KNOWN_PADDING)
        special = [one for one in (*boundaries, unknown, padding) if one in self.tokens]
        spelling = spelling_of(self.tokens, [one for one in special if one is not None])
        if self.characters is not None and spelling != "marked words":
            spelling = "characters" if self.characters else "words"
        if spelling == "characters" and padding not in KNOWN_PADDING:
            special = [one for one in special if one != padding]  # such as a space
        standardization = options.standardization or self.standardization or "none"
        names = [one for one in special if one is not None]
        return tokenizer_of(self.tokens, names, unknown, spelling, standardization)

    def unknown(self, options: TextOptions) -> str | None:
        """The token that stands for text without one, if there is any."""
        if self.sentencepiece is not None:
            return str(self.tokens[self.sentencepiece.trainer_spec.unk_id])
        return options.unknown if options.unknown in self.tokens else self.one_of(KNOWN_UNKNOWN)

    def problems_as_source(self, options: TextOptions) -> list[str]:
        """What it lacks for encoding any text."""
        if self.unknown(options) is not None or options.drop_unknown:
            return []
        return [
            f"{self.name} has no token for unknown text: name it with --unknown-token, or let "
            "--drop-unknown leave such text out."
        ]

    def _sentencepiece_tokenizer(self) -> Tokenizer:
        assert self.path is not None
        model = self.sentencepiece
        if model.trainer_spec.model_type == model.trainer_spec.BPE:
            return bpe_tokenizer(self.path, model)
        unknown = self.tokens[model.trainer_spec.unk_id]
        ids = {token: number for number, token in enumerate(self.tokens)}
        special = [one.piece for one in model.pieces if one.type == one.Type.CONTROL]
        end = model.trainer_spec.eos_piece
        # The padding token is one that is never shown; where there is none, the unknown one.
        padding = next((one for one in special if one != end), unknown)
        return marian_tokenizer(self.path, ids, end=end, unknown=unknown, padding=padding)


def set_template(tokenizer: Tokenizer, vocabulary: Vocabulary, template: str) -> None:
    """Let a tokenizer put tokens around a sentence.

    Raises:
        UnsupportedCheckpoint: the template names what is no token.
    """
    parts = template.split(" ")
    unknown = [part for part in parts if part != TEXT and vocabulary.id_of(part) is None]
    if unknown or parts.count(TEXT) != 1:
        raise UnsupportedCheckpoint(
            [
                f"--source-template {template!r} must be {TEXT} and tokens of {vocabulary.name}"
                + (f", which has no {', '.join(map(repr, unknown))}." if unknown else ".")
            ]
        )
    names = [part if part == TEXT else f"token{place}" for place, part in enumerate(parts)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join(names),
        special_tokens=[
            (name, vocabulary.tokens.index(part))
            for name, part in zip(names, parts, strict=True)
            if part != TEXT
        ],
    )


def pad(tokenizer: Tokenizer, length: int, padding: int) -> None:
    """Let a tokenizer fill sentences up to a length."""
    tokenizer.enable_padding(
        length=length, pad_id=padding, pad_token=tokenizer.id_to_token(padding)
    )


def _json_tokens(path: Path, text: str) -> tuple[str, ...]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise UnsupportedCheckpoint([f"{path.name} is not JSON: {error}."]) from error
    if isinstance(data, dict) and sorted(map(str, data.values())) == sorted(
        map(str, range(len(data)))
    ):
        data = sorted(data, key=lambda token: int(data[token]))
    if not isinstance(data, list) or not all(isinstance(token, str) for token in data):
        raise UnsupportedCheckpoint(
            [f"{path.name} must hold a list of tokens, or an object of token → id 0, 1, 2, …"]
        )
    return tuple(data)
