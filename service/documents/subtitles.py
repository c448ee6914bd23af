"""Subtitles (`.srt`, `.vtt`): the text of cues. Numbers, times, settings and notes stay.

A sentence that goes on in the next line or cue is translated as one. Where the cue ended in it is
told by the alignment, as for tags, so that each cue gets its part. A cue that would get nothing
takes its share of the words instead.

https://www.w3.org/TR/webvtt1/; SubRip has no specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape

from service.documents.contents import Limits
from service.documents.encoding import decoded
from service.documents.plain_text import replaced
from service.documents.tagged import Item, Kind, Mark, Tagged, from_html, has_words, to_html
from service.domain import Format
from service.errors import InvalidDocument

_TIME = r"(?:\d{1,4}:)?\d{1,2}:\d{2}[,.]\d{1,3}"
_TIMING = re.compile(rf"[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_MARKUP = re.compile(r"<(/?)([A-Za-z]*)[^<>\n]{0,200}>|\{\\[^{}\n]{0,200}\}")
_LINE_ENDS = re.compile(r"[\r\n]+")
_SPEAKER = ("-", "\u2013", "\u2014", "\u266a", "#", "*")
MOST_CUES_TOGETHER = 6


@dataclass(slots=True)
class _Cue:
    spans: list[tuple[int, int]] = field(default_factory=list)
    """Of its lines in the file; never empty."""
    text: str = ""

    @property
    def span(self) -> tuple[int, int]:
        """Of its text."""
        return self.spans[0][0], self.spans[-1][1]


@dataclass(slots=True)
class _Group:
    """Cues whose text goes on from one to the next."""

    cues: list[_Cue]
    line: Tagged = field(default_factory=Tagged)
    """All of the text."""
    ends: list[int] = field(default_factory=list)
    """Numbers of the marks that end a cue."""


class Subtitles:
    """Contents of such a file."""

    format = Format.HTML

    def __init__(self, content: bytes, *, entities: bool) -> None:
        """entities: whether the format has character references, as WebVTT does.

        Raises:
            InvalidDocument: there is no timing in it.
        """
        self._decoded = decoded(content)
        self._entities = entities
        cues = list(_cues(self._decoded.text))
        if not cues and self._decoded.text.strip():
            raise InvalidDocument("The file has no subtitles: no line says from when until when.")
        groups = [_group(self._decoded.text, cues, entities) for cues in _together(cues)]
        self._groups = [group for group in groups if has_words(group.line.items)]
        self.texts = [to_html(group.line.items) for group in self._groups]

    def filled(self, translations: Sequence[str], target: str) -> bytes:
        """The file with translated cues."""
        spans: list[tuple[int, int]] = []
        texts: list[str] = []
        eol = "\r\n" if "\r\n" in self._decoded.text else "\n"
        for group, translation in zip(self._groups, translations, strict=True):
            items = from_html(translation, group.line.items)
            spans += (cue.span for cue in group.cues)
            texts += (self._written(group, part, eol) for part in _parts(group, items))
        return self._decoded.encoded_or_utf8(replaced(self._decoded.text, spans, texts))

    def _written(self, group: _Group, items: Sequence[Item], eol: str) -> str:
        """A cue. No line of it is empty, as that would end it."""
        text = "".join(
            group.line.source(item) if isinstance(item, Mark) else self._escaped(item)
            for item in items
        )
        return eol.join(line.strip() for line in text.split("\n") if line.strip())

    def _escaped(self, text: str) -> str:
        if not self._entities:
            return text
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def read_subrip(content: bytes, limits: Limits) -> Subtitles:
    """Read SubRip's format."""
    return Subtitles(content, entities=False)


def read_webvtt(content: bytes, limits: Limits) -> Subtitles:
    """Read WebVTT.

    Raises:
        InvalidDocument: it does not begin as it must.
    """
    if not content.removeprefix(b"\xef\xbb\xbf").startswith(b"WEBVTT"):
        raise InvalidDocument("The file is not WebVTT: it does not begin with WEBVTT.")
    return Subtitles(content, entities=True)


