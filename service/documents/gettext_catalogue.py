"""Catalogues of gettext (`.po`, `.pot`): empty translations are filled in.

What is translated already stays. Entries marked `fuzzy` are translated anew and keep the mark, as a
person is still to look at them; programs use them only then. Of plural forms, the one for the
number 1 is the translation of `msgid`, all others are that of `msgid_plural`. Comments, flags,
contexts, obsolete entries and the header stay byte for byte.

GNU gettext manual, "The Format of PO Files".
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from service.documents.contents import Limits
from service.documents.encoding import decoded
from service.documents.plain_text import replaced
from service.domain import Format
from service.errors import InvalidDocument

_CHARSET = re.compile(rb"charset=([A-Za-z0-9._-]{1,40})\\n")
_PLURAL = re.compile(r"plural\s*=\s*([^;\n]{1,1000});?")
_KEYWORD = re.compile(
    r'[ \t]*(msgctxt|msgid_plural|msgid|msgstr(?:\[\d{1,2}\])?)[ \t]*"((?:[^"\\\r\n]|\\.)*+)"[ \t]*'
)
_LINE = re.compile(r"([^\r\n]*)(?:\r\n?|\n|\Z)")
_MORE = re.compile(r'[ \t]*"((?:[^"\\\r\n]|\\.)*+)"[ \t]*')
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\\"'?])|x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_UNESCAPED = {ord(value): f"\\{name}" for name, value in _ESCAPED.items()}
_UNESCAPED |= {ord("\\"): "\\\\", ord('"'): '\\"'}


@dataclass(slots=True)
class _Field:
    """A keyword and its string."""

    name: str
    text: str
    start: int
    """[start, end) is what it takes of the file."""
    end: int


@dataclass(slots=True)
class _Entry:
    fuzzy: bool = False
    fields: dict[str, _Field] = field(default_factory=dict)

    @property
    def to_fill(self) -> list[_Field]:
        """Translations that are missing or in doubt; none of the header's."""
        if not self.sources or not self.sources[0]:
            return []
        translations = (one for name, one in self.fields.items() if name.startswith("msgstr"))
        return [one for one in translations if self.fuzzy or not one.text]

    @property
    def sources(self) -> list[str]:
        """The text, and that of its plural if it has one."""
        names = ("msgid", "msgid_plural")
        return [self.fields[name].text for name in names if name in self.fields]


class Catalogue:
    """Contents of such a file."""

    format = Format.TEXT

    def __init__(self, content: bytes) -> None:
        """Raises InvalidDocument if it is no such file."""
        charset = _CHARSET.search(content)
        name = charset[1].decode() if charset else "CHARSET"
        self._decoded = decoded(content, None if name == "CHARSET" else name)
        entries = list(_entries(self._decoded.text))
        self._one = _form_of_one(entries)
        self._entries = [entry for entry in entries if entry.to_fill]
        self.texts = [text for entry in self._entries for text in entry.sources]

    def filled(self, translations: Sequence[str], target: str) -> bytes:
        """The file with these translations.

        Raises:
            InvalidDocument: its encoding lacks characters of them.
        """
        following = iter(translations)
        spans, strings = [], []
        for entry in self._entries:
            found = [next(following) for _ in entry.sources]
            for one in entry.to_fill:
                is_singular = one.name in ("msgstr", f"msgstr[{self._one}]")
                spans.append((one.start, one.end))
                strings.append(
                    _written(one.name, found[0] if is_singular else found[-1], self._eol)
                )
        try:
            return self._decoded.encoded(replaced(self._decoded.text, spans, strings))
        except UnicodeEncodeError:
            raise InvalidDocument(
                f"The file's encoding, {self._decoded.encoding}, lacks characters of the "
                "translation; use UTF-8."
            ) from None

    @property
    def _eol(self) -> str:
        return "\r\n" if "\r\n" in self._decoded.text else "\n"


def read(content: bytes, limits: Limits) -> Catalogue:
    """Read a catalogue."""
    return Catalogue(content)


def _entries(text: str) -> Iterator[_Entry]:
    entry, last = _Entry(), None
    for number, line in enumerate(_LINE.finditer(text), 1):
        stripped, (start, end) = line[1], line.span(1)
        if found := _KEYWORD.fullmatch(stripped):
            if found[1] in entry.fields or ("msgstr" in found[1]) < bool(_translated(entry)):
                yield entry
                entry = _Entry()
            last = entry.fields[found[1]] = _Field(found[1], _unescaped(found[2]), start, end)
        elif (found := _MORE.fullmatch(stripped)) and last is not None:
            last.text, last.end = last.text + _unescaped(found[1]), end
        elif not stripped.strip() or stripped.lstrip().startswith("#"):
            flags = stripped.lstrip()
            if entry.fields or flags.startswith("#~"):  # obsolete, and so are the flags before it
                yield entry
                entry = _Entry()
            last = None
            entry.fuzzy |= flags.startswith("#,") and "fuzzy" in re.split(r"[\s,]+", flags)
        else:
            raise InvalidDocument(f"The file is not a gettext catalogue: line {number}.")
    yield entry


def _translated(entry: _Entry) -> bool:
    return any(name.startswith("msgstr") for name in entry.fields)


def _form_of_one(entries: Sequence[_Entry]) -> int:
    """Index of the plural form for the number 1, as the header says."""
    headers = (entry.fields["msgstr"].text for entry in entries if entry.sources == [""])
    found = _PLURAL.search(next(headers, ""))
    if found is None or "EXPRESSION" in found[1]:
        return 0
    try:
        return int(gettext.c2py(found[1])(1))
    except (ValueError, RecursionError, ArithmeticError):
        raise InvalidDocument("The header's Plural-Forms can't be read.") from None


def _unescaped(string: str) -> str:
    def character(match: re.Match[str]) -> str:
        simple, hexadecimal, octal, other = match.groups()
        if simple:
            return _ESCAPED.get(simple, simple)
        if other:
            return f"\\{other}"
        return chr(int(hexadecimal, 16) if hexadecimal else int(octal, 8))

    return _ESCAPE.sub(character, string)


def _written(name: str, text: str, eol: str) -> str:
    """A keyword with its string, in lines where the text has some."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text) if "\n" in text.rstrip("\n") else [text]
    strings = [f'"{line.translate(_UNESCAPED)}"' for line in lines or [""]]
    if len(strings) > 1:
        strings.insert(0, '""')
    return f"{name} {eol.join(strings)}"
