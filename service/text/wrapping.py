"""Sentences longer than the model can take, cut in pieces that it can."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

_BREAKS = (
    re.compile(r"[;:—–…!?.](?=\s)|[。！？；：]"),
    re.compile(r"[,)\]»”](?=\s)|[，、،]"),
    re.compile(r"\s(?=\S)"),
)
"""Where to cut, best kind first. Always behind the match."""

_ZERO_WIDTH_JOINER = "\u200d"
_VIRAMA = 9
"""Combining class of the marks that join two letters of Indic scripts."""


def split_long(sentence: str, fits: Callable[[str], bool]) -> list[str]:
    """Cut a sentence until every piece fits; the pieces, joined, are the sentence.

    A cut is behind punctuation near the middle, else between words, else between two characters;
    inside of what a reader sees as one character only where nothing else would fit. A piece of
    one code point is returned even if it does not fit.
    """
    if len(sentence) <= 1 or fits(sentence):
        return [sentence]
    cut = _best_cut(sentence)
    return [*split_long(sentence[:cut], fits), *split_long(sentence[cut:], fits)]


def _best_cut(sentence: str) -> int:
    """The best place in the middle half. Both sides of it have at least one code point."""
    quarter, middle = len(sentence) // 4, len(sentence) // 2
    for pattern in _BREAKS:
        ends = [
            found.end() for found in pattern.finditer(sentence, quarter, len(sentence) - quarter)
        ]
        inside = [end for end in ends if 0 < end < len(sentence)]
        if inside:
            return min(inside, key=lambda end: abs(end - middle))
    return next(
        (place for place in _from(middle, len(sentence)) if _may_cut(sentence, place)), middle
    )


def _from(middle: int, length: int) -> Iterator[int]:
    """Every place inside of a text, nearest to the middle first."""
    for distance in range(length - middle + 1):
        for place in (middle - distance, middle + distance):
            if 0 < place < length:
                yield place


def _may_cut(text: str, place: int) -> bool:
    """Whether a reader sees two characters there, not parts of one."""
    before, behind = text[place - 1], text[place]
    if _ZERO_WIDTH_JOINER in (before, behind) or unicodedata.combining(before) == _VIRAMA:
        return False
    if _is_flag_letter(before) and _is_flag_letter(behind):
        return _flag_letters_before(text, place) % 2 == 0
    return not _extends(behind)


def _extends(character: str) -> bool:
    """Whether it belongs to the character before: marks, emoji modifiers, tags, vowels of jamo."""
    return (
        unicodedata.category(character) in {"Mn", "Mc", "Me", "Cf"}
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\u1160" <= character <= "\u11ff"
    )


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_letters_before(text: str, place: int) -> int:
    start = place
    while start and _is_flag_letter(text[start - 1]):
        start -= 1
    return place - start
