"""A passage: text that is read as one, with what is in it besides words.

It is cut into sentences as any text, but that nothing inside of what is protected counts: a full
stop or a line break there ends no sentence, and a letter there is no word.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from service.domain import Marks, Protected, Segment
from service.text import placeholders
from service.text.placeholders import Span

Cut = Callable[[str], Sequence[Segment]]
"""Text → segments."""

_LETTER, _NO_LETTER = "X", "0"
_WORD = frozenset(string.ascii_letters + string.digits + "_")


@dataclass(frozen=True, slots=True)
class Passage:
    """A plain text and its protected spans, in order and without touching each other."""

    text: str
    protected: tuple[Span, ...]

    @classmethod
    def of(cls, text: str) -> Passage:
        """The passage with its placeholders and addresses protected."""
        return cls(text, tuple(_grown(text, placeholders.find(text))))

    def segments(self, cut: Cut) -> list[Segment]:
        """The segments. Their texts, joined, are the passage's."""
        if not self.protected:
            return list(cut(self.text))
        return list(self._segments(cut))

    def _segments(self, cut: Cut) -> Iterator[Segment]:
        wordless = self._masked(_NO_LETTER)
        start = 0
        for segment in cut(self._masked(_LETTER)):
            end = start + len(segment.text)
            has_word = any(map(str.isalpha, wordless[start:end]))
            yield self._segment(start, end, segment.translatable and has_word)
            start = end

    def _masked(self, letter: str) -> str:
        """The text with this letter for every protected character."""
        ends = [place for span in self.protected for place in span]
        parts = [self.text[start:end] for start, end in pairwise([0, *ends, len(self.text)])]
        return "".join(
            letter * len(part) if index % 2 else part for index, part in enumerate(parts)
        )

    def _segment(self, start: int, end: int, translatable: bool) -> Segment:
        text = self.text[start:end]
        inside = tuple(
            Protected(span.start - start, span.end - start, self.text[span.start : span.end])
            for span in self.protected
            if start <= span.start and span.end <= end
        )
        marks = Marks(text, inside) if inside and translatable else None
        return Segment(text, translatable, marks)


def _grown(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """The spans with the letters that touch them (`%dms`), as one where they touch each other."""
    last: Span | None = None
    for span in spans:
        start, end = span
        while start and text[start - 1] in _WORD and (last is None or start > last.end):
            start -= 1
        while end < len(text) and text[end] in _WORD:
            end += 1
        if last is not None and start <= last.end:
            last = Span(last.start, max(end, last.end))
            continue
        if last is not None:
            yield last
        last = Span(start, end)
    if last is not None:
        yield last
