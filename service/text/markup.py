"""Tokens of markup → passages, for any language of tags.

Time is linear in the text, and nothing recurses: markup may be nested 100,000 deep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from service.text.passage import Passage
from service.text.placeholders import Span
from service.text.protection import Protection
from service.text.soft_hyphens import without_soft_hyphens
from service.text.tags import Kind, Tag

_OBJECT = "\ufffc"
"""Stands for what is not to be translated (Unicode: object replacement character)."""
_SPACES = str.maketrans("\t\n\f\r", "    ")
"""Line breaks in markup are spaces, unless sentences end at them."""

Attributes = Sequence[tuple[str, str | None]]


class What(Enum):
    """Kinds of tokens."""

    TEXT = auto()
    OBJECT = auto()
    """Text that is not to be translated."""
    START = auto()
    END = auto()
    POINT = auto()
    """A comment or the like: may stand inside of a sentence."""
    BREAK = auto()
    """Anything else: no sentence goes on behind it."""


@dataclass(slots=True)
class Token:
    """A piece of a document; its characters are [start, end)."""

    what: What
    start: int
    end: int
    name: str = ""
    attributes: Attributes = ()
    is_empty: bool = False
    """A start tag that is an end tag as well."""
    text: str = ""
    begins: Sequence[int] = ()
    """Where each character of the text begins in the document; where it ends is in `ends`."""
    ends: Sequence[int] = ()

    @classmethod
    def of_text(cls, document: str, start: int, end: int) -> Token:
        """Characters that stand for themselves."""
        places = range(start, end), range(start + 1, end + 1)
        return cls(What.TEXT, start, end, "", (), False, document[start:end], *places)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What tags mean."""

    is_inline: Callable[[str], bool]
    """Whether an element of this name may be a part of a sentence."""
    has_no_end: Callable[[str], bool]
    """Whether an element of this name is nothing but its start tag."""
    not_in_itself: Callable[[str], bool]
    """Whether an element of this name ends where another one of this name begins."""
    is_untouched: Callable[[str, Attributes], bool]
    """Whether nothing inside of the element is to be translated."""
    stands_for_text: Callable[[str], bool]
    """Whether such an element is a part of the sentence even if it is empty."""
    is_picture: Callable[[str], bool]
    """Whether it is none, whatever text it has inside."""
    implied_ends: Callable[[Sequence[Token]], dict[int, int]]
    """Where elements end whose end tags are left out: index of the start tag → of the last token
    inside."""


def passages(
    document: str,
    tokens: Sequence[Token],
    dialect: Dialect,
    protection: Protection,
    *,
    lines: bool,
) -> Iterator[Passage]:
    """The passages of a document that have any text, in order.

    lines: whether line breaks are kept as they are.
    """
    partners, scopes = _paired(tokens, dialect)
    for begin, end in dialect.implied_ends(tokens).items():
        scopes[begin] = min(scopes[begin], end)
    passage = _Passage(document, lines)
    index = 0
    while index < len(tokens):
        token = tokens[index]
        inline, last = dialect.is_inline(token.name), index
        if token.what is What.START and dialect.is_untouched(token.name, token.attributes):
            last = scopes.get(index, index)
            whole = index in partners or token.is_empty
            place = None
            if inline and whole:
                place = _protected(tokens[index : last + 1], dialect)
        else:
            place = _place(token, paired=index in partners, inline=inline, dialect=dialect)
        if place is None:
            yield from passage.finished(partners, protection)
            passage = _Passage(document, lines)
        elif isinstance(place, Kind):
            passage.add_tag(place, index, tokens[index], tokens[last])
        else:
            passage.add_text(tokens[index], tokens[last])
        index = last + 1
    yield from passage.finished(partners, protection)


def _place(token: Token, *, paired: bool, inline: bool, dialect: Dialect) -> What | Kind | None:
    """What a token is to its passage; None: its end."""
    if token.what in (What.TEXT, What.OBJECT):
        return What.TEXT
    if token.what is What.POINT:
        return Kind.POINT
    if token.what is What.BREAK or not inline:
        return None
    if paired:
        return Kind.OPEN if token.what is What.START else Kind.CLOSE
    alone = token.what is What.START and (token.is_empty or dialect.has_no_end(token.name))
    return Kind.POINT if alone else None


def _protected(tokens: Sequence[Token], dialect: Dialect) -> What | Kind:
    """The same for an element that is not to be translated; tokens: from its first to its last."""
    name = tokens[0].name
    if dialect.stands_for_text(name):
        return What.TEXT
    has_text = any(token.text.strip() for token in tokens)
    return What.TEXT if has_text and not dialect.is_picture(name) else Kind.POINT


def _paired(tokens: Sequence[Token], dialect: Dialect) -> tuple[dict[int, int], dict[int, int]]:
    """Start and end tags that belong together, by index, either way, and may be moved; and where
    each element ends, closed or not."""
    partners: dict[int, int] = {}
    scopes: dict[int, int] = {}
    path: list[int] = []
    depths: dict[str, int] = {}
    ending: set[int] = set()
    """Start tags that end another element where they are, and so must stay there."""

    def close(name: str, end: int) -> int:
        """Leave the innermost element of this name, and all in it, which are not closed."""
        while True:
            left = path.pop()
            depths[tokens[left].name] -= 1
            scopes[left] = end
            if tokens[left].name == name:
                return left

    for index, token in enumerate(tokens):
        name = token.name
        if token.what is What.START and not (token.is_empty or dialect.has_no_end(name)):
            if depths.get(name) and dialect.not_in_itself(name):
                close(name, index - 1)
                ending.add(index)
            path.append(index)
            depths[name] = depths.get(name, 0) + 1
        elif token.what is What.END and depths.get(name):
            opened = close(name, index - 1)
            scopes[opened] = index
            if opened not in ending:
                partners[opened], partners[index] = index, opened
    scopes |= dict.fromkeys(path, len(tokens) - 1)
    return partners, scopes


@dataclass(slots=True)
class _Passage:
    """A passage on its way."""

    document: str
    lines: bool
    text: list[str] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    objects: list[Span] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    """Index of a token → of its tag."""

    def add_text(self, first: Token, last: Token) -> None:
        """Add a text, or an element that is not to be translated, from its first to its last
        token."""
        if first.what is not What.TEXT:
            place = len(self.begins)
            self.objects.append(Span(place, place + 1))
            self.text.append(_OBJECT)
            self.begins.append(first.start)
            self.ends.append(last.end)
            return
        text, begins, ends = without_soft_hyphens(first.text, first.begins, first.ends)
        self.text.append(text if self.lines else text.translate(_SPACES))
        self.begins += begins
        self.ends += ends

    def add_tag(self, kind: Kind, index: int, first: Token, last: Token) -> None:
        """Add a tag."""
        self.places[index] = len(self.tags)
        self.tags.append(Tag(kind, len(self.begins), first.start, last.end))

    def finished(self, partners: dict[int, int], protection: Protection) -> Iterator[Passage]:
        """The passage, if it has text."""
        text = "".join(self.text)
        if not text.strip():
            return
        for index, place in self.places.items():
            if self.tags[place].kind is not Kind.POINT:
                self.tags[place].partner = self.places.get(partners[index])
        shown = text, self.begins, self.ends
        yield Passage.of(self.document, shown, protection, self.objects, self.tags, is_markup=True)
