"""OpenDocument texts (`.odt`): the body, and headers and footers.

Comments and tracked changes are not translated. Fields such as dates and page numbers stay, and
stand for a word of their sentence.

OpenDocument 1.3, part 3.
"""

from __future__ import annotations

from service.documents.archive import Archive
from service.documents.contents import Limits
from service.documents.xml_archive import XmlArchive
from service.documents.xml_paragraphs import Role, Rules
from service.documents.xml_tokens import Token
from service.errors import InvalidDocument

_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
_PREFIXES = {
    f"{_OASIS}{name}:1.0": prefix
    for name, prefix in (
        ("text", "text"),
        ("office", "office"),
        ("drawing", "draw"),
        ("table", "table"),
        ("style", "style"),
        ("meta", "meta"),
        ("presentation", "presentation"),
    )
}
_PARAGRAPHS = {"text:p", "text:h"}
_INLINE = {"text:span", "text:a", "text:meta", "text:ruby-base"}
_MARKS = (
    *("text:bookmark", "text:reference-mark", "text:change", "text:toc-mark", "text:user-index"),
    "text:alphabetical-index-mark",
)
_BLOCKS = (
    *("text:list", "text:list-item", "text:list-header", "text:section", "text:note-body"),
    *("text:index-body", "text:index-title", "text:table-of-content", "text:illustration-index"),
    *("text:table-index", "text:object-index", "text:user-index", "text:alphabetical-index"),
    *("text:bibliography", "text:numbered-paragraph"),
)
_ROLES = {
    **dict.fromkeys(_BLOCKS, Role.BLOCK),
    **dict.fromkeys(
        ("text:tracked-changes", "office:scripts", "office:font-face-decls", "office:forms"),
        Role.UNTOUCHED,
    ),
    **dict.fromkeys(("text:tab", "text:line-break"), Role.BREAK),
    **dict.fromkeys(
        ("office:annotation", "office:annotation-end", "text:s", "text:soft-page-break"),
        Role.OPAQUE,
    ),
    "text:note": Role.POINT,
}
_CODE = {"Source_20_Text", "Preformatted_20_Text"}
"""Styles of what is not to be translated."""


def read(content: bytes, limits: Limits) -> XmlArchive:
    """Read a text.

    Raises:
        InvalidDocument, DocumentTooLarge: see service.documents.archive and xml_tokens.
    """
    archive = Archive(content, limits.max_expanded_bytes)
    if "content.xml" not in archive:
        raise InvalidDocument("The file is not an OpenDocument text: it has no content.xml.")
    names = [name for name in ("content.xml", "styles.xml") if name in archive]
    return XmlArchive(archive, [(name, _RULES) for name in names])


def _role(token: Token) -> Role:
    name = token.name
    is_code = token.attributes.get("text:style-name") in _CODE
    if name in _PARAGRAPHS:
        return Role.UNTOUCHED if is_code else Role.BLOCK
    if name in _INLINE:
        return Role.WORD if is_code else Role.INLINE
    return _ROLES.get(name) or _by_prefix(name)


def _by_prefix(name: str) -> Role:
    if name.startswith(_MARKS):
        return Role.OPAQUE
    if name.startswith("draw:"):
        return Role.POINT
    return Role.WORD if name.startswith("text:") else Role.BLOCK


_RULES = Rules(prefixes=_PREFIXES, role=_role, holds_text=_PARAGRAPHS.__contains__)
