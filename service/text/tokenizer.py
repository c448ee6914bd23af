"""Text → ids and back, through the two `tokenizers` files of a model directory."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tokenizers

from service.errors import InvalidPackage
from service.text.charsmap import CharacterMap

ORPHANS_FOLLOW = " pieces without an id follow"
"""A vocabulary entry that text never matches (it holds a space). The entries after it take part in
the segmentation but are unknown to the model."""
LEFT_OUT = " left out"
"""A vocabulary entry that stands for text that the model has no token for, where the model has no
unknown token either. It is not handed on."""
_SPACE = "▁"
NEVER_IN_TEXT = " "
"""What the names of tokens that text never matches begin with."""


class SourceToken(NamedTuple):
    """A token of a text as the model gets it."""

    text: str
    """As the vocabulary spells it; an unknown one as the text does."""
    special: bool = False
    """It is no part of the text."""
    unknown: bool = False
    """The model has no token for it."""


class Tokenizer:
    """Source text → ids, target ids → text. Safe for any number of threads.

    It works in the calling thread only: `tokenizers` starts threads of its own for batches, which
    gains nothing for the few sentences of a request and breaks in forked processes.
    """

    def __init__(self, source: TokenizerFile, target: TokenizerFile) -> None:
        self._source = source
        self._target = target

    @classmethod
    def load(cls, source: Path, target: Path) -> Tokenizer:
        """Read both files, or one file once when both paths are the same.

        Raises:
            InvalidPackage: a file is missing or is not one that `tokenizers` reads.
        """
        source_file = TokenizerFile(source)
        return cls(source_file, source_file if source == target else TokenizerFile(target))

    def encode(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Source ids of each text, with the special tokens that the file adds.

        Special tokens spelled out in a text are ordinary characters.
        """
        return [self._source.encode(text) for text in texts]

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Text of each sequence of target ids, special tokens left out."""
        return [self._target.decode(sequence) for sequence in ids]

    def encode_target(self, text: str) -> tuple[int, ...]:
        """Target ids of text, without special tokens."""
        return self._target.encode(text, special_tokens=False)

    def target_id(self, token: str) -> int | None:
        """Id of a token as the target's vocabulary spells it."""
        return self._target.id_of(token)

    def target_tokens(self, ids: Sequence[int]) -> list[str]:
        """Tokens as the target's vocabulary spells them."""
        return [self._target.token_of(number) for number in ids]

    def encode_prompt(self, text: str) -> tuple[int, ...]:
        """Source ids of a text, without special tokens."""
        return self._source.encode(text, special_tokens=False)

    def source_token(self, number: int) -> str:
        """The token of a source id, as the source's vocabulary spells it."""
        return self._source.token_of(number)

    def source_tokens(self, text: str) -> list[SourceToken]:
        """Tokens of a text, unknown ones as the text spells them."""
        return self._source.tokens(text)

    def source_spans(self, text: str) -> list[tuple[int, int]]:
        """Characters [start, end) of the text that each token of encode() stands for; special
        tokens have none."""
        return self._source.spans(text)

    def decode_copying(self, ids: Sequence[int], copies: Sequence[str]) -> str:
        """Text of target ids in which copies[i] stands for an unknown i-th token."""
        return self._target.decode_copying(ids, copies)

    @property
    def unknown_target(self) -> int | None:
        """The target id that stands for everything that is no token."""
        return self._target.unknown


