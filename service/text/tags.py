"""Markup inside of passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from service.text.hidden import Hidden


class Kind(Enum):
    """What a tag does."""

    OPEN = "open"
    CLOSE = "close"
    POINT = "point"
    """Stands by itself: an image, a comment, an emoji."""


@dataclass(slots=True)
class Tag:
    """A piece of markup inside of a passage."""

    kind: Kind
    place: int
    """Characters of the passage before it."""
    start: int
    """Its characters in the document are [start, end)."""
    end: int
    partner: int | None = None
    """Index in the passage of the tag that closes what this one opens, or the other way round."""
    is_picture: bool = False
    """Whether it is to be read: an emoji, which is a point, with the space before it."""


def with_pictures(
    tags: Sequence[Tag], begins: Sequence[int], ends: Sequence[int], hidden: Hidden
) -> list[Tag]:
    """These tags, and one for each run that is hidden, in the order of the document.

    begins, ends: where each character of the text with these runs begins and ends in the document.
    """
    moved = [replace(tag, place=hidden.place(tag.place)) for tag in tags]
    points = [
        Tag(Kind.POINT, hidden.place(start), begins[start], ends[end - 1], is_picture=True)
        for start, end in hidden.runs
    ]
    together = sorted((*moved, *points), key=lambda tag: tag.start)
    index = {tag.start: place for place, tag in enumerate(together)}
    for tag in moved:
        if tag.partner is not None:
            tag.partner = index[tags[tag.partner].start]
    return together
