"""Strings to ids and back: subwords (SentencePiece) or whole words. One vocabulary a language.

In both, id 0 pads, 1 is unknown, 2 starts and 3 ends a sentence. encode() gives neither 2 nor 3.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, Self

import sentencepiece

from model_export.training.errors import BadData

PADDING, UNKNOWN, START, END = range(4)
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
SPACE = "▁"
"""SentencePiece's sign for a space; it stands before the token, so that joining is exact."""

WORD = re.compile(rf"{SPACE}?(?:\w+|[^\w{SPACE}])|{SPACE}")


class Vocabulary(Protocol):
    """The tokens of one language."""

    def __len__(self) -> int: ...

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The tokens as they are shown to people."""
        ...

    def save(self, run: Path, side: str) -> None:
        """side: source or target."""
        ...


class SubwordVocabulary:
    """Sennrich et al. 2016 (BPE): frequent words are one token, rare ones several."""

    FILE = "{side}.spm"

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    @classmethod
    def learn(cls, sentences: Iterable[str], size: int) -> Self:
        """At most size tokens; fewer where the text does not give as many."""
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(sentences),
                model_writer=model,
                model_type="bpe",
                vocab_size=size,
                hard_vocab_limit=False,
                character_coverage=1.0,
                pad_id=PADDING,
                unk_id=UNKNOWN,
                bos_id=START,
                eos_id=END,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise BadData([f"no vocabulary of {size} tokens can be learnt: {error}"]) from None
        return cls(model.getvalue())

    @classmethod
    def load(cls, run: Path, side: str) -> Self:
        return cls((run / cls.FILE.format(side=side)).read_bytes())

    def save(self, run: Path, side: str) -> None:
        (run / self.FILE.format(side=side)).write_bytes(self._model)

    def __len__(self) -> int:
        return int(self._processor.get_piece_size())

    def encode(self, text: str) -> list[int]:
        return list(self._processor.encode(text))

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._processor.decode([int(token) for token in ids]))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [self._processor.id_to_piece(int(token)) for token in ids]


class WordVocabulary:
    """The most frequent words and signs; all others are unknown."""

    FILE = "{side}.words"

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self._ids = {word: place for place, word in enumerate(self._words)}

    @classmethod
    def learn(cls, sentences: Iterable[str], size: int) -> Self:
        """The size most frequent tokens, the special ones included; the earlier of two equals."""
        counts = Counter(word for sentence in sentences for word in _words(sentence))
        return cls([*SPECIAL, *(word for word, _ in counts.most_common(size - len(SPECIAL)))])

    @classmethod
    def load(cls, run: Path, side: str) -> Self:
        return cls((run / cls.FILE.format(side=side)).read_text("utf-8").splitlines())

    def save(self, run: Path, side: str) -> None:
        text = "".join(f"{word}\n" for word in self._words)
        (run / self.FILE.format(side=side)).write_text(text, "utf-8")

    def __len__(self) -> int:
        return len(self._words)

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(word, UNKNOWN) for word in _words(text)]

    def decode(self, ids: Sequence[int]) -> str:
        shown = (f"{SPACE}⁇" if token == UNKNOWN else self._words[token] for token in ids)
        return "".join(shown).replace(SPACE, " ").strip()

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [self._words[token] for token in ids]


KINDS: dict[str, type[SubwordVocabulary] | type[WordVocabulary]] = {
    "subword": SubwordVocabulary,
    "word": WordVocabulary,
}


def _words(text: str) -> list[str]:
    """`Je t'aime.` gives ▁Je ▁t ' aime . and joined again, `Je t'aime.`"""
    return WORD.findall(SPACE + SPACE.join(text.split()))
