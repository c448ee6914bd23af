"""What the engine is given for a request: pieces of its texts, each with ids and options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Protocol

from service.domain import DecodingOptions, Hypothesis, Segment, Selection, TranslationRequest
from service.package.manifest import LanguagePair
from service.sentence_options import TargetText, of_sentences, with_ids
from service.text.passage import Passage
from service.text.stand_ins import around, shown

Ids = tuple[int, ...]


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
    parts: list[Piece] = field(default_factory=list)
    """What is translated instead of it, once it has no translation with all protected spans."""

    @property
    def translatable(self) -> bool:
        """Whether it is a sentence to decode."""
        return bool(self.source_ids)


Plan = list[list[Piece]]
"""Pieces of each text."""


def sentences(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Those to be decoded, in order."""
    for piece in pieces:
        if piece.parts:
            yield from sentences(piece.parts)
        elif piece.translatable:
            yield piece


class Planner:
    """Makes plans, in any number of threads."""

    def __init__(self, text: SourceText) -> None:
        self._text = text

    def plan(self, request: TranslationRequest, pair: LanguagePair) -> Plan:
        """The pieces of the request's texts.

        Raises:
            InvalidRequest: the model does not know some text of the options.
        """
        texts = [
            [
                piece
                for segment in self._segments(text, request, pair)
                for piece in self._pieces(segment, pair)
            ]
            for text in request.texts
        ]
        self._set_options(texts, request, pair)
        return texts

    def around(self, piece: Piece, pair: LanguagePair) -> list[Piece]:
        """The same sentence in parts: protected spans, kept, and the text between them."""
        options = replace(piece.options, num_hypotheses=1, return_alternatives=False)
        parts = list(chain.from_iterable(self._part(one, pair) for one in around(piece.segment)))
        for part in sentences(parts):
            part.options = options
            options = replace(options, target_prefix=())
        return parts

    def _segments(
        self, text: str, request: TranslationRequest, pair: LanguagePair
    ) -> list[Segment]:
        passage = Passage.of(text) if request.protect else Passage(text, ())
        return passage.segments(lambda visible: self._text.segments(visible, pair.source))

    def _pieces(self, segment: Segment, pair: LanguagePair) -> list[Piece]:
        if not segment.translatable:
            return [Piece(segment)]
        if segment.marks is None:
            return self._encoded(segment.text, pair)
        sentence = shown(segment)
        ids = None if sentence is None else self._text.encode_whole(sentence, pair)
        if sentence is None or ids is None:
            piece = Piece(segment)
            piece.parts = self.around(piece, pair)
            return [piece]
        return [Piece(segment, sentence, ids)]

    def _part(self, part: Segment, pair: LanguagePair) -> Iterator[Piece]:
        """A part may have anything in it: space, several sentences, one that is too long."""
        if not part.translatable:
            yield Piece(part)
            return
        for segment in self._text.segments(part.text, pair.source):
            yield from self._pieces(segment, pair)

    def _encoded(self, sentence: str, pair: LanguagePair) -> list[Piece]:
        return [
            Piece(segment, segment.text, ids) for segment, ids in self._text.encode(sentence, pair)
        ]

    def _set_options(self, texts: Plan, request: TranslationRequest, pair: LanguagePair) -> None:
        options = with_ids(request.options, request.textual, self._text)
        options = replace(options, start=self._text.start(pair))
        pieces = [list(sentences(text)) for text in texts]
        ids = [[piece.source_ids for piece in text] for text in pieces]
        prefixes = request.textual.target_prefixes
        own = of_sentences(options, prefixes, ids, self._text)
        for piece, options in zip(chain.from_iterable(pieces), own, strict=True):
            wide = piece.segment.marks is not None or request.selection is Selection.MBR
            piece.options = _with_all_hypotheses(options) if wide else options


def _with_all_hypotheses(options: DecodingOptions) -> DecodingOptions:
    """All hypotheses of the beam, however many are returned.

    Minimum Bayes risk compares them, and the best of them may have lost a protected span.
    """
    if options.return_alternatives:
        return options
    everything = int(min(options.beam_size, options.most_hypotheses))
    return replace(options, num_hypotheses=max(options.num_hypotheses, everything))
