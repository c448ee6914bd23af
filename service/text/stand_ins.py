"""Numbers that stand for protected spans while a sentence is translated.

Models copy a number of three digits more faithfully than anything else that is no word of theirs:
the default model never copies `{name}`, `%s`, `X1` or `_1_`, and nearly always 201. A number in a
translation says where its span belongs. A translation that lacks one is not taken.
"""

from __future__ import annotations

import re
from itertools import pairwise

from service.text.letters import WITHOUT_SPACES
from service.text.passage import Sentence
from service.text.placeholders import Span

_NUMBERS = ("201", "302", "101", "150", "213", "300", "214", "205", "403", "501", "602", "703")
LENGTH = 3
"""Characters of each of them."""
_LETTER = rf"[^\W_{WITHOUT_SPACES}]"


def shown(sentence: Sentence) -> str | None:
    """The sentence with a number in place of each protected span; None if there are too many."""
    numbers = _numbers(sentence)
    if numbers is None:
        return None
    ends = [place for span in sentence.protected for place in span]
    bounds = [0, *ends, len(sentence.text)]
    parts = [sentence.text[start:end] for start, end in list(pairwise(bounds))[::2]]
    return parts[0] + "".join(map(str.__add__, numbers, parts[1:]))


def shown_place(sentence: Sentence, place: int) -> int:
    """Where a place outside of protected spans is in what is shown."""
    before = [span for span in sentence.protected if span.end <= place]
    return place + sum(len(_NUMBERS[0]) - (end - start) for start, end in before)


def found(sentence: Sentence, translation: str) -> list[tuple[Span, Span]] | None:
    """Where each number is in a translation, and which span it stands for, in order.

    None if some number is not there exactly once and by itself.
    """
    places = []
    for number, span in zip(_numbers(sentence) or (), sentence.protected, strict=True):
        match = re.search(rf"(?<!{_LETTER}){number}(?!{_LETTER}|[.,]\d)", translation)
        if match is None or translation.count(number) != 1:
            return None
        places.append((Span(*match.span()), span))
    return sorted(places)


def _numbers(sentence: Sentence) -> list[str] | None:
    free = [number for number in _NUMBERS if number not in sentence.text]
    spans = len(sentence.protected)
    return free[:spans] if spans <= len(free) else None
