"""Text whose lines end at a column, wherever its sentences do: mails, README files, old books.

A line break inside of a paragraph is read as a space. Blank lines, list items, headings, quotes and
rules end paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from service.domain import Segment, Splitting
from service.text.placeholders import Span

_BREAK = re.compile(r"(?<![^\S\r\n])[^\S\r\n]*+(?:\r\n|[\r\n])(?:[^\S\r\n]++(?![\r\n]))?")
"""A line break with the space around it; space between two of them is the second one's."""
_MARKER = r"(?:[-*+•‣◦–—·]|\(?(?:\d{1,3}[.)]|[A-Za-z]\))|#{1,6}|>+|=+>)"
"""Of a list item, a heading or a quote."""
_STARTS_ANEW = re.compile(rf"{_MARKER}(?:\s|\Z)|[>|]")
"""What a line begins with that is no part of the paragraph above it."""
_AT_START = re.compile(rf"(?:{_MARKER}[^\S\r\n]+)+(?=\S)")
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
        if has_words and not _STARTS_ANEW.match(text, end):
            yield Span(start, end)


def without_markers(segments: Iterable[Segment]) -> Iterator[Segment]:
    """The same, with the markers of list items and the like, at the beginning of a line, apart."""
    starts_line = True
    for segment in segments:
        marker = _AT_START.match(segment.text) if starts_line and segment.translatable else None
        if marker:
            yield Segment(marker.group(), translatable=False)
            yield Segment(segment.text[marker.end() :], translatable=True)
        else:
            yield segment
        starts_line = segment.text.rstrip(" \t").endswith(("\n", "\r"))
