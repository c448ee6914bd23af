"""Markdown (`.md`): paragraphs, headings, items of lists, and cells of tables.

Code, front matter, blocks of HTML, pictures and the targets of links stay. What is a paragraph and
where marks are in it is told by markdown-it. Every translated paragraph is parsed again: it must
have the marks that the source has. Characters that would be marks are escaped; if that does not do,
the paragraph stays as it was.

CommonMark 0.31, with tables and strikethrough as GitHub has them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import chain, zip_longest

from markdown_it import MarkdownIt
from markdown_it.token import Token

from service.documents.contents import Limits
from service.documents.encoding import decoded
from service.documents.markdown_lines import PIPE, Lines
from service.documents.markdown_marks import Environment, Place, parser, places
from service.documents.plain_text import replaced
from service.documents.tagged import Item, Kind, Mark, Tagged, from_html, has_words, to_html
from service.domain import Format

_FRONT_MATTER = re.compile(
    r"\A(---|\+\+\+)[ \t]*\r?\n(?:[^\n]*\n)*?(?:\1|\.\.\.)[ \t]*(?:\r?\n|\Z)"
)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])|&(?:#[xX]?[0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{1,31});")
_MARKS = re.compile(r"[\\`*_\[\]<~|]|&(?=[#A-Za-z])")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]{1,100}\](:[ \t]+)?|\A\[[ xX]\] ")
"""One that has a colon is the note itself, which begins there."""
_TAG_NAME = re.compile(r"<(/?)([A-Za-z][\w-]*)")
_KINDS = {
    "code_inline": Kind.WORD,
    "link_open": Kind.OPEN,
    "strong_open": Kind.OPEN,
    "em_open": Kind.OPEN,
    "s_open": Kind.OPEN,
    "link_close": Kind.CLOSE,
    "strong_close": Kind.CLOSE,
    "em_close": Kind.CLOSE,
    "s_close": Kind.CLOSE,
    "image": Kind.POINT,
    "softbreak": Kind.POINT,
    "hardbreak": Kind.BREAK,
}
_ENDS_LINE = re.compile(r"[\r\n]")
_LINE_ENDS = (Kind.POINT, Kind.BREAK)
_REFERENCE = "]["


@dataclass(slots=True)
class _Paragraph:
    """Text with marks, as it lies in the file and as markdown-it sees it."""

    token: Token
    places: Sequence[int]
    """Where each character of its content begins in the file, and where the last one ends."""
    in_file: Tagged
    in_content: Tagged
    is_cell: bool
    is_free: bool
    """Whether it begins its line, so that it could become another block."""

    @property
    def span(self) -> tuple[int, int]:
        """What it takes of the file."""
        return self.places[0], self.places[-1]


class Markdown:
    """Contents of such a file."""

    format = Format.HTML

    def __init__(self, content: bytes) -> None:
        """Raises InvalidDocument if it is no text."""
        self._decoded = decoded(content)
        self._parser = parser()
        self._environment: Environment = {}
        self._paragraphs = [one for one in self._read() if has_words(one.in_file.items)]
        self.texts = [to_html(one.in_file.items) for one in self._paragraphs]

    def filled(self, translations: Sequence[str], target: str) -> bytes:
        """The file with translated paragraphs."""
        text = self._decoded.text
        spans = [one.span for one in self._paragraphs]
        written = [
            self._written(one, from_html(translation, one.in_file.items))
            if translation != source
            else text[slice(*one.span)]
            for one, source, translation in zip(
                self._paragraphs, self.texts, translations, strict=True
            )
        ]
        return self._decoded.encoded_or_utf8(replaced(text, spans, written))

    def _read(self) -> Iterator[_Paragraph]:
        text = self._decoded.text
        matter = _FRONT_MATTER.match(text)
        first = matter.end() if matter else 0
        lines = Lines(text, first)
        parent = Token("", "", 0)
        for token in self._parser.parse(text[first:], self._environment):
            if token.type != "inline":
                parent = token
                continue
            is_cell = parent.type in ("td_open", "th_open")
            if found := lines.places(token, is_cell=is_cell):
                marks = list(places(token.children or (), self._environment))
                in_file, in_content = (
                    _tagged(token.content, marks, written)
                    for written in (_from_file(text, found), _from_content(token.content))
                )
                is_free = _is_free(parent, text, found[0])
                yield _Paragraph(token, found, in_file, in_content, is_cell, is_free)

    def _written(self, paragraph: _Paragraph, items: Sequence[Item]) -> str:
        """How the file writes these items, or what it has if it can't."""
        wanted = _seen(self._parser, paragraph.token.content, self._environment)
        text = _without_space("".join(one for one in items if not isinstance(one, Mark)))
        for escape in (_as_it_is, _marks_escaped, _all_escaped):
            in_content, in_file = _escapes(escape, is_cell=paragraph.is_cell)
            content = _joined(paragraph.in_content, items, in_content)
            seen = _seen(self._parser, content, self._environment)
            # A pipe makes a table of a paragraph that a line of dashes follows.
            may_be_table = paragraph.is_free and not paragraph.is_cell
            pipes = may_be_table and "|" in text and escape is _as_it_is
            is_same = (seen[0], _without_space(seen[1])) == (wanted[0], text)
            if is_same and not pipes and self._stays_one(paragraph, content):
                return _joined(paragraph.in_file, items, in_file)
        return self._decoded.text[slice(*paragraph.span)]

    def _stays_one(self, paragraph: _Paragraph, content: str) -> bool:
        """Whether it becomes no other block, and hides no end of a cell."""
        if paragraph.is_cell and content.endswith("\\"):
            return False
        return not paragraph.is_free or _is_paragraph(self._parser, content)


