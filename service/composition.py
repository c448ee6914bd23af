"""From finished pieces to translated texts, and where everything is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from service.domain import (
    Alignment,
    Format,
    Range,
    Segment,
    SentenceTranslation,
    TextTranslation,
    TranslationRequest,
)
from service.package.manifest import LanguagePair
from service.plan import Piece
from service.reading import Reader
from service.text import placeholders
from service.text.character_alignment import kept
from service.text.passage import Sentence


class Composition:
    """A text that is composed piece by piece, in order."""

    def __init__(
        self, text: str, reader: Reader, request: TranslationRequest, pair: LanguagePair
    ) -> None:
        self._text = text
        self._reader = reader
        self._request = request
        self._pair = pair
        self._source = 0
        """Characters of the text so far."""
        self._targets: list[list[str]] = [[] for _ in range(request.options.num_hypotheses)]
        """Parts of the translation and of each alternative."""
        self._target = 0
        """Characters of the translation so far."""
        self._sentences: list[SentenceTranslation] = []
        self._alignments: list[Alignment] = []
        self._kept: list[Range] = []

    def add(self, piece: Piece) -> list[SentenceTranslation]:
        """Go on by a piece that is finished; its sentences."""
        for rank, target in enumerate(self._targets):
            target.append(text_of(piece, rank))
        found = [one for part in _parts(piece) for one in self._advance(part)]
        self._sentences += found
        return found

    def translation(self) -> TextTranslation:
        """The text of all pieces so far."""
        best, *others = map("".join, self._targets)
        return TextTranslation(
            best,
            tuple(others),
            tuple(self._sentences),
            tuple(self._alignments),
            tuple(self._kept),
        )

    def _advance(self, piece: Piece) -> Iterator[SentenceTranslation]:
        source, self._source = _place(piece.segment, self._source)
        target = self._target
        self._target += len(text_of(piece))
        alignments = self._aligned(piece, source, target) if self._request.align else ()
        self._alignments += alignments
        self._kept += self._kept_of(piece, target) if self._request.track else ()
        if piece.translations:
            yield replace(
                self._reader.sentence(piece, self._request.options, self._pair),
                source_range=(source, self._source),
                target_range=(target, self._target),
                alignments=alignments,
            )

    def _aligned(self, piece: Piece, source: int, target: int) -> tuple[Alignment, ...]:
        if piece.translations:
            found = self._reader.alignments(piece, self._request, self._pair)
            return tuple(_moved(one, 0, target) for one in found)
        same = self._text.startswith(piece.segment.text, source)
        if self._request.format is Format.TEXT and same:
            return tuple(_moved(one, source, target) for one in kept(piece.segment.text))
        return ()

    def _kept_of(self, piece: Piece, target: int) -> Iterator[Range]:
        """What must not be translated again: protected spans, and text that nothing has changed."""
        if piece.translations:
            for start, end in self._reader.kept(piece, self._request, self._pair):
                yield target + start, target + end
        elif any(map(str.isalpha, piece.segment.text)):
            yield target, self._target


def keep_where_damaged(pieces: Sequence[Piece]) -> None:
    """Keep the source of pieces whose parts, joined, have not the placeholders that it has, but
    for its terms."""
    for piece in pieces:
        assert isinstance(piece.segment, Sentence)
        joined = "".join(map(text_of, piece.parts))
        if not placeholders.same(piece.segment.kept, joined):
            piece.parts = [Piece(Segment(piece.segment.kept, translatable=False))]


def text_of(piece: Piece, rank: int = 0) -> str:
    """The piece's translation of this rank; its last one where it has fewer."""
    if piece.parts:
        return "".join(map(text_of, piece.parts))
    if not piece.translations:
        return piece.segment.text
    return piece.translations[min(rank, len(piece.translations) - 1)]


def _parts(piece: Piece) -> Iterator[Piece]:
    """What was translated or kept as one."""
    if not piece.parts:
        yield piece
    for part in piece.parts:
        yield from _parts(part)


def _place(segment: Segment, after: int) -> tuple[int, int]:
    """Characters [start, end) of its text that it takes; the one before it ends there."""
    if isinstance(segment, Sentence):
        return segment.start, segment.end
    return after, after + len(segment.text)


def _moved(alignment: Alignment, source: int, target: int) -> Alignment:
    (source_start, source_end), (target_start, target_end) = alignment.source, alignment.target
    return Alignment(
        (source_start + source, source_end + source), (target_start + target, target_end + target)
    )
