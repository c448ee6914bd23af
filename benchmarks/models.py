"""Loading models, ours and the peers', and reading text."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import ctranslate2
import sentencepiece

from service.decoding.search import decode
from service.domain import DecodingOptions, Hypothesis
from service.package.directory import ModelDirectory
from service.runtime.seq2seq import OnnxSeq2Seq
from service.settings import RuntimeSettings
from service.text.tokenizer import Tokenizer

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Ours:
    """A variant of a model directory in our engine."""

    model: OnnxSeq2Seq
    tokenizer: Tokenizer

    @classmethod
    def load(cls, path: Path, variant: str, threads: int) -> Ours:
        directory = ModelDirectory.open(path)
        manifest = directory.manifest
        return cls(
            OnnxSeq2Seq.load(
                directory, directory.variant(variant), RuntimeSettings(threads=threads, replicas=1)
            ),
            Tokenizer.load(
                directory.file(manifest.tokenizers.source),
                directory.file(manifest.tokenizers.target),
            ),
        )

    def translate(
        self, sources: Sequence[tuple[int, ...]], options: DecodingOptions, batch: int
    ) -> list[tuple[Hypothesis, ...]]:
        """Hypotheses of each sentence, translated in batches of this many, in this order."""
        return self.translate_each(sources, [options] * len(sources), batch)

    def translate_each(
        self, sources: Sequence[tuple[int, ...]], options: Sequence[DecodingOptions], batch: int
    ) -> list[tuple[Hypothesis, ...]]:
        """The same with options for each sentence."""
        return [
            hypotheses
            for some in batched(range(len(sources)), batch)
            for hypotheses in decode(
                self.model,
                [sources[index] for index in some],
                [options[index] for index in some],
                self.model.target,
            )
        ]


@dataclass(frozen=True, slots=True)
class Marian:
    """A Marian checkpoint in CTranslate2, fed by sentencepiece."""

    translator: ctranslate2.Translator
    vocabulary: dict[str, int]
    source_pieces: sentencepiece.SentencePieceProcessor
    target_pieces: sentencepiece.SentencePieceProcessor

    def tokens(self, sentence: str) -> list[str]:
        return [*self.source_pieces.encode(sentence, out_type=str), "</s>"]

    def ids(self, tokens: Sequence[str]) -> tuple[int, ...]:
        unknown = self.vocabulary["<unk>"]
        return tuple(self.vocabulary.get(token, unknown) for token in tokens)

    def names(self, ids: Sequence[int]) -> list[str]:
        by_id = {number: token for token, number in self.vocabulary.items()}
        return [by_id[number] for number in ids]


@contextmanager
def ctranslate2_model(checkpoint: Path, compute_type: str, threads: int) -> Iterator[Marian]:
    """Convert the checkpoint with CTranslate2's own converter and load it."""
    with tempfile.TemporaryDirectory() as folder:
        converter = ctranslate2.converters.TransformersConverter(str(checkpoint))
        converted = converter.convert(f"{folder}/model")
        yield Marian(
            ctranslate2.Translator(
                converted, compute_type=compute_type, intra_threads=threads, inter_threads=1
            ),
            json.loads((checkpoint / "vocab.json").read_text(encoding="utf-8")),
            sentencepiece.SentencePieceProcessor(str(checkpoint / "source.spm")),
            sentencepiece.SentencePieceProcessor(str(checkpoint / "target.spm")),
        )


def lines(path: Path, limit: int | None = None) -> list[str]:
    """The first lines of a text file."""
    with path.open(encoding="utf-8") as file:
        return [line.rstrip("\n") for line in itertools.islice(file, limit)]


def batched(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Slices of this many items; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
