"""A paragraph with marks in it, as HTML with numbered tags, and back.

The translator keeps tags of HTML and puts them where they belong. So whatever a format has inside
of its sentences (formatting, links, fields, line breaks) is shown to it as a numbered tag.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape, unescape
from typing import NamedTuple


class Kind(StrEnum):
    """What a mark is, and how the translator is shown it."""

    OPEN = "<x-{}>"
    CLOSE = "</x-{}>"
    POINT = "<img id={}>"
    """Stands by itself, and goes along with the word beside it."""
    WORD = "<code id={}>0</code>"
    """Stands for a word of the sentence and is not translated."""
    BREAK = "<hr id={}>"
    """Stays where it is: sentences end there."""


class Mark(NamedTuple):
    """A mark; its number leads to what it stands for. An opening and its closing mark share it."""

    kind: Kind
    number: int


Item = str | Mark
_KINDS = tuple(Kind)
_MARK = re.compile("|".join(re.escape(kind).replace(r"\{\}", r"(\d+)") for kind in _KINDS))


def has_words(items: Iterable[Item]) -> bool:
    """Whether there is anything to translate."""
    return any(any(map(str.isalpha, item)) for item in items if not isinstance(item, Mark))


def is_nested(items: Iterable[Item]) -> bool:
    """Whether what opens is closed, in the right order."""
    path: list[int] = []
    for item in items:
        if not isinstance(item, Mark):
            continue
        if item.kind is Kind.OPEN:
            path.append(item.number)
        elif item.kind is Kind.CLOSE and (not path or path.pop() != item.number):
            return False
    return not path


def to_html(items: Iterable[Item]) -> str:
    """The paragraph as HTML. Marks that open or close must be in pairs."""
    return "".join(
        item.kind.format(item.number) if isinstance(item, Mark) else escape(item, quote=False)
        for item in items
    )


def from_html(html: str, items: Sequence[Item]) -> list[Item]:
    """The paragraph that a translation is, or the items themselves if marks were lost."""
    found = list(_items(html))
    return found if _marks(found) == _marks(items) else list(items)


def _marks(items: Iterable[Item]) -> Counter[Mark]:
    return Counter(item for item in items if isinstance(item, Mark))


def _items(html: str) -> Iterator[Item]:
    position = 0
    for match in _MARK.finditer(html):
        if match.start() > position:
            yield unescape(html[position : match.start()])
        place = match.lastindex or 0
        yield Mark(_KINDS[place - 1], int(match[place]))
        position = match.end()
    if position < len(html):
        yield unescape(html[position:])


@dataclass(slots=True)
class Tagged:
    """A paragraph of a format that is lines of characters."""

    items: list[Item] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    """What the marks are in the file, by their numbers; of a pair, the opening one."""
    closings: dict[int, str] = field(default_factory=dict)
    """And the closing ones."""

    def add_text(self, text: str) -> None:
        """Add text behind what is there."""
        if text and self.items and isinstance(self.items[-1], str):
            self.items[-1] += text
        elif text:
            self.items.append(text)

    def add(self, kind: Kind, source: str) -> int:
        """Add a mark; its number."""
        self.sources.append(source)
        self.items.append(Mark(kind, len(self.sources) - 1))
        return len(self.sources) - 1

    def pair(self, names: Mapping[int, str]) -> None:
        """Make pairs of marks that open and close; see paired()."""
        self.items, closings = paired(self.items, names)
        self.closings |= {number: self.sources[other] for number, other in closings.items()}

    def source(self, mark: Mark) -> str:
        """What a mark is in the file."""
        return (self.closings if mark.kind is Kind.CLOSE else self.sources)[mark.number]


def paired(items: Iterable[Item], names: Mapping[int, str]) -> tuple[list[Item], dict[int, int]]:
    """Make pairs of marks that open and close something of the same name; others become points.

    names: by the marks' numbers, which are different for the two; marks without one stay.

    Returns the items, in which a pair shares the number of its opening mark, and by these numbers
    those that the closing ones had.
    """
    found = list(items)
    closings: dict[int, int] = {}
    path: list[tuple[int, Mark]] = []
    for place, item in enumerate(found):
        if not isinstance(item, Mark) or item.number not in names:
            continue
        found[place] = Mark(Kind.POINT, item.number)
        if item.kind is Kind.OPEN:
            path.append((place, item))
            continue
        names_open = [names[mark.number] for _, mark in path]
        if item.kind is Kind.CLOSE and names[item.number] in names_open:
            while names[path[-1][1].number] != names[item.number]:
                path.pop()
            opened, mark = path.pop()
            closings[mark.number] = item.number
            found[opened], found[place] = mark, Mark(Kind.CLOSE, mark.number)
    return found, closings
