"""Everything between strings and ids, for one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from service.domain import Segment
from service.package.manifest import Conditioning, Language, LanguagePair
from service.text.framing import Frame, Framing
from service.text.segmenter import segments, surrounded
from service.text.tokenizer import SourceToken, Tokenizer
from service.text.wrapping import split_long

MOST_CHARACTERS_PER_TOKEN = 8
"""Text with more than this, over a whole piece, is cut without asking the tokenizer: it holds the
interpreter lock for as long as the text is."""
NOTHING_ELSE = Conditioning()


class TextPipeline:
    """Strings ↔ ids. Safe for any number of threads."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_source_tokens: int,
        conditioning: Conditioning = NOTHING_ELSE,
        languages: Mapping[str, Language] | None = None,
    ) -> None:
        """max_source_tokens: the most ids of one piece, with all that the model is given.

        conditioning, languages: as in the manifest.
        """
        self._tokenizer = tokenizer
        self._max_source_tokens = max_source_tokens
        self._framing = Framing(conditioning, languages or {}, tokenizer.encode_prompt)

    def segments(self, text: str, language: str) -> list[Segment]:
        """Cut a text. The segments' texts, joined, are the text."""
        return segments(text, language)

    def encode(self, sentence: str, pair: LanguagePair) -> list[tuple[Segment, tuple[int, ...]]]:
        """Source ids of a sentence, in pieces if it is longer than the model can take.

        The pieces' texts, joined, are the sentence. Pieces that are not translatable have no ids.
        """
        frame = self._framing.of(pair)
        ids = self._ids_if_short(sentence, frame)
        if ids is not None:
            return [(Segment(sentence, translatable=bool(ids)), ids)]
        return [
            self._encoded(segment, frame)
            for piece in split_long(sentence, partial(self._is_short, frame=frame))
            for segment in surrounded(piece)
        ]

    def encode_whole(self, sentence: str, pair: LanguagePair) -> tuple[int, ...] | None:
        """Source ids of a sentence as it is; None if the model can't take so many."""
        return self._ids_if_short(sentence, self._framing.of(pair))

    def start(self, pair: LanguagePair) -> tuple[int, ...]:
        """Target ids that every translation is made to begin with and that are no part of it."""
        return self._framing.of(pair).start

    def target_ids(self, text: str) -> tuple[int, ...]:
        """Target ids of a text, without the end token.

        Raises:
            ValueError: the model has no token for some of the text.
        """
        ids = self._tokenizer.encode_target(text)
        if self._tokenizer.unknown_target in ids:
            raise ValueError("has text that the model has no token for")
        return ids

    def target_token(self, token: str) -> int:
        """Id of a token as the target's vocabulary spells it.

        Raises:
            ValueError: there is none.
        """
        number = self._tokenizer.target_id(token)
        if number is None:
            raise ValueError("has a token that the model does not know")
        return number

    def target_tokens(self, target_ids: Sequence[int]) -> list[str]:
        """Tokens as the target's vocabulary spells them."""
        return self._tokenizer.target_tokens(target_ids)

    def source_tokens(self, sentence: str, pair: LanguagePair) -> list[str]:
        """The tokens of encode()'s ids, unknown ones as the sentence spells them."""
        return [token.text for token in self._source_tokens(sentence, pair)]

    def source_spans(self, sentence: str, pair: LanguagePair) -> list[tuple[int, int]]:
        """Characters [start, end) of the sentence that each of encode()'s ids stands for."""
        frame = self._framing.of(pair)
        spans = self._tokenizer.source_spans(sentence)
        return [*[(0, 0)] * len(frame.before), *spans, *[(0, 0)] * len(frame.after)]

    def decode_copying(
        self,
        target_ids: Sequence[int],
        sentence: str,
        attention: Sequence[Sequence[float]],
        pair: LanguagePair,
    ) -> str:
        """Text of a sequence in which a source token stands for an unknown token: among those that
        the model does not know either, the one that it attended to most; among all if it knows all.
        Special tokens are never copied.

        attention: (target ids, source tokens).
        """
        tokens = self._source_tokens(sentence, pair)
        ordinary = [place for place, token in enumerate(tokens) if not token.special]
        unknown = [place for place in ordinary if tokens[place].unknown]
        copied = unknown or ordinary
        if not copied:
            return self._tokenizer.decode([target_ids])[0]
        copies = [tokens[max(copied, key=row.__getitem__)].text for row in attention]
        return self._tokenizer.decode_copying(target_ids, copies)

    def _source_tokens(self, sentence: str, pair: LanguagePair) -> list[SourceToken]:
        frame = self._framing.of(pair)
        before, after = (
            [SourceToken(self._tokenizer.source_token(number), special=True) for number in ids]
            for ids in (frame.before, frame.after)
        )
        return [*before, *self._tokenizer.source_tokens(sentence), *after]

    @property
    def unknown_target(self) -> int | None:
        """The target id that stands for everything that is no token."""
        return self._tokenizer.unknown_target

    def decode(self, target_ids: Sequence[Sequence[int]]) -> list[str]:
        """Text of each sequence, unknown tokens left out."""
        return self._tokenizer.decode(target_ids)

    def _encoded(self, segment: Segment, frame: Frame) -> tuple[Segment, tuple[int, ...]]:
        ids = self._ids_if_short(segment.text, frame) if segment.translatable else None
        # Without ids also: text that the model has no token for, and a single character of more
        # tokens than the model can take.
        return Segment(segment.text, translatable=bool(ids)), ids or ()

    def _is_short(self, text: str, frame: Frame) -> bool:
        return self._ids_if_short(text, frame) is not None

    def _ids_if_short(self, text: str, frame: Frame) -> tuple[int, ...] | None:
        """The ids, unless the model can't take so many."""
        if len(text) > self._max_source_tokens * MOST_CHARACTERS_PER_TOKEN:
            return None
        (ids,) = self._tokenizer.encode([text])
        ids = (*frame.before, *ids, *frame.after)
        return ids if len(ids) <= self._max_source_tokens else None
