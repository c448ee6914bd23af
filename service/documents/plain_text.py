"""Plain text (`.txt`): each line that has anything in it is a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.documents.contents import Limits
from service.documents.encoding import decoded
from service.domain import Format

_LINE = re.compile(r"[^\r\n]+")


class PlainText:
    """Contents of such a file."""

    format = Format.TEXT

    def __init__(self, content: bytes) -> None:
        """Raises InvalidDocument if it is no text."""
        self._decoded = decoded(content)
        lines = [one for one in _LINE.finditer(self._decoded.text) if not one[0].isspace()]
        self._spans = [line.span() for line in lines]
        self.texts = [line[0] for line in lines]

    def filled(self, translations: Sequence[str], target: str) -> bytes:
        """The file with translated lines."""
        return self._decoded.encoded_or_utf8(
            replaced(self._decoded.text, self._spans, translations)
        )


def read(content: bytes, limits: Limits) -> PlainText:
    """Read a text."""
    return PlainText(content)


def replaced(text: str, spans: Sequence[tuple[int, int]], others: Sequence[str]) -> str:
    """The text with others in place of some of its characters, in order.

    Raises:
        ValueError: spans overlap, or are in another order.
    """
    parts: list[str] = []
    position = 0
    for (start, end), other in zip(spans, others, strict=True):
        if start < position:
            raise ValueError("spans overlap")  # or the file would have some text twice
        parts += text[position:start], other
        position = end
    return "".join((*parts, text[position:]))