class TokenizerFile:
    """One `tokenizers` file, in which a character map is applied as SentencePiece does."""

    def __init__(self, path: Path) -> None:
        """Raises InvalidPackage: path is missing or is not a file that `tokenizers` reads."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self._map_characters = _take_character_map(content)
            self._tokenizer = tokenizers.Tokenizer.from_str(json.dumps(content))
        # `tokenizers` raises plain Exception for a file that it can't read.
        except Exception as error:
            raise InvalidPackage(f"{path.name} is not a tokenizer file: {error}") from error
        self._tokenizer.encode_special_tokens = True
        self._orphans_follow = self._tokenizer.token_to_id(ORPHANS_FOLLOW)
        self._left_out = self._tokenizer.token_to_id(LEFT_OUT)
        markers = (self._orphans_follow, self._left_out)
        self._known_before = min(math.inf if one is None else one for one in markers)
        self.unknown: int | None = self._unknown(content["model"])
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = {number for number, token in added.items() if token.special}
        self._marks_first_word = self._marks_words(content["model"])

    def _unknown(self, model: dict[str, Any]) -> int | None:
        """The id of what is no token; byte-level vocabularies need none."""
        if model.get("unk_id") is not None:
            return int(model["unk_id"])
        token = model.get("unk_token")
        return None if token is None else self._tokenizer.token_to_id(token)

    def _marks_words(self, model: dict[str, Any]) -> bool:
        """Whether it is a list of words with ▁ for the space before them, also of the first one."""
        normalizer = self._tokenizer.normalizer
        if model.get("type") != "WordLevel" or normalizer is None:
            return False
        return str(normalizer.normalize_str("a")).startswith(_SPACE)

    def encode(self, text: str, *, special_tokens: bool = True) -> tuple[int, ...]:
        """Ids of text, special tokens added. Without these, LEFT_OUT stays, as the unknown id."""
        ids = self._encoding(text, special_tokens).ids
        if self._left_out is not None and special_tokens:
            return tuple(number for number in ids if number != self._left_out)
        if self._orphans_follow is None:
            return tuple(ids)
        assert self.unknown is not None  # the exporter writes orphans only then
        return tuple(self.unknown if self._is_unknown(number) else number for number in ids)

    def tokens(self, text: str) -> list[SourceToken]:
        """Tokens of text, special tokens added."""
        encoding = self._encoding(text, special_tokens=True)
        flags = encoding.special_tokens_mask
        # The file calls its special tokens by other names here.
        return [
            SourceToken(self.token_of(number), special=True)
            if flag
            else SourceToken(token, unknown=self._is_unknown(number))
            for token, number, flag in zip(
                self._spelt(text, encoding), encoding.ids, flags, strict=True
            )
            if number != self._left_out
        ]

    def _spelt(self, text: str, encoding: tokenizers.Encoding) -> Iterator[str]:
        """Tokens, unknown ones as the text has them: BPE and lists of words call them all <unk>."""
        mapped = self._map_characters(text)
        for token, number, (start, end) in zip(
            encoding.tokens, encoding.ids, encoding.offsets, strict=True
        ):
            if number != self.unknown or token != self._tokenizer.id_to_token(number):
                yield token
            else:
                before = _SPACE if start == 0 and self._marks_first_word else ""
                word = mapped[start:end]
                yield before + (word.replace(" ", _SPACE) if word.strip() else word)

    def _is_unknown(self, number: int) -> bool:
        orphan = self._orphans_follow is not None and number > self._orphans_follow
        return orphan or number == self.unknown

    def spans(self, text: str) -> list[tuple[int, int]]:
        """As Tokenizer's source_spans()."""
        encoding = self._encoding(text, special_tokens=True)
        origins = self._origins(text)
        return [
            (origins[start][0], origins[end - 1][1]) if start < end else (0, 0)
            for (start, end), number in zip(encoding.offsets, encoding.ids, strict=True)
            if number != self._left_out
        ]

    def _origins(self, text: str) -> Sequence[tuple[int, int]]:
        if isinstance(self._map_characters, CharacterMap):
            return self._map_characters.origins(text)
        return [(place, place + 1) for place in range(len(text))]

    def id_of(self, token: str) -> int | None:
        """Id of a token, if it is one."""
        for name in (token, NEVER_IN_TEXT + token):
            number = self._tokenizer.token_to_id(name)
            if number is not None and self._known_before > number:
                return int(number)
        return None

    def token_of(self, number: int) -> str:
        """The token of an id; empty where there is none."""
        return (self._tokenizer.id_to_token(number) or "").removeprefix(NEVER_IN_TEXT)

    def decode_copying(self, ids: Sequence[int], copies: Sequence[str]) -> str:
        """As Tokenizer's."""
        tokens = [
            copy if number == self.unknown else self._tokenizer.id_to_token(number) or ""
            for number, copy in zip(ids, copies, strict=True)
            if number == self.unknown or number not in self._special
        ]
        return str(self._tokenizer.decoder.decode(tokens)) if self._tokenizer.decoder else ""

    def _encoding(self, text: str, special_tokens: bool) -> tokenizers.Encoding:
        mapped = self._map_characters(text)
        return self._tokenizer.encode(mapped, add_special_tokens=special_tokens)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens left out."""
        return self._tokenizer.decode(ids, skip_special_tokens=True)


def _take_character_map(content: dict[str, Any]) -> Callable[[str], str]:
    """Remove the Precompiled normaliser, which must come first; return what does its work."""
    normalizer = content.get("normalizer") or {}
    steps = normalizer.get("normalizers", [normalizer])
    if any(step.get("type") == "Precompiled" for step in steps[1:]):
        raise ValueError("its Precompiled normaliser is not the first one")
    if not steps or steps[0].get("type") != "Precompiled":
        return str
    if normalizer.get("type") == "Precompiled":
        content["normalizer"] = None
    else:
        normalizer["normalizers"] = steps[1:]
    return CharacterMap(base64.b64decode(steps[0]["precompiled_charsmap"]))