def _cues(text: str) -> Iterator[_Cue]:
    cue: _Cue | None = None
    for match in _LINE.finditer(text):
        line = match.group().rstrip("\r\n")
        if _TIMING.match(line):
            if cue and cue.spans:
                yield cue
            cue = _Cue()
        elif not line.strip():
            if cue and cue.spans:
                yield cue
            cue = None
        elif cue is not None:
            cue.spans.append((match.start(), match.start() + len(line)))
            cue.text = f"{cue.text}\n{line}".strip()
    if cue and cue.spans:
        yield cue


def _together(cues: Sequence[_Cue]) -> Iterator[list[_Cue]]:
    group: list[_Cue] = []
    for cue in cues:
        goes_on = group and _goes_on(group[-1].text, cue.text)
        if group and (not goes_on or len(group) == MOST_CUES_TOGETHER):
            yield group
            group = []
        group.append(cue)
    if group:
        yield group


def _goes_on(before: str, behind: str) -> bool:
    """Whether a sentence seems to go on from a line, or a cue, to the next one."""
    ending = _MARKUP.sub("", before).rstrip()
    beginning = _MARKUP.sub("", behind).lstrip()
    if not ending or not beginning or beginning.startswith(_SPEAKER):
        return False
    return ending.endswith(",") or (ending[-1] not in ".!?:\u2026" and beginning[0].islower())


def _group(text: str, cues: list[_Cue], entities: bool) -> _Group:
    group = _Group(cues)
    line = group.line
    names: dict[int, str] = {}
    for number, cue in enumerate(cues):
        if number:
            line.add_text(" ")
            group.ends.append(line.add(Kind.POINT, ""))
        written = [text[slice(*span)] for span in cue.spans]
        for place, one in enumerate(written):
            goes_on = place > 0 and _goes_on(written[place - 1], one)
            if goes_on:
                line.add_text(" ")
            if place:
                line.add(Kind.POINT if goes_on else Kind.BREAK, "\n")
            names |= _add_line(line, one.strip(), entities)
    line.pair(names)
    return group


def _add_line(line: Tagged, written: str, entities: bool) -> dict[int, str]:
    """Add a line; the names of its tags."""
    names: dict[int, str] = {}
    position = 0
    for match in _MARKUP.finditer(written):
        line.add_text(_characters(written[position : match.start()], entities))
        name = match[2] or ""
        kind = Kind.POINT if not name else Kind.CLOSE if match[1] else Kind.OPEN
        number = line.add(kind, match.group())
        if name:
            names[number] = name.lower()
        position = match.end()
    line.add_text(_characters(written[position:], entities))
    return names


def _characters(text: str, entities: bool) -> str:
    # A line break that is written as a reference could end the cue when it is written as itself.
    return _LINE_ENDS.sub(" ", unescape(text)) if entities else text


def _parts(group: _Group, items: Sequence[Item]) -> list[list[Item]]:
    """The items of each cue."""
    parts: list[list[Item]] = [[]]
    for item in items:
        if isinstance(item, Mark) and item.kind is Kind.POINT and item.number in group.ends:
            parts.append([])
        else:
            parts[-1].append(item)
    if all(map(has_words, parts)) or len(parts) == 1:
        return parts
    return _shared_out([item for part in parts for item in part], group.cues)


def _shared_out(items: Sequence[Item], cues: Sequence[_Cue]) -> list[list[Item]]:
    """The items for each cue, by the length of its text in the source, at least a word each."""
    words: list[Item] = []
    for item in items:
        words += [item] if isinstance(item, Mark) else re.findall(r"\s*\S+\s*|\s+", item)
    count = sum(map(_is_word, words))
    whole = sum(len(cue.text) for cue in cues)
    ends = [sum(len(cue.text) for cue in cues[: place + 1]) for place in range(len(cues))]
    bounds = [max(place + 1, round(count * end / whole)) for place, end in enumerate(ends)]
    parts: list[list[Item]] = [[] for _ in cues]
    seen = place = 0
    for word in words:
        while place < len(cues) - 1 and seen >= bounds[place] and not _closes(word):
            place += 1
        parts[place].append(word)
        seen += _is_word(word)
    return parts


def _is_word(item: Item) -> bool:
    return not isinstance(item, Mark) and not item.isspace()


def _closes(item: Item) -> bool:
    return isinstance(item, Mark) and item.kind is Kind.CLOSE
