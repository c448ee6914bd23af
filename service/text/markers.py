"""Markers of list items, headings and quotes, and dashes of speakers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from service.domain import Segment

_SIGN = (
    r"[\u2605\u2606\u25a0-\u25ff\u2610-\u2612\u2705\u2713-\u2718\u274c\u274e"  # ★▶☐✅✓❌
    r"\u2794\u2799-\u27be\U0001f449\U0001f4cc\U0001f534-\U0001f53d\U0001f7e0-\U0001f7eb]\ufe0f?"
)
"""An emoji, or a sign like one, that people use for list items: ➤, 👉, 🔴."""
MARKER = rf"(?:[-*+•‣◦–—·]|{_SIGN}|\(?(?:\d{{1,3}}[.)]|[A-Za-z]\))|#{{1,6}}|>+|=+>)"
"""Of a list item, a heading or a quote."""
_AT_START = re.compile(rf"(?:{MARKER}[^\S\r\n]+)+(?=\S)|[-\u2013\u2014](?=[^\W\d_])")
_SPEAKER = re.compile(r"[-\u2013\u2014][^\S\r\n]+(?=\S)")
"""Where another one speaks in the same line."""


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