def read(content: bytes, limits: Limits) -> Markdown:
    """Read a file."""
    return Markdown(content)


def _is_free(parent: Token, text: str, start: int) -> bool:
    if parent.type in ("td_open", "th_open"):
        return text.rfind("|", text.rfind("\n", 0, start) + 1, start) < 0
    return parent.type == "paragraph_open" or parent.markup in ("=", "-")


def _tagged(content: str, marks: Sequence[Place], written: Callable[[int, int], str]) -> Tagged:
    """The paragraph with what its marks are, as written."""
    tagged, names, position = Tagged(), {}, 0
    for token, start, end in marks:
        is_break = token.type in ("softbreak", "hardbreak")
        text = content[position:start]
        begin = position + len(text.rstrip(" \\")) if is_break else start
        _add_text(tagged, content[position:begin])
        if token.type == "softbreak":
            tagged.add_text(" ")
        source = written(begin, end)
        if token.type == "link_close" and content[start:end] in ("]", "][]"):
            source = f"{_REFERENCE}{written(_label(marks, start), start)}]"
        number = tagged.add(_kind(token), source)
        if name := _name(token, content[start:end]):
            names[number] = name[1]
            tagged.items[-1] = Mark(name[0], number)
        position = end
    _add_text(tagged, content[position:])
    tagged.pair(names)
    return tagged


def _name(token: Token, written: str) -> tuple[Kind, str] | None:
    """What a mark opens or closes, if it does."""
    kind = _kind(token)
    if kind in (Kind.OPEN, Kind.CLOSE):
        return kind, token.type.rpartition("_")[0]
    if token.type == "html_inline" and (tag := _TAG_NAME.match(written)):
        return Kind.CLOSE if tag[1] else Kind.OPEN, f"<{tag[2].lower()}>"
    return (Kind.POINT, "") if token.type == "html_inline" else None


def _kind(token: Token) -> Kind:
    return Kind.WORD if token.markup == "autolink" else _KINDS.get(token.type, Kind.WORD)


def _label(marks: Sequence[Place], end: int) -> int:
    """Where the text of a link begins that is its label as well."""
    return max(place.end for place in marks if place.token.type == "link_open" and place.end <= end)


def _add_text(tagged: Tagged, written: str) -> None:
    position = 0
    for match in _FOOTNOTE.finditer(written):
        tagged.add_text(_ESCAPE.sub(_meant, written[position : match.start()]))
        tagged.add(Kind.BREAK if match[1] else Kind.POINT, match[0])
        position = match.end()
    tagged.add_text(_ESCAPE.sub(_meant, written[position:]))


def _meant(escape: re.Match[str]) -> str:
    return escape[1] or unescape(escape[0])


def _from_file(text: str, found: Sequence[int]) -> Callable[[int, int], str]:
    # A line break ends where the next line begins, behind such as the sign of a quotation.
    return lambda start, end: text[found[start] : found[end]]


def _from_content(content: str) -> Callable[[int, int], str]:
    return lambda start, end: content[start:end]


def _joined(tagged: Tagged, items: Sequence[Item], escape: Callable[[str], str]) -> str:
    """How the items are written. No line is empty, and none has space at its ends."""
    lines = [""]
    ends: list[str] = []
    for item in items:
        if not isinstance(item, Mark):
            lines[-1] += escape(item)
        elif not _ENDS_LINE.search(source := tagged.source(item)) or item.kind not in _LINE_ENDS:
            lines[-1] += source
        elif lines[-1].strip() or item.kind is Kind.BREAK:
            lines[-1] = lines[-1].rstrip(" ")
            lines.append("")
            ends.append(source)
    if ends and not lines[-1].strip():
        lines.pop()
        ends.pop()
    stripped = [lines[0], *(line.lstrip(" ") for line in lines[1:])]
    return "".join(chain.from_iterable(zip_longest(stripped, ends, fillvalue="")))


def _escapes(
    escape: Callable[[str], str], *, is_cell: bool
) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """The same in the content and in the file, where a cell writes pipes otherwise."""

    def around(pipe: str) -> Callable[[str], str]:
        return lambda text: pipe.join(map(escape, text.split("|")))

    return (around("|"), around(PIPE)) if is_cell else (escape, escape)


def _as_it_is(text: str) -> str:
    return text


def _marks_escaped(text: str) -> str:
    return _MARKS.sub(_escaped, text)


def _all_escaped(text: str) -> str:
    return _PUNCTUATION.sub(_escaped, text)


def _escaped(mark: re.Match[str]) -> str:
    # A pipe makes a table of a line above dashes even behind a backslash.
    return "&#124;" if mark[0] == "|" else f"\\{mark[0]}"


def _seen(parser: MarkdownIt, content: str, environment: Environment) -> tuple[Counter[str], str]:
    """The marks of a paragraph, and its text."""
    children = parser.parseInline(content, dict(environment))[0].children or []
    marks: Counter[str] = Counter()
    text: list[str] = []
    automatic = False
    for token in children:
        if token.markup == "autolink":
            automatic = token.type == "link_open"
        if token.type in ("text", "text_special") and not automatic:
            text.append(token.content)
        elif token.type != "softbreak":
            marks[f"{token.type} {token.markup} {token.attrs} {token.content}"] += 1
    return marks, _FOOTNOTE.sub("", "".join(text))


def _is_paragraph(parser: MarkdownIt, content: str) -> bool:
    tokens = parser.parse(content, {})
    if [token.type for token in tokens] != ["paragraph_open", "inline", "paragraph_close"]:
        return False
    # All of it: the definition of a link would be taken away.
    return _without_space(tokens[1].content) == _without_space(content)


def _without_space(text: str) -> str:
    return "".join(text.split())
