"""What is where in an XML document, or in a fragment of one.

Expat tells where every token begins, and refuses what is not well-formed. Names are taken as they
are written: a fragment need not say what a prefix stands for. Entity declarations are refused, so
that nothing is ever expanded but the references that every XML has; references to other entities
stay as they are. Nothing outside of the text is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pyexpat import ErrorString, ExpatError, ParserCreate

from service.errors import InvalidRequest
from service.text.markup import Attributes, What

_DECLARATION = re.compile(r"\ufeff?(?:<\?xml\s[^<>]*\?>)?")
_DOCTYPE = re.compile(r"(?>\s+|<!--(?>.*?-->)|<\?(?>.*?\?>))*+<!DOCTYPE", re.DOTALL)
_ROOT = "fragment-of-a-document"
"""Stands around a fragment while it is parsed."""


@dataclass(slots=True)
class Event:
    """A token; its characters are [start, end). An empty element has an end of no characters."""

    what: What
    start: int
    name: str = ""
    attributes: Attributes = ()
    text: str = ""
    end: int = 0


def parsed(text: str) -> Sequence[Event]:
    """The events of a document or a fragment, from its first character on, in order.

    Raises:
        InvalidRequest: it is not well-formed, or declares entities.
    """
    start = _length(_DECLARATION, text)
    reading = _Reading(text, start, is_fragment=not _DOCTYPE.match(text, start))
    reading.parse()
    for event, following in pairwise(reading.events):
        event.end = following.start
    if reading.events:
        reading.events[-1].end = len(text)
    return reading.events


def _length(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.match(text)
    return match.end() if match else 0


class _Reading:
    """A text that is being parsed, as UTF-8, with a root around it if it is a fragment."""

    def __init__(self, text: str, start: int, *, is_fragment: bool) -> None:
        """start: where expat begins to read."""
        self.events = [Event(What.BREAK, 0)] if start or not is_fragment else []
        self._text, self._start = text, start
        self._before = f"<{_ROOT}>".encode() if is_fragment else b""
        self._behind = f"</{_ROOT}>".encode() if is_fragment else b""
        self._data = self._before + text[start:].encode() + self._behind
        self._parser = ParserCreate("utf-8")
        self._byte, self._character = len(self._before), start
        self._in_cdata = self._in_prologue = False

    def parse(self) -> None:
        """Collect the events.

        Raises:
            InvalidRequest: the text is not well-formed, or declares entities.
        """
        self._listen()
        try:
            self._parser.Parse(self._data, True)
        except ExpatError as error:
            raise self._refused(ErrorString(error.code)) from None
        if self._before:  # the root's own events
            del self.events[-1]
            self.events.remove(next(e for e in self.events if e.name == _ROOT))

    def _listen(self) -> None:
        parser = self._parser
        parser.UseForeignDTD(True)  # entities may be declared elsewhere
        parser.ordered_attributes = True
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = lambda name: self._add(What.END, name)
        parser.CharacterDataHandler = self._on_text
        parser.SkippedEntityHandler = lambda name, _: self._add(What.OBJECT, text=name)
        parser.CommentHandler = lambda _: self._add(What.POINT)
        parser.ProcessingInstructionHandler = lambda *_: self._add(What.POINT)
        parser.StartCdataSectionHandler = lambda: self._on_cdata(True)
        parser.EndCdataSectionHandler = lambda: self._on_cdata(False)
        parser.StartDoctypeDeclHandler = lambda *_: self._on_doctype(True)
        parser.EndDoctypeDeclHandler = lambda: self._on_doctype(False)
        parser.EntityDeclHandler = self._on_entity

    def _on_start(self, name: str, attributes: Sequence[str]) -> None:
        self._add(What.START, name)
        pairs = zip(attributes[::2], attributes[1::2], strict=True)
        self.events[-1].attributes = tuple(pairs)

    def _on_text(self, text: str) -> None:
        if self._in_cdata:
            self.events[-1].text += text
        else:
            self._add(What.TEXT, text=text)

    def _on_cdata(self, begins: bool) -> None:
        self._in_cdata = begins
        if begins:
            self._add(What.OBJECT)

    def _on_doctype(self, begins: bool) -> None:
        self._in_prologue = begins

    def _on_entity(self, *_: object) -> None:
        raise self._refused("it declares entities, which are not expanded")

    def _add(self, what: What, name: str = "", text: str = "") -> None:
        if not self._in_prologue:
            start = self._place(self._parser.CurrentByteIndex)
            self.events.append(Event(what, start, name, text=text))

    def _place(self, byte: int) -> int:
        """The character of the text that begins at this byte of the data, or holds it. No byte may
        be before that of the last call."""
        byte = min(byte, len(self._data) - len(self._behind))
        if byte > self._byte:
            self._character += len(self._data[self._byte : byte].decode("utf-8", "replace"))
            self._byte = byte
        return self._character

    def _refused(self, reason: str) -> InvalidRequest:
        place = self._place(self._parser.CurrentByteIndex)
        line = self._text.count("\n", 0, place) + 1
        column = place - self._text.rfind("\n", 0, place)
        return InvalidRequest(
            f"Invalid request: the text is no XML: {reason} (line {line}, column {column})"
        )
