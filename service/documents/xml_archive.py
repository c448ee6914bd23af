"""Documents that are ZIP archives of XML files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.documents.archive import Archive
from service.documents.encoding import Decoded
from service.documents.tagged import from_html, to_html
from service.documents.xml_paragraphs import Paragraph, Rules, Writer, XmlText, with_items
from service.documents.xml_tokens import decoded_xml, tokens
from service.domain import Format


@dataclass(slots=True)
class _Member:
    """An XML file of the archive."""

    name: str
    decoded: Decoded
    content: bytes
    """In UTF-8."""
    paragraphs: list[Paragraph]


class XmlArchive:
    """Contents of such a document."""

    format = Format.HTML

    def __init__(self, archive: Archive, rules: Sequence[tuple[str, Rules]]) -> None:
        """rules: for each member that has text, in the order of the document.

        Raises:
            InvalidDocument, DocumentTooLarge: as service.documents.xml_tokens.
        """
        self._archive = archive
        self._members = list(_members(archive, rules))
        self.texts = [
            to_html(paragraph.items) for member in self._members for paragraph in member.paragraphs
        ]

    def filled(self, translations: Sequence[str], target: str) -> bytes:
        """The archive with translated paragraphs."""
        following = iter(translations)
        return self._archive.with_members(
            {member.name: _written(member, following) for member in self._members}
        )


def _members(archive: Archive, rules: Sequence[tuple[str, Rules]]) -> Iterator[_Member]:
    for name, how in rules:
        decoded = decoded_xml(archive[name])
        content = decoded.text.encode()
        text = XmlText(content, tokens(content, how.prefixes), how)
        yield _Member(name, decoded, content, text.paragraphs())


def _written(member: _Member, translations: Iterator[str]) -> bytes:
    translated = [
        with_items(paragraph, from_html(translation, paragraph.items))
        for paragraph, translation in zip(member.paragraphs, translations, strict=False)
        if translation != to_html(paragraph.items)
    ]
    content = Writer(member.content, translated).written(0, len(member.content))
    return member.decoded.encoded(content.decode(), "xmlcharrefreplace")
