"""What is protected of a passage, so that it is in the translation as it has to be."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from service.text import placeholders
from service.text.letters import LETTER
from service.text.placeholders import Span
from service.text.terms import NO_TERMS, Term, Terms

_LETTER = re.compile(LETTER)


@dataclass(frozen=True, slots=True)
class Protection:
    """What of a text is to be protected."""

    placeholders: bool = True
    """Placeholders and addresses."""
    terms: Terms = NO_TERMS
    kept: Sequence[Span] = ()
    """Characters of the document that are not translated."""
    literal_terms: bool = False
    """Whether terms are never left to the model, which may know them by itself."""


EVERYTHING = Protection()
NOTHING = Protection(placeholders=False)


def protected(
    text: str, objects: Sequence[Span], stops: frozenset[int], protection: Protection
) -> list[Span]:
    """These objects, and what is to be protected besides terms, with the letters that touch it. In
    order.

    protection: its characters are those of the text; stops: places of tags, which nothing of it may
    have inside.
    """
    found = placeholders.find(text) if protection.placeholders else []
    free = (span for span in found if not (_has_inside(span, objects) or has_stop(span, stops)))
    kept = (part for span in protection.kept for part in divided(text, span, stops))
    return list(_grown(text, sorted((*objects, *free, *kept)), stops))


def terms(
    text: str, others: Sequence[Span], stops: frozenset[int], protection: Protection
) -> list[Term]:
    """The terms of a text that overlap nothing else that is protected, and no tag. In order."""
    return [
        term
        for term in protection.terms.find(text)
        if not (overlaps(term.span, others) or has_stop(term.span, stops))
    ]


def overlaps(span: Span, others: Sequence[Span]) -> bool:
    """Whether it has characters of another one; others: in order."""
    index = bisect_left(others, span.end, key=lambda one: one.start) - 1
    return index >= 0 and others[index].end > span.start


def has_stop(span: Span, stops: frozenset[int]) -> bool:
    """Whether a tag has its place inside of it."""
    return any(place in stops for place in range(span.start + 1, span.end))


def divided(text: str, span: Span, stops: frozenset[int]) -> Iterator[Span]:
    """The span between stops, without the space around its parts."""
    inside = (place for place in range(span.start + 1, span.end) if place in stops)
    for start, end in pairwise((span.start, *inside, span.end)):
        part = text[start:end]
        left, right = len(part) - len(part.lstrip()), len(part) - len(part.rstrip())
        if left < len(part):
            yield Span(start + left, end - right)


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
        while start > least and start not in stops and _LETTER.match(text, start - 1):
            start -= 1
        while end < len(text) and end not in stops and _LETTER.match(text, end):
            end += 1
        if last is not None and (start < last.end or (start == last.end and start not in stops)):
            last = Span(last.start, max(end, last.end))
            continue
        if last is not None:
            yield last
        last = Span(start, end)
    if last is not None:
        yield last
