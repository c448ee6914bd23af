"""A passage: text that is read as one, with what is in it besides words.

It is cut into sentences as any text, but that nothing inside of what is protected counts: a full
stop or a line break there ends no sentence, and a letter there is no word.

A passage lies in a document, of which it may be the whole. What is no sentence stays as the
document has it; so does all markup that stands outside of sentences.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from html import escape
from itertools import accumulate, pairwise

from service.domain import Segment, Splitting
from service.text.hard_wrapping import unwrapped
from service.text.placeholders import Span
from service.text.protection import protected

Cut = Callable[[str], Sequence[Segment]]
"""Text → segments."""

_LETTER, _NO_LETTER = "X", "0"


class Kind(Enum):
    """What a tag does."""

    OPEN = "open"
    CLOSE = "close"
    POINT = "point"
    """Stands by itself: an image, a comment."""


@dataclass(slots=True)
class Tag:
    """A piece of markup inside of a passage."""

    kind: Kind
    place: int
    """Characters of the passage before it."""
    start: int
    """Its characters in the document are [start, end)."""
    end: int
    partner: int | None = None
    """Index in the passage of the tag that closes what this one opens, or the other way round."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Text in a document. The spans are in order and don't touch each other."""

    document: str
    text: str
    """As the model sees it, character references decoded."""
    begins: Sequence[int]
    """Of each character of the text, where it begins in the document."""
    ends: Sequence[int]
    """And where it ends."""
    protected: tuple[Span, ...] = ()
    tags: tuple[Tag, ...] = ()
    is_markup: bool = False

    @classmethod
    def of(cls, text: str, *, protect: bool, splitting: Splitting = Splitting.LINES) -> Passage:
        """A plain text, with its placeholders and addresses protected or not."""
        shown, begins, ends = unwrapped(text, splitting)
        found = protected(shown, (), frozenset(), protect=protect)
        return cls(text, shown, begins, ends, tuple(found))

    def sentences(self, span: Span, cut: Cut, *, marked: bool = True) -> Iterator[Sentence]:
        """The sentences of some of the text; unless marked, they have no markup inside."""
        wordless = self._masked(span, _NO_LETTER)
        start = span.start
        for segment in cut(self.masked(span)):
            end = start + len(segment.text)
            letters = wordless[start - span.start : end - span.start]
            if segment.translatable and any(map(str.isalpha, letters)):
                yield self._sentence(Span(start, end), marked)
            start = end

    def written(self, text: str) -> str:
        """How the document writes a text."""
        return escape(text, quote=False) if self.is_markup else text

    def masked(self, span: Span) -> str:
        """Some of the text with letters for all that is protected."""
        return self._masked(span, _LETTER)

    def _masked(self, span: Span, letter: str) -> str:
        """Some of the text with this letter for every protected character."""
        ends = [place for inside in self._protected(span) for place in inside]
        parts = [self.text[start:end] for start, end in pairwise([span.start, *ends, span.end])]
        return "".join(
            letter * len(part) if index % 2 else part for index, part in enumerate(parts)
        )

    def _protected(self, span: Span) -> tuple[Span, ...]:
        first = bisect_left(self.protected, span.start, key=lambda inside: inside.start)
        last = bisect_right(self.protected, span.end, key=lambda inside: inside.end)
        return self.protected[first:last]

    def _sentence(self, span: Span, marked: bool) -> Sentence:
        first_tag, last_tag = self._inner(span) if marked else (0, 0)
        tags = self.tags[first_tag:last_tag]
        first, last = (tags[0], tags[-1]) if tags else (None, None)
        return Sentence(
            self.text[slice(*span)],
            translatable=True,
            passage=self,
            place=span.start,
            start=first.start if first and first.place == span.start else self.begins[span.start],
            end=last.end if last and last.place == span.end else self.ends[span.end - 1],
            protected=tuple(
                Span(start - span.start, end - span.start) for start, end in self._protected(span)
            ),
            tags=tags,
            first_tag=first_tag,
        )

    def _inner(self, span: Span) -> tuple[int, int]:
        """Which tags, [first, last), can't stand outside of the sentence."""
        first = bisect_left(self.tags, span.start, key=lambda tag: tag.place)
        last = bisect_right(self.tags, span.end, key=lambda tag: tag.place)
        inner = [i for i in range(first, last) if self._is_inner(self.tags[i], span)]
        return (inner[0], inner[-1] + 1) if inner else (0, 0)

    def _is_inner(self, tag: Tag, span: Span) -> bool:
        start, end = span
        if start < tag.place < end:
            return True
        if tag.partner is None:
            return False
        partner = self.tags[tag.partner].place
        return tag.place in span and start < partner < end


