"""What the engine is given for a request: pieces of its texts, each with ids and options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, repeat
from threading import Lock
from typing import Protocol

from cachetools import LRUCache, cached

from service.domain import (
    DecodingOptions,
    Hypothesis,
    Segment,
    Selection,
    Splitting,
    TranslationRequest,
)
from service.package.manifest import LanguagePair
from service.sentence_options import TargetText, of_sentences, with_ids
from service.text.document import document
from service.text.markers import without_markers
from service.text.passage import Cut, Document, Sentence
from service.text.placeholders import Span
from service.text.protection import Protection
from service.text.segmenter import surrounded
from service.text.stand_ins import shown
from service.text.terms import Terms

Ids = tuple[int, ...]
MOST_KEPT_TERMS = 48 << 20
"""Bytes of the terms of glossaries that were used lately."""


class SourceText(TargetText, Protocol):
    """Strings → ids; see service.text.pipeline."""

    def segments(self, text: str, language: str) -> list[Segment]:
        """Cut a text. The segments' texts, joined, are the text."""

    def encode(self, sentence: str, pair: LanguagePair) -> list[tuple[Segment, Ids]]:
        """Source ids of a sentence, in pieces if it is longer than the model can take.

        The pieces' texts, joined, are the sentence. Pieces that are not translatable have no ids.
        """

    def encode_whole(self, sentence: str, pair: LanguagePair) -> Ids | None:
        """Source ids of a sentence as it is; None if the model can't take so many."""

    def start(self, pair: LanguagePair) -> Ids:
        """Target ids that every translation is made to begin with and that are no part of it."""


@dataclass(slots=True, eq=False)
class Piece:
    """A segment of a text on its way."""

    segment: Segment
    shown: str = ""
    """What the model is shown of it; it may have numbers in place of protected spans."""
    source_ids: Ids = ()
    options: DecodingOptions = field(default_factory=DecodingOptions)
    hypotheses: tuple[Hypothesis, ...] = ()
    """Best first."""
    translations: tuple[str, ...] = ()
    """Text of each hypothesis."""
    others: list[tuple[Sentence, str, Ids]] = field(default_factory=list)
    """Further ways to show it, each with what is shown and its ids, in case that it has no
    translation with all that it must hold."""
    parts: list[Piece] = field(default_factory=list)
    """What is translated instead of it, where no way is left."""

    def try_otherwise(self) -> bool:
        """Show it in the next way, if there is one."""
        if not self.others:
            return False
        self.segment, self.shown, self.source_ids = self.others.pop(0)
        return True

    @property
    def translatable(self) -> bool:
        """Whether it is a sentence to decode."""
        return bool(self.source_ids)


Plan = list[list[Piece]]
"""Pieces of each text."""


def documents(request: TranslationRequest) -> Iterator[Document]:
    """The request's texts.

    Raises:
        InvalidRequest: one is not what its format says.
    """
    terms = terms_of(request.glossary)
    everywhere = Protection(request.protect, terms, literal_terms=request.track)
    for text, kept in zip(request.texts, request.kept or repeat(()), strict=False):
        protection = replace(everywhere, kept=[Span(*span) for span in kept])
        yield document(
            text, request.format, protection, splitting=request.splitting, rules=request.tags
        )


@cached(LRUCache(MOST_KEPT_TERMS, getsizeof=lambda terms: terms.bytes), lock=Lock())
def terms_of(glossary: tuple[tuple[str, str | None], ...]) -> Terms:
    """The terms of a glossary, kept for its next request: a large one takes longer than a text."""
    return Terms(dict(glossary))


