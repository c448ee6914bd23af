"""Two small SentencePiece models and a joint vocabulary, as OPUS-MT models have them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from model_export.vocabulary import marian_tokenizer
from service.text.tokenizer import Tokenizer

DATA = Path("tests/data/text")


@dataclass(frozen=True)
class SmallVocabularies:
    """French and English pieces have ids in one vocabulary; some French ones have none."""

    french: Path
    """The SentencePiece model; french_file is made from it."""
    english: Path
    french_file: Path
    french_pieces: frozenset[str]
    english_pieces: frozenset[str]
    ids: dict[str, int]
    tokenizer: Tokenizer
    """Encodes French, decodes English."""

    @cached_property
    def _french_processor(self) -> SentencePieceProcessor:
        return SentencePieceProcessor(model_file=str(self.french))

    @cached_property
    def _english_processor(self) -> SentencePieceProcessor:
        return SentencePieceProcessor(model_file=str(self.english))

    def sentencepiece_ids(self, text: str) -> tuple[int, ...]:
        """What SentencePiece makes of a French text, end token added."""
        processor = self._french_processor
        pieces = [processor.id_to_piece(number) for number in processor.encode(text)]
        return (*(self.ids.get(piece, self.ids["<unk>"]) for piece in pieces), self.ids["</s>"])

    def sentencepiece_text(self, pieces: Sequence[str]) -> str:
        """What SentencePiece makes of English pieces."""
        return str(self._english_processor.decode(list(pieces)))


@dataclass(frozen=True)
class Goldens:
    """What SentencePiece made of many texts with the default model's source.spm."""

    source_spm: str
    """Its SHA-256."""
    ids: dict[str, tuple[int, ...]]


def lines(language: str) -> list[str]:
    """60 sentences in French (fr) or their translations (en)."""
    return (DATA / f"tatoeba.{language}").read_text(encoding="utf-8").splitlines()


def make(directory: Path) -> SmallVocabularies:
    """Train both models and write both tokenizer files."""
    french, english = (_train(lines(language), directory, language) for language in ("fr", "en"))
    french_pieces, english_pieces = _pieces(french), _pieces(english)
    # Characters keep their ids: without them nearly every text would hold unknown ones.
    without_id = {piece for piece in french_pieces[2::7] if len(piece) > 1}
    joint = dict.fromkeys([*french_pieces, *english_pieces, "<pad>"])
    names = [piece for piece in joint if piece not in without_id]
    ids = {name: number for number, name in enumerate(names)}
    files = [spm.with_suffix(".json") for spm in (french, english)]
    for spm, file in zip((french, english), files, strict=True):
        marian_tokenizer(spm, ids).save(str(file))
    return SmallVocabularies(
        french=french,
        english=english,
        french_file=files[0],
        french_pieces=frozenset(french_pieces),
        english_pieces=frozenset(english_pieces),
        ids=ids,
        tokenizer=Tokenizer.load(*files),
    )


def _train(sentences: Sequence[str], directory: Path, name: str) -> Path:
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        vocab_size=300,
        hard_vocab_limit=False,
        character_coverage=1.0,
        bos_id=-1,
        eos_id=0,
        unk_id=1,
        num_threads=1,
        minloglevel=2,
    )
    path = directory / f"{name}.spm"
    path.write_bytes(model.getvalue())
    return path


def _pieces(spm: Path) -> list[str]:
    processor = SentencePieceProcessor(model_file=str(spm))
    return [str(processor.id_to_piece(number)) for number in range(len(processor))]


def goldens() -> Goldens:
    """The goldens that tests/data/text/make_goldens.py wrote."""
    content = json.loads((DATA / "goldens.json").read_text(encoding="utf-8"))
    return Goldens(
        content["source.spm"], {one["text"]: tuple(one["ids"]) for one in content["texts"]}
    )
