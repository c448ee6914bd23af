"""The paragraphs of an XML file, and the file with others in their place.

A paragraph is a stretch of text with the markup inside of it. What is written anew is that stretch
alone: every other byte of the file stays. Paragraphs may lie inside of others, as in a text box or
a footnote that is anchored in a sentence.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from service.documents.tagged import Item, Kind, Mark, has_words
from service.documents.xml_tokens import Token, What, escaped

Part = bytes | tuple[int, int]
"""Bytes, or a range of the file's, in which paragraphs may lie."""


class Role(Enum):
    """What an element is to the paragraph that it is in."""

    BLOCK = auto()
    """Ends it; what is inside is read."""
    UNTOUCHED = auto()
    """Ends it; nothing inside is read."""
    INLINE = auto()
    """A part of it: formatting, a link."""
    WORD = auto()
    """Stands for a word that is not translated, such as a page number."""
    POINT = auto()
    """Something without words, such as a picture; what is inside is read by itself."""
    OPAQUE = auto()
    """The same, but nothing inside is read."""
    BREAK = auto()
    """Stays where it is, and sentences end there."""
    GONE = auto()
    """Left out where the paragraph is written anew: what is only true of the source."""
    RUN = auto()
    """Text with its formatting, which can't be nested; see service.documents.office_open_xml."""


@dataclass(frozen=True, slots=True)
class Form:
    """What is around text of one formatting."""

    before: bytes = b""
    after: bytes = b""


PLAIN = Form()


@dataclass(slots=True)
class Source:
    """What a mark stands for."""

    parts: tuple[Part, ...] = ()
    form: Form | None = None
    """The formatting that it opens."""


@dataclass(slots=True)
class Paragraph:
    """A paragraph of the file; [start, end) is what is written anew."""

    items: list[Item] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    """What the marks stand for, by their numbers; of a pair, that of the opening one."""
    closings: dict[int, Source] = field(default_factory=dict)
    """And of the closing ones."""
    form: Form = PLAIN
    """The formatting of text outside of all marks."""
    start: int = 0
    end: int = 0

    def add_text(self, text: str) -> None:
        """Add text behind what is there."""
        if self.items and isinstance(self.items[-1], str):
            self.items[-1] += text
        elif text:
            self.items.append(text)

    def add(self, kind: Kind, source: Source) -> int:
        """Add a mark; its number."""
        self.sources.append(source)
        self.items.append(Mark(kind, len(self.sources) - 1))
        return len(self.sources) - 1

    def close(self, number: int, source: Source) -> None:
        """Add the mark that closes another one."""
        self.closings[number] = source
        self.items.append(Mark(Kind.CLOSE, number))

    def source(self, mark: Mark) -> Source:
        """What a mark stands for."""
        return (self.closings if mark.kind is Kind.CLOSE else self.sources)[mark.number]


@dataclass(frozen=True, slots=True)
class Rules:
    """How a format uses XML."""

    prefixes: dict[str, str]
    """Of namespaces."""
    role: Callable[[Token], Role]
    """Of an element, by its start tag, inside of a paragraph or not."""
    holds_text: Callable[[str], bool] = lambda name: True
    """Whether text stands in blocks of this name; elsewhere it is none."""
    loose_text: bool = True
    """Whether text stands outside of runs too."""
    run: Callable[[XmlText, int, Paragraph], None] | None = None
    """Adds an element of role RUN, by the index of its start tag, to a paragraph."""
    finish: Callable[[XmlText, Paragraph], None] | None = None
    """Looks at a whole paragraph once more."""


class XmlText:
    """An XML file in UTF-8."""

    def __init__(self, content: bytes, tokens: Sequence[Token], rules: Rules) -> None:
        self.content = content
        self.tokens = tokens
        self._rules = rules

    def paragraphs(self, first: int = 0, last: int | None = None) -> list[Paragraph]:
        """Those with words, among the tokens [first, last), in order of their beginnings."""
        end = len(self.tokens) if last is None else last
        found: list[Paragraph] = []
        waiting = [(first, end, first > 0)]
        while waiting:
            found += _Walk(self, self._rules, waiting).paragraphs(*waiting.pop())
        return sorted(found, key=lambda paragraph: (paragraph.start, -paragraph.end))

    def bytes_of(self, index: int) -> tuple[int, int]:
        """What an element takes of the file."""
        token = self.tokens[index]
        end = self.tokens[token.partner] if token.what is What.START else token
        return token.start, max(token.end, end.end)

    def slice(self, span: tuple[int, int]) -> bytes:
        """Bytes of the file."""
        return self.content[slice(*span)]


