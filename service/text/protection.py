"""What is protected of a passage, so that it is in the translation as it has to be."""

from __future__ import annotations

import string
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from service.text import placeholders
from service.text.placeholders import Span

_WORD = frozenset(string.ascii_letters + string.digits + "_")


def protected(
    text: str, objects: Sequence[Span], stops: frozenset[int], *, protect: bool
) -> list[Span]:
    """These objects, and placeholders with the letters that touch them. In order.

    stops: places of tags, which no placeholder may have inside.
    """
    if not protect:
        return list(objects)
    found = (
        span
        for span in placeholders.find(text)
        if not any(place in stops for place in range(span.start + 1, span.end))
    )
    spans = sorted((*objects, *found))
    return list(_grown(text, [span for span in spans if not _has_inside(span, objects)], stops))


def _has_inside(span: Span, objects: Sequence[Span]) -> bool:
    """Whether an object is a part of the span, so that the span is none."""
    index = bisect_left(objects, span.start, key=lambda one: one.start)
    return index < len(objects) and objects[index].end <= span.end and objects[index] != span


def _grown(text: str, spans: Sequence[Span], stops: frozenset[int]) -> Iterator[Span]:
    """The spans with the letters that touch them (`%dms`), as one where they touch each other."""
    last: Span | None = None
    for span in spans:
        start, end = span
        least = last.end if last else 0
        while start > least and start not in stops and text[start - 1] in _WORD:
            start -= 1
        while end < len(text) and end not in stops and text[end] in _WORD:
            end += 1
        if last is not None and (start < last.end or (start == last.end and start not in stops)):
            last = Span(last.start, max(end, last.end))
            continue
        if last is not None:
            yield last
        last = Span(start, end)
    if last is not None:
        yield last
