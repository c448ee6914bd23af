"""What stands between the sentences of a document, as it is there but with its terms translated."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from service.domain import Segment
from service.text.placeholders import Span


@dataclass(frozen=True, slots=True)
class PlacedSegment(Segment):
    """A segment that takes the characters [start, end) of the document."""

    start: int
    end: int


class Replacement(NamedTuple):
    """What is written instead of some of the document."""

    place: Span
    text: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Some of a document, with what stands between its sentences."""

    document: str
    place: Span
    replacements: Sequence[Replacement]

    def between(self, start: int, end: int) -> str:
        """Characters [start, end) of the document, with terms translated."""
        first = bisect_left(self.replacements, start, key=lambda one: one.place.start)
        written, position = [], start
        for place, text in islice(self.replacements, first, None):
            if place.end > end:
                break
            written += [self.document[position : place.start], text]
            position = place.end
        return "".join((*written, self.document[position:end]))

    def around(self, sentences: Iterable[PlacedSegment]) -> Iterator[Segment]:
        """The sentences, in order, and what is between them."""
        position, end = self.place
        for sentence in sentences:
            if position < sentence.start:
                yield Segment(self.between(position, sentence.start), translatable=False)
            yield sentence
            position = sentence.end
        if position < end:
            yield Segment(self.between(position, end), translatable=False)
