"""Text whose lines end at a column, wherever its sentences do: mails, README files, old books.

A line break inside of a paragraph is read as a space. Blank lines, list items, headings, quotes and
rules end paragraphs. Emoji begin list items if they are signs, or if a capital follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from service.domain import Splitting
from service.text.markers import MARKER
from service.text.pictures import RUN
from service.text.placeholders import Span

_BREAK = re.compile(r"(?<![^\S\r\n])[^\S\r\n]*+(?:\r\n|[\r\n])(?:[^\S\r\n]++(?![\r\n]))?")
"""A line break with the space around it; space between two of them is the second one's."""
_STARTS_ANEW = re.compile(rf"{MARKER}(?:\s|\Z)|[>|]")
"""What a line begins with that is no part of the paragraph above it."""
_WORD = re.compile(r"\w")

Places = Sequence[int]


def unwrapped(text: str, splitting: Splitting) -> tuple[str, Places, Places]:
    """A text as it is to be read; and of each of its characters, where it begins and ends in the
    text as it was."""
    if splitting is Splitting.LINES:
        return text, range(len(text)), range(1, len(text) + 1)
    breaks = [Span(*found.span()) for found in _BREAK.finditer(text)]
    if splitting is Splitting.WRAPPED:
        breaks = list(_inside(text, breaks))
    shown: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    position = 0
    for start, end in [*breaks, Span(len(text), len(text))]:
        shown.append(text[position:start])
        begins += range(position, start)
        ends += range(position + 1, start + 1)
        if start < end:
            shown.append(" ")
            begins.append(start)
            ends.append(end)
        position = end
    return "".join(shown), begins, ends


def _inside(text: str, breaks: Sequence[Span]) -> Iterator[Span]:
    """The line breaks over which a paragraph goes on."""
    edge = Span(0, 0), Span(len(text), len(text))
    around = zip((edge[0], *breaks), breaks, (*breaks[1:], edge[1]), strict=False)
    for above, (start, end), below in around:
        has_words = _WORD.search(text, above.end, start) and _WORD.search(text, end, below.start)
        if has_words and not _starts_anew(text, end):
            yield Span(start, end)


def _starts_anew(text: str, place: int) -> bool:
    if _STARTS_ANEW.match(text, place):
        return True
    pictures = RUN.match(text, place)
    behind = text[pictures.end() : pictures.end() + 2].lstrip()[:1] if pictures else ""
    return behind.isupper() or behind.isdigit()
