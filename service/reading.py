"""From hypotheses back to text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Protocol

from service.domain import (
    Alignment,
    DecodingOptions,
    Hypothesis,
    Range,
    Segment,
    SentenceTranslation,
    TranslationRequest,
)
from service.package.manifest import LanguagePair
from service.plan import Piece
from service.text.assembly import Attended, assembled, marks_in
from service.text.character_alignment import aligned, translated_places
from service.text.passage import Sentence
from service.text.placeholders import Span


class ReadableText(Protocol):
    """Ids → strings; see service.text.pipeline."""

    @property
    def unknown_target(self) -> int | None:
        """The target id that stands for everything that is no token."""

    def decode(self, target_ids: Sequence[Sequence[int]]) -> list[str]:
        """Text of each sequence, unknown tokens left out."""

    def decode_copying(
        self,
        target_ids: Sequence[int],
        sentence: str,
        attention: Sequence[Sequence[float]],
        pair: LanguagePair,
    ) -> str:
        """Text in which the source token that it attended to most stands for an unknown one."""

    def source_spans(self, sentence: str, pair: LanguagePair) -> list[tuple[int, int]]:
        """Characters [start, end) of the sentence that each of encode()'s ids stands for."""

    def source_tokens(self, sentence: str, pair: LanguagePair) -> list[str]:
        """The tokens of encode()'s ids."""

    def target_tokens(self, target_ids: Sequence[int]) -> list[str]:
        """Tokens as the target's vocabulary spells them."""


class Reader:
    """Reads decoded pieces, in any number of threads."""

    def __init__(self, text: ReadableText) -> None:
        self._text = text

    def read(
        self, pieces: Sequence[Piece], request: TranslationRequest, pair: LanguagePair
    ) -> list[Piece]:
        """Turn the hypotheses of pieces into text; damaged ones are dropped.

        Returns the pieces that are left without any.
        """
        for piece in pieces:
            self._read(piece, request, pair)
        return [piece for piece in pieces if not piece.translations]

    def sentence(
        self, piece: Piece, options: DecodingOptions, pair: LanguagePair
    ) -> SentenceTranslation:
        """What a piece has become. Where it is in its text is not known here."""
        found = piece.hypotheses
        attended = options.return_attention
        return SentenceTranslation(
            source=_source(piece.segment),
            translations=piece.translations,
            scores=tuple(one.score for one in found),
            finish_reasons=tuple(one.finish_reason for one in found),
            source_tokens=tuple(self._text.source_tokens(piece.shown, pair)) if attended else (),
            tokens=tuple(map(self._tokens, found)) if attended else (),
            attention=tuple(one.attention for one in found) if attended else (),
        )

    def alignments(
        self, piece: Piece, request: TranslationRequest, pair: LanguagePair
    ) -> list[Alignment]:
        """Of the best translation, counted from its beginning, with the whole text of the piece.

        The piece was decoded with return_attention.
        """
        best, sentence = piece.hypotheses[0], piece.segment
        assert isinstance(sentence, Sentence)
        (text,) = self._texts(piece, [best], request, pair)
        attended = self._attended(piece, best, text, request, pair)
        marks = marks_in(sentence, text, attended) if sentence.marked else []
        return aligned(sentence, text, marks or [], attended)

    def kept(self, piece: Piece, request: TranslationRequest, pair: LanguagePair) -> list[Range]:
        """Where the best translation has what is protected, counted from its beginning."""
        best, sentence = piece.hypotheses[0], piece.segment
        if not isinstance(sentence, Sentence) or not sentence.protected:
            return []
        (text,) = self._texts(piece, [best], request, pair)
        attended = self._attended(piece, best, text, request, pair) if sentence.tags else None
        marks = marks_in(sentence, text, attended) or []
        places = translated_places(sentence, text, marks)
        return [places.written(place) for place, mark in marks if isinstance(mark, Span)]

    def _read(self, piece: Piece, request: TranslationRequest, pair: LanguagePair) -> None:
        texts = self._texts(piece, piece.hypotheses, request, pair)
        written = (
            self._written(piece, hypothesis, text, request, pair)
            for hypothesis, text in zip(piece.hypotheses, texts, strict=True)
        )
        undamaged = (
            (hypothesis, text)
            for hypothesis, text in zip(piece.hypotheses, written, strict=True)
            if text is not None
        )
        taken = list(islice(undamaged, request.options.num_hypotheses))
        piece.hypotheses = tuple(hypothesis for hypothesis, _ in taken)
        piece.translations = tuple(text for _, text in taken)

    def _written(
        self,
        piece: Piece,
        hypothesis: Hypothesis,
        text: str,
        request: TranslationRequest,
        pair: LanguagePair,
    ) -> str | None:
        sentence = piece.segment
        if not isinstance(sentence, Sentence):
            return text
        if not sentence.marked:
            return sentence.passage.written(text)
        if not sentence.tags:
            return assembled(sentence, text, None)
        return assembled(sentence, text, self._attended(piece, hypothesis, text, request, pair))

    def _attended(
        self,
        piece: Piece,
        hypothesis: Hypothesis,
        text: str,
        request: TranslationRequest,
        pair: LanguagePair,
    ) -> Attended:
        source = [Span(*span) for span in self._text.source_spans(piece.shown, pair)]
        target = self._token_spans(piece, hypothesis, text, request, pair)
        return Attended(hypothesis.attention, target, source)

    def _token_spans(
        self,
        piece: Piece,
        hypothesis: Hypothesis,
        text: str,
        request: TranslationRequest,
        pair: LanguagePair,
    ) -> list[Span]:
        """Characters of the text that each token of the hypothesis added."""
        beginnings = [hypothesis.up_to(end) for end in range(1, len(hypothesis.target_ids) + 1)]
        ends = [0]
        for beginning in self._texts(piece, beginnings, request, pair):
            ends.append(max(ends[-1], _length_of_common(beginning, text)))
        return [Span(*span) for span in pairwise(ends)]

    def _texts(
        self,
        piece: Piece,
        found: Sequence[Hypothesis],
        request: TranslationRequest,
        pair: LanguagePair,
    ) -> list[str]:
        texts = self._text.decode([one.target_ids for one in found])
        if request.textual.replace_unknowns is False:
            return texts
        copying, unknown = self._text.decode_copying, self._text.unknown_target
        return [
            copying(one.target_ids, piece.shown, one.attention, pair)
            if one.attention and unknown in one.target_ids
            else text
            for one, text in zip(found, texts, strict=True)
        ]

    def _tokens(self, hypothesis: Hypothesis) -> tuple[str, ...]:
        return tuple(self._text.target_tokens(hypothesis.target_ids))


def _source(segment: Segment) -> str:
    """A sentence, with the emoji in it; without markup."""
    if isinstance(segment, Sentence) and segment.tags and not segment.passage.is_markup:
        return segment.written
    return segment.text


def _length_of_common(first: str, second: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(first), len(second)))
