"""Numbers that stand for protected spans while a sentence is translated.

Models copy a number of three digits more faithfully than anything else that is no word of theirs:
of 22 placeholders the default model copies `{name}`, `%s`, `X1` and `__1__` never, `201` always.
A number in a translation says where its span belongs. A translation that lacks one is not taken.
"""

from __future__ import annotations

import re
from itertools import pairwise

from service.domain import Segment
from service.text import placeholders

_NUMBERS = ("201", "302", "101", "150", "213", "300", "214", "205", "403", "501", "602", "703")


def shown(segment: Segment) -> str | None:
    """The sentence with a number in place of each protected span; None if there are too many."""
    numbers = _numbers(segment)
    if numbers is None or segment.marks is None:
        return None
    parts = _between(segment)
    return parts[0] + "".join(map(str.__add__, numbers, parts[1:]))


def restored(segment: Segment, translation: str) -> str | None:
    """The translation with the spans in place of their numbers.

    None if it is damaged: some number is not there exactly once and by itself, or the result has
    not the placeholders that the sentence has.
    """
    spans = segment.marks.protected if segment.marks else ()
    places: list[tuple[int, int, str]] = []
    for number, span in zip(_numbers(segment) or (), spans, strict=True):
        found = list(re.finditer(rf"(?<![^\W_]){number}(?![^\W_]|[.,]\d)", translation))
        if len(found) != 1 or translation.count(number) != 1:
            return None
        places.append((*found[0].span(), span.written))
    result = _replaced(translation, sorted(places))
    return result if placeholders.same(segment.text, result) else None


def around(segment: Segment) -> list[Segment]:
    """The protected spans, kept, and the parts between them, to be translated each by itself."""
    assert segment.marks is not None
    parts = [Segment(part, translatable=True) for part in _between(segment)]
    spans = [Segment(span.written, translatable=False) for span in segment.marks.protected]
    alternating = [parts[0], *(one for pair in zip(spans, parts[1:], strict=True) for one in pair)]
    return [one for one in alternating if one.text]


def _numbers(segment: Segment) -> list[str] | None:
    spans = segment.marks.protected if segment.marks else ()
    free = [number for number in _NUMBERS if number not in segment.text]
    return free[: len(spans)] if len(spans) <= len(free) else None


def _between(segment: Segment) -> list[str]:
    """The text before, between and behind the protected spans."""
    assert segment.marks is not None
    ends = [place for span in segment.marks.protected for place in (span.start, span.end)]
    bounds = [0, *ends, len(segment.text)]
    return [segment.text[start:end] for start, end in list(pairwise(bounds))[::2]]


def _replaced(text: str, places: list[tuple[int, int, str]]) -> str:
    written, position = [], 0
    for start, end, replacement in places:
        written += [text[position:start], replacement]
        position = end
    return "".join(written) + text[position:]
