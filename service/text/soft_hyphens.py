"""Soft hyphens: where a word may be broken at the end of a line. Models have not learned them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.text.hidden import Hidden
from service.text.placeholders import Span

SOFT_HYPHEN = "\u00ad"
_SOME = re.compile(f"{SOFT_HYPHEN}+")


def without_soft_hyphens(
    text: str, begins: Sequence[int], ends: Sequence[int]
) -> tuple[str, Sequence[int], Sequence[int]]:
    """A text, and where each of its characters begins and ends in a document, without them."""
    runs = [Span(*match.span()) for match in _SOME.finditer(text)]
    return Hidden(runs).without(text, begins, ends) if runs else (text, begins, ends)
