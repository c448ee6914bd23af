"""A joint SentencePiece vocabulary, numbered as Marian numbers it, and pairs as its ids.

Ids: `</s>` 0, `<unk>` 1, then the other pieces, and `<pad>` last.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sentencepiece

END, UNKNOWN, PADDING = "</s>", "<unk>", "<pad>"
SENTENCES = 1_000_000
"""Most sentences, of both languages together, that pieces are counted in."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """The ids of many texts, each with `</s>` at its end."""

    ids: npt.NDArray[np.int32]
    """All texts one after the other."""
    ends: Ids
    """Where each text ends in ids."""

    def lengths(self) -> Ids:
        """Tokens of each text."""
        return np.diff(self.ends, prepend=0)

    def padded(self, places: Ids, padding: int) -> Ids:
        """The texts at these places: [places, longest of them]."""
        lengths = self.lengths_of(places)
        table = np.full((len(places), lengths.max()), padding, np.int64)
        for row, (place, length) in enumerate(zip(places, lengths, strict=True)):
            end = self.ends[place]
            table[row, :length] = self.ids[end - length : end]
        return table

    def lengths_of(self, places: Ids) -> Ids:
        """Tokens of the texts at these places."""
        begins = np.where(places > 0, self.ends[places - 1], 0)
        return self.ends[places] - begins


class Vocabulary:
    """A SentencePiece model under Marian's ids."""

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.ids = _marian_ids(self._pieces)
        self.end, self.unknown, self.padding = (
            self.ids[token] for token in (END, UNKNOWN, PADDING)
        )
        names = [self._pieces.id_to_piece(number) for number in range(len(self._pieces))]
        self._to_marian = np.array([self.ids.get(name, self.unknown) for name in names], np.int32)
        self._from_marian = {int(own): theirs for theirs, own in enumerate(self._to_marian)}

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """Read a SentencePiece file. Raises OSError."""
        return cls(path.read_bytes())

    @classmethod
    def train(cls, texts: Iterable[str], size: int, seed: int, threads: int) -> Vocabulary:
        """Find the pieces of these texts. size: ids without `<pad>`. Raises RuntimeError if there
        is too little text for so many.
        """
        sentencepiece.set_random_generator_seed(seed)
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type="unigram",
            vocab_size=size + 1,  # <s>, which Marian does not have
            character_coverage=1.0 if size < 1000 else 0.9999,
            input_sentence_size=SENTENCES,
            shuffle_input_sentence=False,
            num_threads=threads,
            minloglevel=2,
        )
        return cls(model.getvalue())

    def __len__(self) -> int:
        """Ids, `<pad>` included."""
        return len(self.ids)

    def encode(self, texts: Sequence[str], threads: int = 1) -> EncodedTexts:
        """Texts as ids."""
        parts, lengths = list[npt.NDArray[np.int32]](), list[int]()
        for begin in range(0, len(texts), 50_000):
            chunk = list(texts[begin : begin + 50_000])
            for pieces in self._pieces.encode(chunk, num_threads=threads):
                parts.append(np.append(self._to_marian[pieces], self.end).astype(np.int32))
                lengths.append(len(pieces) + 1)
        ids = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        return EncodedTexts(ids, np.cumsum(lengths, dtype=np.int64))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids up to the first `</s>`; `<pad>` is skipped."""
        known = list[int]()
        for number in ids:
            if number == self.end:
                break
            if number != self.padding:
                known.append(self._from_marian[number])
        return str(self._pieces.decode(known))


def _marian_ids(pieces: sentencepiece.SentencePieceProcessor) -> dict[str, int]:
    ids = {END: 0, UNKNOWN: 1}
    for number in range(len(pieces)):
        if not pieces.is_control(number) and not pieces.is_unknown(number):
            ids[pieces.id_to_piece(number)] = len(ids)
    return {**ids, PADDING: len(ids)}
