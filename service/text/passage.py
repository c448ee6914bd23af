"""A passage: text that is read as one, with what is in it besides words.

It is cut into sentences as any text, but that nothing inside of what is protected counts: a full
stop or a line break there ends no sentence, and a letter there is no word.

A passage lies in a document, of which it may be the whole. What is no sentence stays as the
document has it; so does all markup that stands outside of sentences.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import accumulate, pairwise

from service.domain import Segment, Splitting
from service.text.hard_wrapping import unwrapped
from service.text.hidden import Hidden
from service.text.pictures import ends_sentence, pictures
from service.text.placeholders import Span
from service.text.protection import Protection, protected, terms
from service.text.soft_hyphens import without_soft_hyphens
from service.text.surroundings import PlacedSegment, Replacement, Surroundings
from service.text.tags import Tag, with_pictures
from service.text.terms import Term, capitalised

Cut = Callable[[str], Sequence[Segment]]
"""Text → segments."""

Shown = tuple[str, Sequence[int], Sequence[int]]
"""A text, and where each of its characters begins and ends in the document."""

_LETTER, _NO_LETTER = "X", "0"


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
    terms: tuple[Term, ...] = ()
    """Those protected spans that are terms of a glossary."""
    literal_terms: bool = False
    """Whether they are never left to the model."""
    replacements: tuple[Replacement, ...] = ()
    """What the document has instead of them where they are outside of sentences."""
    breaks: tuple[int, ...] = ()
    """Places of spaces at which a sentence ends, as a picture stands there for its full stop."""

    @classmethod
    def of(
        cls,
        document: str,
        shown: Shown,
        protection: Protection,
        objects: Sequence[Span] = (),
        tags: Sequence[Tag] = (),
        *,
        is_markup: bool = False,
    ) -> Passage:
        """A passage in which what has to be is protected, and pictures are tags.

        objects: what is protected, whatever the protection says.
        """
        passage = cls._protected_in(document, shown, protection, objects, tags)
        if protection.placeholders:
            stops = frozenset(tag.place for tag in tags)
            if runs := list(pictures(passage.text, passage.protected, stops)):
                hidden = Hidden(runs)
                spans = [hidden.span(one) for one in objects]
                pointed = with_pictures(tags, *shown[1:], hidden)
                shown = hidden.without(*shown)
                ends = [run.end for run in runs if ends_sentence(passage.text, run)]
                passage = cls._protected_in(document, shown, protection, spans, pointed)
                passage = replace(passage, breaks=tuple(map(hidden.place, ends)))
        passage = replace(passage, is_markup=is_markup)
        return replace(passage, replacements=tuple(passage._replaced()))

    @classmethod
    def _protected_in(
        cls,
        document: str,
        shown: Shown,
        protection: Protection,
        objects: Sequence[Span],
        tags: Sequence[Tag],
    ) -> Passage:
        text, begins, ends = shown
        places = ((bisect_right(ends, a), bisect_left(begins, b)) for a, b in protection.kept)
        protection = replace(protection, kept=[Span(a, b) for a, b in places if a < b])
        stops = frozenset(tag.place for tag in tags)
        spans = protected(text, objects, stops, protection)
        found = terms(text, spans, stops, protection)
        spans = sorted((*spans, *(term.span for term in found)))
        return cls(
            document=document,
            text=text,
            begins=begins,
            ends=ends,
            protected=tuple(spans),
            tags=tuple(tags),
            terms=tuple(found),
            literal_terms=protection.literal_terms,
        )

    def sentences(self, span: Span, cut: Cut, *, marked: bool = True) -> Iterator[Sentence]:
        """The sentences of some of the text; unless marked, they have no markup inside."""
        wordless = self._masked(span, _NO_LETTER)
        start = span.start
        for segment in cut(self._in_lines(span)):
            end = start + len(segment.text)
            letters = wordless[start - span.start : end - span.start]
            if segment.translatable and any(map(str.isalpha, letters)):
                yield self._sentence(Span(start, end), marked)
            start = end

    def written(self, text: str) -> str:
        """How the document writes a text."""
        return escape(text, quote=False) if self.is_markup else text

    def written_span(self, span: Span, *, capital: bool | None = None) -> str:
        """How the document writes a protected span.

        capital: whether a term has a capital as its first letter; None: as it was.
        """
        term = self.term_at(span)
        if term is None or term.target is None:
            return self.document[self.begins[span.start] : self.ends[span.end - 1]]
        target = term.target
        if term.has_capital if capital is None else capital:
            target = capitalised(target)
        return self.written(target)

    def term_at(self, span: Span) -> Term | None:
        """The term that this is, if it is one."""
        index = bisect_left(self.terms, span.start, key=lambda term: term.span.start)
        is_term = index < len(self.terms) and self.terms[index].span == span
        return self.terms[index] if is_term else None

    def _replaced(self) -> Iterator[Replacement]:
        for start, end in (term.span for term in self.terms if term.target is not None):
            place = Span(self.begins[start], self.ends[end - 1])
            yield Replacement(place, self.written_span(Span(start, end)))

    def _in_lines(self, span: Span) -> str:
        """The same as masked(), with line breaks where pictures end sentences."""
        inside = self.breaks[
            bisect_left(self.breaks, span.start) : bisect_left(self.breaks, span.end)
        ]
        bounds = pairwise([span.start - 1, *inside, span.end])
        return "\n".join(self.masked(Span(start + 1, end)) for start, end in bounds)

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
class Sentence(PlacedSegment):
    """A sentence of a passage; of the document it takes the markup inside of it, too."""

    passage: Passage
    place: int
    """Where it begins in the passage's text."""
    protected: tuple[Span, ...]
    """In the sentence's text."""
    tags: tuple[Tag, ...]
    first_tag: int
    """Index in the passage of the first one."""
    wanted: tuple[str, ...] = ()
    """What its translation must have, in words that the model finds itself."""

    @property
    def marked(self) -> bool:
        """Whether there is anything in it besides words."""
        return bool(self.protected or self.tags or self.wanted)

    def with_free_terms(self) -> Sentence:
        """The same, but that the terms that are translated are words as others, which the model may
        translate as is wanted by itself. The sentence itself where nothing is left to the model."""
        if self.passage.literal_terms:
            return self
        protected, wanted = [], []
        for span in self.protected:
            term = self.passage.term_at(Span(self.place + span.start, self.place + span.end))
            if term is None or term.target is None:
                protected.append(span)
                continue
            capital = term.has_capital and _has_word(self.text[: span.start])
            wanted.append(capitalised(term.target) if capital else term.target)
        return replace(self, protected=tuple(protected), wanted=tuple(wanted))

    def written_span(self, span: Span, *, at_start: bool = False) -> str:
        """How its translation writes a protected span.

        at_start: whether the translation begins with it.
        """
        is_first = not _has_word(self.text[: span.start])
        capital = None
        if at_start:
            capital = True if _starts_with_capital(self.text) else None
        elif is_first:
            capital = False
        place = Span(self.place + span.start, self.place + span.end)
        return self.passage.written_span(place, capital=capital)

    def written_tag(self, tag: Tag) -> str:
        """How the document writes a tag."""
        return self.passage.document[tag.start : tag.end]

    def around(self, cut: Cut) -> list[Segment]:
        """What is protected and all markup, kept, and sentences without any, between them."""
        return list(self._surroundings.around(self._sentences(cut)))

    @property
    def masked(self) -> str:
        """Its text with letters for all that is protected."""
        return self.passage.masked(self._span)

    def pieces(self, segments: Sequence[Segment]) -> list[Segment]:
        """The sentence, cut like this; not inside of what is protected."""
        pieces = self.passage.sentences(self._span, lambda _: segments, marked=self.marked)
        return list(self._surroundings.around(pieces))

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

    @property
    def kept(self) -> str:
        """The same with its terms translated and nothing else."""
        return self._surroundings.between(self.start, self.end)

    @property
    def _surroundings(self) -> Surroundings:
        passage = self.passage
        return Surroundings(passage.document, Span(self.start, self.end), passage.replacements)

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
    def plain(
        cls, text: str, protection: Protection, splitting: Splitting = Splitting.LINES
    ) -> Document:
        """A plain text is one passage."""
        shown = without_soft_hyphens(*unwrapped(text, splitting))
        return cls(text, [Passage.of(text, shown, protection)])

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
        replacements = [one for passage in self.passages for one in passage.replacements]
        surroundings = Surroundings(self.text, Span(0, len(self.text)), replacements)
        return list(surroundings.around(sentences))


def _has_word(text: str) -> bool:
    return any(map(str.isalnum, text))


def _starts_with_capital(text: str) -> bool:
    return next(filter(str.isalpha, text), "").isupper()
