"""Books (`.epub`): their pages, and the names of their chapters in the navigation.

Pages of books are XML, not HTML: `<title/>` ends there. The title of the book itself and other
metadata stay, as libraries know the book by them.

EPUB 3.3; EPUB 2.0.1 for the navigation in `.ncx`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from unicodedata import normalize
from urllib.parse import unquote

from service.documents.archive import Archive
from service.documents.contents import Limits
from service.documents.xml_archive import XmlArchive
from service.documents.xml_paragraphs import Role, Rules
from service.documents.xml_tokens import Token, What, decoded_xml, tokens
from service.errors import InvalidDocument

_CONTAINER = "META-INF/container.xml"
_PREFIXES = {
    "http://www.w3.org/1999/xhtml": "",
    "http://www.w3.org/2000/svg": "svg",
    "http://www.w3.org/1998/Math/MathML": "math",
    "http://www.daisy.org/z3986/2005/ncx/": "ncx",
    "http://www.idpf.org/2007/opf": "opf",
    "urn:oasis:names:tc:opendocument:xmlns:container": "container",
}
_INLINE = frozenset(
    """
    a abbr acronym b bdi bdo big cite data del dfn em font i ins label mark q s small span strike
    strong sub sup time tt u
    """.split()  # noqa: SIM905 (one a line would be 30 lines)
)
_WORDS = frozenset(("code", "kbd", "samp", "var", "svg:svg", "math:math", "ruby"))
_POINTS = frozenset(("img", "wbr", "input", "audio", "video", "object", "script", "style"))
_UNTOUCHED = frozenset(("pre", "textarea", "template", "link", "meta"))
_PAGES = ("application/xhtml+xml", "text/html")
_NAVIGATION = "application/x-dtbncx+xml"
_ELSEWHERE = re.compile("[A-Za-z][A-Za-z0-9+.-]*:")


def read_book(content: bytes, limits: Limits) -> XmlArchive:
    """Read a book.

    Raises:
        InvalidDocument, DocumentTooLarge: see service.documents.archive and xml_tokens.
    """
    archive = Archive(content, limits.max_expanded_bytes)
    if _CONTAINER not in archive:
        raise InvalidDocument(f"The file is not a book: it has no {_CONTAINER}.")
    rules = {**dict.fromkeys(_PAGES, PAGE), _NAVIGATION: _CONTENTS}
    called = {normalize("NFC", name): name for name in archive.names}  # macOS packs NFD
    members = {
        called.get(normalize("NFC", name), name): rules[kind]
        for name, kind in _listed(archive)
        if kind in rules
    }
    if lacking := sum(name not in archive for name in members):
        raise InvalidDocument(
            f"The book lacks {lacking} of the {len(members)} parts with text that it lists."
        )
    return XmlArchive(archive, list(members.items()))


def _listed(archive: Archive) -> Iterator[tuple[str, str]]:
    """Name and media type of what the book's packages list."""
    for container in _elements(archive, _CONTAINER, "container:rootfile"):
        package = container.attributes.get("full-path", "")
        if package not in archive:
            raise InvalidDocument("The book lacks the package that it names.")
        for item in _elements(archive, package, "opf:item"):
            href = _at(item, "href")
            if _ELSEWHERE.match(href):
                continue
            path = posixpath.join(posixpath.dirname(package), unquote(href.partition("#")[0]))
            yield posixpath.normpath(path), _at(item, "media-type")


def _elements(archive: Archive, member: str, name: str) -> Iterator[Token]:
    content = decoded_xml(archive[member]).text.encode()
    for token in tokens(content, _PREFIXES):
        if token.what is What.START and token.name == name:
            yield token


def _at(token: Token, name: str) -> str:
    return token.attributes.get(name, "")


def _role(token: Token) -> Role:
    name = token.name
    inline = name in _INLINE or name in _WORDS
    kept = "notranslate" in _at(token, "class").split() or _at(token, "translate") == "no"
    if name in _UNTOUCHED or (kept and not inline):
        return Role.UNTOUCHED
    if name in _WORDS or kept:
        return Role.WORD
    if name in _INLINE:
        return Role.INLINE
    if name == "br":
        return Role.BREAK
    return Role.OPAQUE if name in _POINTS else Role.BLOCK


PAGE = Rules(prefixes=_PREFIXES, role=_role)
_CONTENTS = Rules(
    prefixes=_PREFIXES,
    role=lambda token: Role.BLOCK,
    holds_text=("ncx:text",).__contains__,
)
