"""Text whose lines end at a column, wherever its sentences do: mails, README files, old books.

A line break inside of a paragraph is read as a space. Blank lines, list items, headings, quotes and
rules end paragraphs. Emoji begin list items if they are signs, or if a capital follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from service.domain import Segment, Splitting
from service.text.pictures import RUN
from service.text.placeholders import Span

_BREAK = re.compile(r"(?<![^\S\r\n])[^\S\r\n]*+(?:\r\n|[\r\n])(?:[^\S\r\n]++(?![\r\n]))?")
"""A line break with the space around it; space between two of them is the second one's."""
_SIGN = (
    r"[\u2605\u2606\u25a0-\u25ff\u2610-\u2612\u2705\u2713-\u2718\u274c\u274e"  # ★▶☐✅✓❌
    r"\u2794\u2799-\u27be\U0001f449\U0001f4cc\U0001f534-\U0001f53d\U0001f7e0-\U0001f7eb]\ufe0f?"
)
"""An emoji, or a sign like one, that people use for list items: ➤, 👉, 🔴."""
_MARKER = rf"(?:[-*+•‣◦–—·]|{_SIGN}|\(?(?:\d{{1,3}}[.)]|[A-Za-z]\))|#{{1,6}}|>+|=+>)"
"""Of a list item, a heading or a quote."""
_STARTS_ANEW = re.compile(rf"{_MARKER}(?:\s|\Z)|[>|]")
"""What a line begins with that is no part of the paragraph above it."""
_AT_START = re.compile(rf"(?:{_MARKER}[^\S\r\n]+)+(?=\S)|[-\u2013\u2014](?=[^\W\d_])")
_SPEAKER = re.compile(r"[-\u2013\u2014][^\S\r\n]+(?=\S)")
"""Where another one speaks in the same line."""
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


def without_markers(segments: Iterable[Segment]) -> Iterator[Segment]:
    """The same, with the markers of list items and the like at the beginning of a line, and dashes
    of speakers, apart: models leave most of them out, or translate the rest worse behind them."""
    starts_line = True
    for segment in segments:
        pattern = _AT_START if starts_line else _SPEAKER
        marker = pattern.match(segment.text) if segment.translatable else None
        if marker:
            yield Segment(marker.group(), translatable=False)
            yield Segment(segment.text[marker.end() :], translatable=True)
        else:
            yield segment
        before = segment.text.rstrip(" \t")
        starts_line = before.endswith(("\n", "\r")) if before else starts_line
