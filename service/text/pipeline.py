"""Everything between strings and ids, for one model."""

from __future__ import annotations

from collections.abc import Sequence

from service.domain import Segment
from service.text.segmenter import segments, surrounded
from service.text.tokenizer import Tokenizer
from service.text.wrapping import split_long

MOST_CHARACTERS_PER_TOKEN = 8
"""Text with more than this, over a whole piece, is cut without asking the tokenizer: it holds the
interpreter lock for as long as the text is."""


class TextPipeline:
    """Strings ↔ ids. Safe for any number of threads."""

    def __init__(self, tokenizer: Tokenizer, max_source_tokens: int) -> None:
        """max_source_tokens: the most ids of one piece, special tokens included."""
        self._tokenizer = tokenizer
        self._max_source_tokens = max_source_tokens

    def segments(self, text: str, language: str) -> list[Segment]:
        """Cut a text. The segments' texts, joined, are the text."""
        return segments(text, language)

    def encode(self, sentence: str) -> list[tuple[Segment, tuple[int, ...]]]:
        """Source ids of a sentence, in pieces if it is longer than the model can take.

        The pieces' texts, joined, are the sentence. Pieces that are not translatable have no ids.
        """
        ids = self._ids_if_short(sentence)
        if ids is not None:
            return [(Segment(sentence, translatable=True), ids)]
        return [
            self._encoded(segment)
            for piece in split_long(sentence, self._is_short)
            for segment in surrounded(piece)
        ]

    def decode(self, target_ids: Sequence[Sequence[int]]) -> list[str]:
        """Text of each sequence."""
        return self._tokenizer.decode(target_ids)

    def _encoded(self, segment: Segment) -> tuple[Segment, tuple[int, ...]]:
        ids = self._ids_if_short(segment.text) if segment.translatable else None
        # Without ids also: a single character of more tokens than the model can take.
        return Segment(segment.text, translatable=ids is not None), ids or ()

    def _is_short(self, text: str) -> bool:
        return self._ids_if_short(text) is not None

    def _ids_if_short(self, text: str) -> tuple[int, ...] | None:
        """The ids, unless the model can't take so many."""
        if len(text) > self._max_source_tokens * MOST_CHARACTERS_PER_TOKEN:
            return None
        (ids,) = self._tokenizer.encode([text])
        return ids if len(ids) <= self._max_source_tokens else None