@dataclass(frozen=True, slots=True)
class Sentence(Segment):
    """A sentence of a passage."""

    passage: Passage
    place: int
    """Where it begins in the passage's text."""
    start: int
    """[start, end) is what it takes of the document, with the markup inside of it."""
    end: int
    protected: tuple[Span, ...]
    """In the sentence's text."""
    tags: tuple[Tag, ...]
    first_tag: int
    """Index in the passage of the first one."""

    @property
    def marked(self) -> bool:
        """Whether there is anything in it besides words."""
        return bool(self.protected or self.tags)

    def written_span(self, span: Span) -> str:
        """How the document writes some of its characters."""
        start, end = (self.place + place for place in span)
        return self.passage.document[self.passage.begins[start] : self.passage.ends[end - 1]]

    def written_tag(self, tag: Tag) -> str:
        """How the document writes a tag."""
        return self.passage.document[tag.start : tag.end]

    def around(self, cut: Cut) -> list[Segment]:
        """What is protected and all markup, kept, and sentences without any, between them."""
        return list(
            _with_what_is_between(self._sentences(cut), self.passage.document, self.start, self.end)
        )

    @property
    def masked(self) -> str:
        """Its text with letters for all that is protected."""
        return self.passage.masked(self._span)

    def pieces(self, segments: Sequence[Segment]) -> list[Segment]:
        """The sentence, cut like this; not inside of what is protected."""
        pieces = self.passage.sentences(self._span, lambda _: segments, marked=self.marked)
        return list(_with_what_is_between(pieces, self.passage.document, self.start, self.end))

    def may_cut(self, segments: Sequence[Segment]) -> bool:
        """Whether these are several segments, and none ends inside of what is protected."""
        ends = list(accumulate(len(segment.text) for segment in segments))
        return len(ends) > 1 and not any(
            start < end < stop for start, stop in self.protected for end in ends
        )

    @property
    def _span(self) -> Span:
        return Span(self.place, self.place + len(self.text))

    @property
    def written(self) -> str:
        """How the document writes it."""
        return self.passage.document[self.start : self.end]

    def _sentences(self, cut: Cut) -> Iterator[Sentence]:
        for span in self._unmarked():
            yield from self.passage.sentences(span, cut, marked=False)

    def _unmarked(self) -> Iterator[Span]:
        """Between marks, in the passage's text; none is empty."""
        places = {tag.place - self.place for tag in self.tags} | {0, len(self.text)}
        bounds = sorted(places.union(*self.protected))
        kept = {span.start for span in self.protected}
        for start, end in pairwise(bounds):
            if start not in kept:
                yield Span(start + self.place, end + self.place)


@dataclass(frozen=True, slots=True)
class Document:
    """A text and its passages, in order."""

    text: str
    passages: Sequence[Passage]

    @classmethod
    def plain(cls, text: str, *, protect: bool, splitting: Splitting = Splitting.LINES) -> Document:
        """A plain text is one passage."""
        return cls(text, [Passage.of(text, protect=protect, splitting=splitting)])

    @property
    def words(self) -> str:
        """What is there to be read, without markup."""
        return "\n".join(passage.text for passage in self.passages)

    def segments(self, cut: Cut) -> list[Segment]:
        """Sentences, and kept segments between them. As the document writes them, all of them
        joined are the document."""
        sentences = (
            sentence
            for passage in self.passages
            for sentence in passage.sentences(Span(0, len(passage.text)), cut)
        )
        return list(_with_what_is_between(sentences, self.text, 0, len(self.text)))


def _with_what_is_between(
    sentences: Iterable[Sentence], document: str, start: int, end: int
) -> Iterator[Segment]:
    position = start
    for sentence in sentences:
        if position < sentence.start:
            yield Segment(document[position : sentence.start], translatable=False)
        yield sentence
        position = sentence.end
    if position < end:
        yield Segment(document[position:end], translatable=False)
