"""XLIFF 1.2 and 2 (`.xlf`, `.xliff`): targets that are missing or empty are filled in.

So are those of 1.2 whose `state` is `new` or `needs-translation`. Others stay, and so does what has
`translate="no"` or is approved. Inline elements of the source are in the target as well; codes that
come in pairs stay around their words, others stand for a word. Targets of 1.2 get the state
`needs-review-translation`, those of 2 none, as it belongs to the segment. The file's target
language is written where it has none.

XLIFF 1.2, 2.0 and 2.1 (OASIS).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.documents.contents import Limits
from service.documents.plain_text import replaced
from service.documents.tagged import Item, Kind, Mark, from_html, is_nested, paired, to_html
from service.documents.xml_paragraphs import Paragraph, Role, Rules, Writer, XmlText, with_items
from service.documents.xml_tokens import Token, What, decoded_xml, tokens
from service.domain import Format
from service.errors import InvalidDocument

_NAMESPACE = "urn:oasis:names:tc:xliff:document:"
_PREFIXES = {f"{_NAMESPACE}{version}": "" for version in ("1.1", "1.2", "2.0", "2.2")}
_UNITS = {"trans-unit", "segment"}
_INLINE = {"g", "mrk", "pc"}
_OPAQUE = {"bpt", "ept", "bx", "ex", "sc", "ec", "sm", "em", "cp"}
_LINE_BREAK = {("ctype", "lb"), ("subType", "xlf:lb")}
_UNDONE = {"new", "needs-translation"}
_STATE = b' state="needs-review-translation" state-qualifier="leveraged-mt"'
_STATES = re.compile(rb"""\s+state(?:-qualifier)?\s*=\s*("[^"]*"|'[^']*')""")
_TAG = re.compile(rb"<((?:[^\s/>:]+:)?)([^\s/>]+)([^>]*?)/?>", re.DOTALL)
_PAIRED = re.compile(
    rb"""<(?:\w+:)?(?:(?P<open>bpt|bx|sc)|(?P<close>ept|ex|ec))\b(?P<attributes>[^>]*)>"""
    rb"""|<(?:\w+:)?x\b[^>]*?\bid\s*=\s*["'](?P<word>START_|CLOSE_)(?P<name>[^"']*)["']"""
)
_ID = {
    name: re.compile(rb"""\b%s\s*=\s*["']([^"']*)["']""" % name)
    for name in (b"rid", b"startRef", b"id")
}


@dataclass(slots=True)
class _Unit:
    """A source to be translated."""

    inside: tuple[int, int]
    """What is between its tags."""
    paragraph: Paragraph | None
    """None: there are no words, and the target is a copy."""
    place: tuple[int, int]
    """Where the target goes."""
    before: bytes
    after: bytes


