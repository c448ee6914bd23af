"""Fields of Word: page numbers, cross references, and links of the older kind.

A field is a row of runs: `begin`, instructions, `separate`, a result, `end`. A link's result is
text like any other; that of other fields is computed, so it stays and stands for a word. Entries of
an index show nothing and are kept where they are.

ECMA-376, part 1, 17.16.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.documents.tagged import Item, Kind, Mark, is_nested
from service.documents.xml_paragraphs import Paragraph, Part, Source, XmlText
from service.documents.xml_tokens import escaped

_BOUND = re.compile(rb'<(?:\w+:)?fldChar\b[^>]*\bfldCharType="(begin|separate|end)"')
_MARKS_OF_PLACES = ([b"XE"], [b"TC"], [b"TA"], [b"RD"])
_INSTRUCTION = re.compile(rb"<(?:\w+:)?instrText\b[^>]*>([^<]*)<")


@dataclass(slots=True)
class _Field:
    begin: int
    """Places of its parts among the items."""
    separate: int = -1
    instruction: bytes = b""


def with_fields(text: XmlText, paragraph: Paragraph) -> None:
    """Make one mark of each field of a paragraph, two of a link. Parts of fields that begin or end
    in another paragraph stay where they are."""
    opened: list[_Field] = []
    ends: dict[int, tuple[int, _Field]] = {}
    for place, item in enumerate(paragraph.items):
        written = _written(text, paragraph, item)
        if found := _INSTRUCTION.match(written):
            if opened and opened[-1].separate < 0:
                opened[-1].instruction += found[1]
        elif not (found := _BOUND.match(written)):
            continue
        elif found[1] == b"begin":
            opened.append(_Field(place))
        elif found[1] == b"separate" and opened:
            opened[-1].separate = place
        elif found[1] == b"end" and opened:
            field = opened.pop()
            if is_nested(paragraph.items[field.begin : place + 1]):
                ends[field.begin] = place, field
    if ends or opened or _has_loose_end(text, paragraph):
        paragraph.items = _folded(text, paragraph, ends)


def _folded(text: XmlText, paragraph: Paragraph, ends: dict[int, tuple[int, _Field]]) -> list[Item]:
    items = paragraph.items
    folded: list[Item] = []
    closing: dict[int, int] = {}
    place = 0
    while place < len(items):
        end, field = ends.get(place, (-1, _Field(-1)))
        if end >= 0 and not _is_link(field, items, end):
            source = Source(_parts(paragraph, items[place : end + 1]))
            paragraph.sources.append(source)
            kind = Kind.POINT if _is_invisible(field) else Kind.WORD
            folded.append(Mark(kind, len(paragraph.sources) - 1))
            place = end + 1
            continue
        if end >= 0:
            source = Source(_parts(paragraph, items[place : field.separate + 1]))
            paragraph.sources.append(source)
            number = closing[end] = len(paragraph.sources) - 1
            folded.append(Mark(Kind.OPEN, number))
            place = field.separate + 1
            continue
        item = items[place]
        if place in closing:
            assert isinstance(item, Mark)
            paragraph.closings[closing[place]] = paragraph.source(item)
            item = Mark(Kind.CLOSE, closing[place])
        elif _is_part(_written(text, paragraph, item)):
            assert isinstance(item, Mark)
            item = Mark(Kind.BREAK, item.number)
        folded.append(item)
        place += 1
    return folded


def _is_invisible(field: _Field) -> bool:
    """Whether it marks a place, for an index or a table of contents."""
    return field.instruction.upper().split()[:1] in _MARKS_OF_PLACES


def _is_link(field: _Field, items: list[Item], end: int) -> bool:
    """Whether it is a link whose result is a part of the paragraph like any other."""
    if field.separate < 0 or not field.instruction.strip().upper().startswith(b"HYPERLINK"):
        return False
    return is_nested(items[field.separate + 1 : end])


def _parts(paragraph: Paragraph, items: list[Item]) -> tuple[Part, ...]:
    """What some items are in the file."""
    parts: list[Part] = []
    forms = [paragraph.form]
    for item in items:
        if not isinstance(item, Mark):
            parts += forms[-1].before, escaped(item), forms[-1].after
            continue
        source = paragraph.source(item)
        if source.form is not None:
            forms = [*forms, source.form] if item.kind is Kind.OPEN else forms[:-1]
        parts += source.parts
    return tuple(parts)


def _has_loose_end(text: XmlText, paragraph: Paragraph) -> bool:
    return any(_is_part(_written(text, paragraph, item)) for item in paragraph.items)


def _is_part(written: bytes) -> bool:
    return bool(_BOUND.match(written) or _INSTRUCTION.match(written))


def _written(text: XmlText, paragraph: Paragraph, item: Item) -> bytes:
    """The element that a mark of a run's child stands for, if it is small."""
    if not isinstance(item, Mark) or item.kind not in (Kind.POINT, Kind.BREAK):
        return b""
    spans = [part for part in paragraph.source(item).parts if isinstance(part, tuple)]
    return text.content[spans[0][0] : min(spans[0][1], spans[0][0] + 4_000)] if spans else b""
