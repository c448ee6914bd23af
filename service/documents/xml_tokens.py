"""XML → tokens, each with the bytes that it takes.

By expat, which does not recurse and never reads anything but these bytes. Entities of a file's own
are refused, so nothing expands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from html import escape
from html.entities import html5
from xml.parsers import expat

from service.documents.encoding import Decoded, decoded
from service.errors import DocumentTooLarge, InvalidDocument

MOST_TOKENS = 1_000_000
DEEPEST = 256
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class What(Enum):
    """Kinds of tokens."""

    START = auto()
    END = auto()
    TEXT = auto()
    OTHER = auto()
    """A comment, a processing instruction, an end of a CDATA section."""


@dataclass(slots=True)
class Token:
    """A piece of the file; its bytes are [start, end)."""

    what: What
    start: int
    end: int = 0
    name: str = ""
    """With the prefix that the reader knows for its namespace, whatever the file has."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    partner: int = -1
    """Index of the token that ends what this one starts, or the other way round. The end of an
    element that is one tag takes no bytes."""


def decoded_xml(content: bytes) -> Decoded:
    """An XML file in the encoding of its byte order mark or its declaration.

    Raises:
        InvalidDocument: it is in another one.
    """
    declared = _DECLARED.match(content)
    return decoded(content, declared[1].decode() if declared else "utf-8")


def escaped(text: str) -> bytes:
    """How a file in UTF-8 writes a text; without characters that no XML may have."""
    return escape(_NOT_XML.sub("", text), quote=False).replace("\r", "&#13;").encode()


def tokens(content: bytes, prefixes: Mapping[str, str]) -> list[Token]:
    """All tokens of a file in UTF-8, whatever encoding it declares.

    prefixes: of namespaces, by their names; others get `?`, and what is in none gets no prefix.

    Raises:
        InvalidDocument: it is not well-formed, or declares entities.
        DocumentTooLarge: too deep, or too many tokens.
    """
    builder = _Builder(prefixes)
    try:
        builder.parser.Parse(content, True)
    except expat.ExpatError as error:
        raise InvalidDocument(
            f"The XML is not well-formed: {expat.ErrorString(error.code)}, line {error.lineno}."
        ) from None
    return builder.finished(len(content))


class _Builder:
    """Collects what expat reports."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self.parser = parser = expat.ParserCreate("utf-8", " ")
        self._prefixes = prefixes
        self._names: dict[str, str] = {}
        self._found: list[Token] = []
        self._path: list[int] = []
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.SkippedEntityHandler = self._entity
        parser.EntityDeclHandler = self._refuse
        parser.CommentHandler = parser.DefaultHandlerExpand = self._other
        parser.ProcessingInstructionHandler = lambda target, data: self._other("")
        parser.StartCdataSectionHandler = parser.EndCdataSectionHandler = lambda: self._other("")

    def finished(self, length: int) -> list[Token]:
        """The tokens; each ends where the next one starts."""
        found = self._found
        following = length
        for token in reversed(found):
            token.end, following = following, token.start
        for token in found:  # an empty element: both of its tags are reported at the same place
            end = found[token.partner] if token.what is What.START else token
            if token.what is What.START and end.start == token.start:
                token.end, end.start = end.end, end.end
        return found

    def _add(self, token: Token) -> None:
        if len(self._found) >= MOST_TOKENS:
            raise DocumentTooLarge(f"The document has more than {MOST_TOKENS} pieces of XML.")
        self._found.append(token)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= DEEPEST:
            raise DocumentTooLarge(f"The XML is nested more than {DEEPEST} deep.")
        self._path.append(len(self._found))
        named = {self._named(key): value for key, value in attributes.items()}
        self._add(Token(What.START, self._at, name=self._named(name), attributes=named))

    def _end(self, name: str) -> None:
        start = self._path.pop()
        self._found[start].partner = len(self._found)
        self._add(Token(What.END, self._at, name=self._named(name), partner=start))

    def _text(self, text: str) -> None:
        self._add(Token(What.TEXT, self._at, text=text))

    def _entity(self, name: str, is_parameter: bool) -> None:
        """One that the file does not declare; XHTML's are those of HTML."""
        character = html5.get(f"{name};")
        what = What.OTHER if character is None else What.TEXT
        self._add(Token(what, self._at, text=character or ""))

    def _other(self, data: str) -> None:
        self._add(Token(What.OTHER, self._at))

    def _refuse(self, *declaration: object) -> None:
        raise InvalidDocument("The XML declares entities, which is not allowed.")

    @property
    def _at(self) -> int:
        return self.parser.CurrentByteIndex

    def _named(self, name: str) -> str:
        if name not in self._names:
            namespace, _, local = name.rpartition(" ")
            prefix = self._prefixes.get(namespace, "?") if namespace else ""
            self._names[name] = f"{prefix}:{local}" if prefix else local
        return self._names[name]
