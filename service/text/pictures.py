"""Emoji and other pictures between words. Models have no tokens for most of them, write nothing or
anything in their place, and translate the rest better without them.

So models don't see them: a picture is a tag of the passage, which stands by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from service.text.letters import is_in_word
from service.text.placeholders import Span
from service.text.protection import divided, overlaps

_BLOCKS = (
    r"\u2139"  # the sign of information, which is a letter to Unicode
    r"\u2300-\u23ff"  # technical signs, clocks
    r"\u25a0-\u27bf"  # shapes, signs, dingbats
    r"\u2b00-\u2bff"  # arrows and stars
    r"\U0001f000-\U0001faff"  # tiles, cards, flags, emoji
)
_BEHIND = r"[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
"""Which of its forms is meant, keycaps, colours of skin, regions of flags."""
_ONE = rf"(?:[{_BLOCKS}]|[^\w\s]\ufe0f|[0-9#*]\ufe0f?\u20e3){_BEHIND}*"
_JOINED = rf"{_ONE}(?:\u200d{_ONE})*"
_RUN = re.compile(rf"{_JOINED}(?:[ \u00a0\u202f]*{_JOINED})*")
_SPACES = " \u00a0\u202f"


def pictures(text: str, taken: Sequence[Span], stops: frozenset[int]) -> Iterator[Span]:
    """Runs of pictures, each with the space before it unless a word follows at once, in order.

    Not those that touch words on both sides, or that are in what is taken. A tag divides a run.

    taken: in order; stops: places of tags.
    """
    for match in _RUN.finditer(text):
        whole = Span(*match.span())
        parts_words = is_in_word(text, whole.end)
        if parts_words and is_in_word(text, whole.start - 1):
            continue
        for part in divided(text, whole, stops):
            run = part if parts_words else _with_space(text, part, stops)
            if not overlaps(run, taken):
                yield run


def _with_space(text: str, run: Span, stops: frozenset[int]) -> Span:
    start = run.start
    while start > 0 and text[start - 1] in _SPACES and start not in stops:
        start -= 1
    starts_line = start == 0 or text[start - 1] in "\r\n"
    return run if starts_line else Span(start, run.end)