@dataclass(slots=True)
class _Walk:
    """Goes through tokens once and leaves what lies inside of points for another walk."""

    text: XmlText
    rules: Rules
    waiting: list[tuple[int, int, bool]]
    paragraph: Paragraph = field(default_factory=Paragraph)
    opened: dict[int, int] = field(default_factory=dict)
    """Index of a start tag → number of its mark in this paragraph."""
    begun: bool = False

    def paragraphs(self, first: int, end: int, active: bool) -> Iterator[Paragraph]:
        """The paragraphs of some tokens.

        active: whether text may stand outside of all blocks.
        """
        tokens = self.text.tokens
        holds = [active or self.rules.holds_text("")]
        index = first
        while index < end:
            token = tokens[index]
            role = self._role(index)
            if role in (Role.BLOCK, Role.UNTOUCHED):
                yield from self._finished(token.start)
                if role is Role.BLOCK and token.what is What.START:
                    holds.append(self.rules.holds_text(token.name))
                elif role is Role.BLOCK and len(holds) > 1:
                    holds.pop()
            elif holds[-1]:
                self._add(index, role)
            elif role is Role.POINT:
                self._leave(index)
            skipped = token.what is What.START and role not in (Role.BLOCK, Role.INLINE)
            index = token.partner + 1 if skipped else index + 1
        yield from self._finished(tokens[end - 1].end if end > first else 0)

    def _role(self, index: int) -> Role | None:
        """None: text."""
        token = self.text.tokens[index]
        if token.what is What.START:
            return self.rules.role(token)
        if token.what is What.END:
            return self.rules.role(self.text.tokens[token.partner])
        if token.what is What.TEXT:
            return None
        written = self.text.slice((token.start, token.end))
        return Role.GONE if written in (b"<![CDATA[", b"]]>") else Role.OPAQUE

    def _add(self, index: int, role: Role | None) -> None:
        token = self.text.tokens[index]
        if not self.begun:
            self.paragraph.start, self.begun = token.start, True
        if role is None:
            self.paragraph.add_text(token.text if self.rules.loose_text else "")
        elif role is Role.INLINE:
            self._add_tag(index)
        elif role is Role.RUN and self.rules.run:
            self.rules.run(self.text, index, self.paragraph)
            self._leave(index)
        elif role is not Role.GONE:
            self.paragraph.add(_KINDS[role], Source((self.text.bytes_of(index),)))
            if role is Role.POINT:
                self._leave(index)

    def _add_tag(self, index: int) -> None:
        token = self.text.tokens[index]
        if token.start == token.end:  # the end of an element that is one tag
            return
        source = Source(((token.start, token.end),))
        if token.what is What.START and self._is_one_tag(token):
            self.paragraph.add(Kind.POINT, source)
        elif token.what is What.START:
            self.opened[index] = self.paragraph.add(Kind.OPEN, source)
        elif token.partner in self.opened:
            self.paragraph.close(self.opened.pop(token.partner), source)
        else:
            self.paragraph.add(Kind.BREAK, source)

    def _is_one_tag(self, token: Token) -> bool:
        end = self.text.tokens[token.partner]
        return end.start == end.end

    def _leave(self, index: int) -> None:
        """Look inside of an element later."""
        self.waiting.append((index + 1, self.text.tokens[index].partner, False))

    def _finished(self, end: int) -> Iterator[Paragraph]:
        paragraph, self.paragraph = self.paragraph, Paragraph()
        unclosed, self.opened, self.begun = set(self.opened.values()), {}, False
        paragraph.items = [
            Mark(Kind.BREAK, item.number)
            if isinstance(item, Mark) and item.kind is Kind.OPEN and item.number in unclosed
            else item
            for item in paragraph.items
        ]
        if has_words(paragraph.items):
            paragraph.end = end
            if self.rules.finish:
                self.rules.finish(self.text, paragraph)
            yield paragraph


_KINDS = {
    Role.WORD: Kind.WORD,
    Role.POINT: Kind.POINT,
    Role.OPAQUE: Kind.POINT,
    Role.BREAK: Kind.BREAK,
}


class Writer:
    """Writes a file with paragraphs in place of those that it has."""

    def __init__(self, content: bytes, paragraphs: Sequence[Paragraph]) -> None:
        """paragraphs: in order of their beginnings, with the items that they are to have."""
        self._content = content
        self._paragraphs = paragraphs
        self._starts = [paragraph.start for paragraph in paragraphs]

    def written(self, start: int, end: int) -> bytes:
        """Some of the file. As deep in recursion as paragraphs are inside of each other."""
        return self._written(start, end, bisect_left(self._starts, start))

    def paragraph(self, paragraph: Paragraph) -> bytes:
        """A paragraph."""
        return b"".join(self._items(paragraph))

    def _written(self, start: int, end: int, first: int) -> bytes:
        parts: list[bytes] = []
        position = start
        for index in range(first, len(self._starts)):
            paragraph = self._paragraphs[index]
            if paragraph.start >= end:
                break
            if paragraph.start < position:  # inside of the one before
                continue
            parts += self._content[position : paragraph.start], self.paragraph(paragraph)
            position = paragraph.end
        return b"".join((*parts, self._content[position:end]))

    def _items(self, paragraph: Paragraph) -> Iterator[bytes]:
        forms = [paragraph.form]
        for item in paragraph.items:
            if not isinstance(item, Mark):
                yield forms[-1].before + escaped(item) + forms[-1].after
                continue
            source = paragraph.source(item)
            if source.form is not None and item.kind is Kind.OPEN:
                forms.append(source.form)
            elif source.form is not None:
                forms.pop()
            yield from self._parts(source.parts)

    def _parts(self, parts: Iterable[Part]) -> Iterator[bytes]:
        for part in parts:
            if isinstance(part, bytes):
                yield part
            else:  # the paragraph that it is a part of may begin where it does
                yield self._written(*part, bisect_right(self._starts, part[0]))


def with_items(paragraph: Paragraph, items: list[Item]) -> Paragraph:
    """The same place with another text."""
    return replace(paragraph, items=items)