def sentences(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Those to be decoded, in order."""
    for piece in pieces:
        if piece.parts:
            yield from sentences(piece.parts)
        elif piece.translatable:
            yield piece


def is_marked(piece: Piece) -> bool:
    """Whether its sentence has anything besides words."""
    return isinstance(piece.segment, Sentence) and piece.segment.marked


class Planner:
    """Makes plans, in any number of threads."""

    def __init__(self, text: SourceText, *, attention: bool) -> None:
        """attention: whether the model can say what it attended to."""
        self._text = text
        self._attention = attention

    def plan(self, request: TranslationRequest, pair: LanguagePair) -> Plan:
        """The pieces of the request's texts.

        Raises:
            InvalidRequest: the model does not know some text of the options, or a text is not what
                its format says.
        """
        cut = self._cut(request, pair)
        texts = [
            [piece for segment in one.segments(cut) for piece in self._pieces(segment, cut, pair)]
            for one in documents(request)
        ]
        self._set_options(texts, request, pair)
        return texts

    def around(self, piece: Piece, request: TranslationRequest, pair: LanguagePair) -> list[Piece]:
        """The same sentence in parts: protected spans and tags, kept, and the text between them."""
        assert isinstance(piece.segment, Sentence)
        parts = self._around(piece.segment, self._cut(request, pair), pair)
        options = replace(
            piece.options,
            num_hypotheses=1,
            return_alternatives=False,
            return_attention=request.align,
        )
        for part in sentences(parts):
            part.options = options
            options = replace(options, target_prefix=())
        return parts

    def _cut(self, request: TranslationRequest, pair: LanguagePair) -> Cut:
        if request.splitting is Splitting.NONE:
            return surrounded
        cut = partial(self._text.segments, language=pair.source)
        return lambda text: list(without_markers(cut(text)))

    def _around(self, sentence: Sentence, cut: Cut, pair: LanguagePair) -> list[Piece]:
        segments = sentence.around(cut)
        return [piece for segment in segments for piece in self._pieces(segment, cut, pair)]

    def _pieces(self, segment: Segment, cut: Cut, pair: LanguagePair) -> list[Piece]:
        if not segment.translatable:
            return [Piece(segment)]
        if not isinstance(segment, Sentence) or not segment.marked:
            return self._encoded(segment, pair)
        if ways := self._ways(segment, pair):
            first, *others = ways
            return [Piece(*first, others=others)]
        if self._may_be_shown(segment):
            short = [one for one, _ in self._text.encode(segment.masked, pair)]
            if segment.may_cut(short):
                pieces = segment.pieces(short)
                return [piece for one in pieces for piece in self._pieces(one, cut, pair)]
        return [Piece(segment, parts=self._around(segment, cut, pair))]

    def _ways(self, sentence: Sentence, pair: LanguagePair) -> list[tuple[Sentence, str, Ids]]:
        """How to show a sentence, the best way first: a number in the place of a term costs
        fluency, and often the model translates a term as is wanted by itself."""
        free = sentence.with_free_terms()
        ways = []
        for one in (free, sentence) if free.wanted else (sentence,):
            text = shown(one) if self._may_be_shown(one) else None
            ids = self._text.encode_whole(text, pair) if text is not None else None
            if text is not None and ids is not None:
                ways.append((one, text, ids))
        # The first way alone could end without a translation: only the last one has all spans.
        return ways if ways and ways[-1][0] is sentence else []

    def _may_be_shown(self, sentence: Sentence) -> bool:
        """Whether it can be translated as a whole."""
        return shown(sentence) is not None and (self._attention or not sentence.tags)

    def _encoded(self, sentence: Segment, pair: LanguagePair) -> list[Piece]:
        """A sentence without tags or placeholders; in pieces if it is too long for the model."""
        encoded = self._text.encode(sentence.text, pair)
        segments = [segment for segment, _ in encoded]
        if isinstance(sentence, Sentence):
            segments = sentence.pieces(segments)
        ids = (ids for segment, ids in encoded if segment.translatable)
        return [
            Piece(segment, segment.text, next(ids)) if segment.translatable else Piece(segment)
            for segment in segments
        ]

    def _set_options(self, texts: Plan, request: TranslationRequest, pair: LanguagePair) -> None:
        options = with_ids(request.options, request.textual, self._text)
        options = replace(
            options,
            start=self._text.start(pair),
            return_attention=options.return_attention or request.align,
        )
        pieces = [list(sentences(text)) for text in texts]
        ids = [[piece.source_ids for piece in text] for text in pieces]
        prefixes = request.textual.target_prefixes
        own = of_sentences(options, prefixes, ids, self._text)
        for piece, options in zip(chain.from_iterable(pieces), own, strict=True):
            wide = is_marked(piece) or request.selection is Selection.MBR
            piece.options = _with_all_hypotheses(options) if wide else options
            if isinstance(piece.segment, Sentence) and piece.segment.tags:
                piece.options = replace(piece.options, return_attention=True)


def _with_all_hypotheses(options: DecodingOptions) -> DecodingOptions:
    """All hypotheses of the beam, however many are returned.

    Minimum Bayes risk compares them, and the best of them may have lost a protected span.
    """
    if options.return_alternatives:
        return options
    everything = int(min(options.beam_size, options.most_hypotheses))
    return replace(options, num_hypotheses=max(options.num_hypotheses, everything))
