"""Where a paragraph of Markdown is in the file; markdown-it says only in which lines it is."""

from __future__ import annotations

import re
from itertools import accumulate

from markdown_it.token import Token

PIPE = r"\|"
"""How a cell of a table writes the character that else ends it, even in code."""
_LINE = re.compile(r"([^\r\n]*)(?:\r\n?|\n|\Z)")
"""As markdown-it sees lines."""


class Lines:
    """The lines of a file, in which paragraphs are asked for in order."""

    def __init__(self, text: str, first: int) -> None:
        """first: where the part begins that markdown-it was given."""
        self._lines = [(one.start(), one[1]) for one in _LINE.finditer(text, first)]
        self._columns: dict[int, int] = {}
        """Where to look for the next cell of a line."""

    def places(self, token: Token, *, is_cell: bool) -> list[int]:
        """Where each character of the content begins in the file, and where the last one ends;
        nothing if it is not found."""
        number = (token.map or [0])[0]
        if not token.content:
            return []
        return self._cell(token.content, number) if is_cell else self._text(token.content, number)

    def _cell(self, content: str, number: int) -> list[int]:
        start, line = self._lines[number]
        written = content.replace("|", PIPE)
        column = line.find(written, self._columns.get(number, 0))
        if column < 0:
            return []
        self._columns[number] = column + len(written)
        lengths = (len(PIPE) if character == "|" else 1 for character in content)
        return list(accumulate(lengths, initial=start + column))

    def _text(self, content: str, number: int) -> list[int]:
        found: list[int] = []
        for line in content.split("\n"):
            start, source = self._lines[number]
            bare = line.lstrip(" ")
            column = source.rfind(bare)
            if column < 0:
                return []
            # markdown-it has several spaces for a tab; what is before a line's text never counts.
            found += [start + column - 1] * (len(line) - len(bare))
            found += range(start + column, start + column + len(bare))
            found.append(start + len(source))  # the line break
            number += 1
        return [*found[:-1], found[-2] + 1]