class Xliff:
    """Contents of such a file."""

    format = Format.HTML

    def __init__(self, content: bytes) -> None:
        """Raises InvalidDocument and DocumentTooLarge, as service.documents.xml_tokens."""
        self._decoded = decoded_xml(content)
        self._content = self._decoded.text.encode()
        found = tokens(self._content, _PREFIXES)
        self._text = XmlText(self._content, found, _RULES)
        root = next(token for token in found if token.what is What.START)
        if root.name != "xliff":
            raise InvalidDocument("The file is not XLIFF 1.2 or 2: its root is not xliff.")
        self._is_2 = root.attributes.get("version", "").startswith("2")
        self._units = list(self._read(found))
        self.texts = [to_html(unit.paragraph.items) for unit in self._units if unit.paragraph]

    def filled(self, translations: Sequence[str], target: str) -> bytes:
        """The file with these targets."""
        following = iter(translations)
        edits = [(unit.place, self._target(unit, following)) for unit in self._units]
        edits = sorted([*edits, *self._languages(target)])
        spans, contents = [span for span, _ in edits], [one.decode() for _, one in edits]
        # Positions are those of bytes, which Latin-1 makes characters.
        parts = replaced(
            self._content.decode("latin-1"),
            spans,
            [one.encode().decode("latin-1") for one in contents],
        )
        text = parts.encode("latin-1").decode()
        return self._decoded.encoded(text, "xmlcharrefreplace")

    def _target(self, unit: _Unit, translations: Iterator[str]) -> bytes:
        paragraphs = []
        if unit.paragraph:
            items = from_html(next(translations), unit.paragraph.items)
            paragraphs.append(with_items(unit.paragraph, items))
        inside = Writer(self._content, paragraphs).written(*unit.inside)
        return unit.before + inside + unit.after

    def _languages(self, target: str) -> Iterator[tuple[tuple[int, int], bytes]]:
        """The target language, where the file has none."""
        element, name = ("xliff", "trgLang") if self._is_2 else ("file", "target-language")
        for token in self._text.tokens:
            is_start = token.what is What.START and token.name == element
            if is_start and name not in token.attributes:
                found = re.compile(rb"<[^\s/>]+").match(self._content, token.start)
                end = found.end() if found else token.start
                code = re.sub(r"[^A-Za-z0-9-]", "", target)
                yield (end, end), f' {name}="{code}"'.encode()

    def _read(self, found: Sequence[Token]) -> Iterator[_Unit]:
        path = [True]
        """Whether the elements around are to be translated."""
        for index, token in enumerate(found):
            if token.what is What.START:
                said = token.attributes.get("translate")
                path.append(path[-1] if said is None else said == "yes")
                if token.name in _UNITS and path[-1] and token.attributes.get("approved") != "yes":
                    yield from self._unit(index)
            elif token.what is What.END:
                path.pop()

    def _unit(self, index: int) -> Iterator[_Unit]:
        children = dict(self._children(index))
        if "source" not in children:
            return
        source = children["source"]
        first, last = source + 1, self._text.tokens[source].partner
        inside = self._text.tokens[source].end, self._text.tokens[last].start
        if "target" in children and not self._is_undone(children["target"]):
            return
        paragraphs = self._text.paragraphs(first, last)
        if inside[0] < inside[1]:
            yield self._with_place(children, inside, paragraphs[0] if paragraphs else None)

    def _with_place(
        self, children: dict[str, int], inside: tuple[int, int], paragraph: Paragraph | None
    ) -> _Unit:
        source = self._text.tokens[children["source"]]
        tag = _TAG.match(self._content, source.start)
        prefix = tag[1] if tag else b""
        state = b"" if self._is_2 else _STATE
        end = b"</" + prefix + b"target>"
        if "target" in children:
            place = self._text.bytes_of(children["target"])
            tag = _TAG.match(self._content, place[0])
            attributes = _STATES.sub(b"", tag[3]) if tag and state else tag[3] if tag else b""
            start = b"<" + prefix + b"target" + attributes.rstrip() + state + b">"
            return _Unit(inside, paragraph, place, start, end)
        behind = self._text.bytes_of(children.get("seg-source", children["source"]))[1]
        token = self._text.tokens[children["source"] - 1]
        indent = token.text if token.what is What.TEXT and not token.text.strip() else ""
        if not indent.startswith("\n"):  # expat reports a line break by itself
            before = self._text.tokens[children["source"] - 2]
            indent = before.text + indent if before.text == "\n" else indent
        start = indent.encode() + b"<" + prefix + b"target" + state + b">"
        return _Unit(inside, paragraph, (behind, behind), start, end)

    def _children(self, index: int) -> Iterator[tuple[str, int]]:
        child, end = index + 1, self._text.tokens[index].partner
        while child < end:
            token = self._text.tokens[child]
            if token.what is What.START:
                yield token.name, child
                child = token.partner
            child += 1

    def _is_undone(self, index: int) -> bool:
        token = self._text.tokens[index]
        inside = self._text.tokens[index + 1 : token.partner]
        is_empty = not any(one.text.strip() or one.what is What.START for one in inside)
        return is_empty or token.attributes.get("state") in _UNDONE


def read(content: bytes, limits: Limits) -> Xliff:
    """Read a file."""
    return Xliff(content)


def _role(token: Token) -> Role:
    kept = token.attributes.get("translate") == "no" or token.attributes.get("mtype") == "protected"
    if token.name in _INLINE and not kept:
        return Role.INLINE
    if token.name in {"x", "ph"} and _LINE_BREAK & set(token.attributes.items()):
        return Role.BREAK
    return Role.OPAQUE if token.name in _OPAQUE else Role.WORD


def _with_pairs(text: XmlText, paragraph: Paragraph) -> None:
    """Make elements of codes that open and close the same."""
    names: dict[int, str] = {}
    items: list[Item] = []
    for item in paragraph.items:
        found = _pair_of(text, paragraph, item)
        if isinstance(item, Mark) and found:
            kind, names[item.number] = found
            item = Mark(kind, item.number)
        items.append(item)
    before = dict(paragraph.closings)
    paragraph.items, closings = paired(items, names)
    paragraph.closings = before | {
        number: paragraph.sources[other] for number, other in closings.items()
    }
    if not is_nested(paragraph.items):
        paragraph.items = [
            Mark(Kind.POINT, item.number)
            if isinstance(item, Mark)
            and item.kind in (Kind.OPEN, Kind.CLOSE)
            and item.number in names
            else item
            for item in items
        ]


def _pair_of(text: XmlText, paragraph: Paragraph, item: Item) -> tuple[Kind, str] | None:
    """Whether a mark opens or closes, and what."""
    if not isinstance(item, Mark) or item.kind not in (Kind.POINT, Kind.WORD):
        return None
    (part,) = paragraph.source(item).parts
    found = _PAIRED.match(text.content, part[0]) if isinstance(part, tuple) else None
    if found is None:
        return None
    if found["word"]:
        kind = Kind.OPEN if found["word"] == b"START_" else Kind.CLOSE
        return kind, found["name"].decode()
    order = (b"rid", b"id") if found["open"] else (b"startRef", b"rid", b"id")
    values = (_ID[name].search(found["attributes"]) for name in order)
    name = next((value[1] for value in values if value), b"")
    return Kind.OPEN if found["open"] else Kind.CLOSE, name.decode()


_RULES = Rules(prefixes=_PREFIXES, role=_role, finish=_with_pairs)
