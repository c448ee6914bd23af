"""Soft hyphens: where a word may be broken at the end of a line. Models have not learned them."""

from __future__ import annotations

from collections.abc import Sequence

SOFT_HYPHEN = "\u00ad"


def without_soft_hyphens(
    text: str, begins: Sequence[int], ends: Sequence[int]
) -> tuple[str, Sequence[int], Sequence[int]]:
    """A text, and where each of its characters begins and ends in a document, without them."""
    if SOFT_HYPHEN not in text:
        return text, begins, ends
    kept = [place for place, character in enumerate(text) if character != SOFT_HYPHEN]
    return (
        text.replace(SOFT_HYPHEN, ""),
        [begins[place] for place in kept],
        [ends[place] for place in kept],
    )
