"""Finds what a translation must hold exactly as its source does: placeholders, tags, addresses.

| | |
|---|---|
| braces | `{name}`, `{0}`, `{}`, `{{x}}`, `${x}`, `#{x}`, `%{x}`, `{% tag %}`, ICU messages whole |
| printf | `%s`, `%(name)s`, `%1$d`, `%.2f`, `%@`, `%%`, and `%name%` |
| tags | `<0/>`, `<b>`, `</b>`, `<a href="x">` |
| addresses | URLs and e-mail addresses |

Time is linear in the text. Braces are paired in one pass, as patterns can't be.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """Characters [start, end) of a text."""

    start: int
    end: int


_URL = r"(?<![A-Za-z0-9_])(?:[A-Za-z][A-Za-z0-9+.-]{1,20}://|www\.)[!#-;=?-_a-~\u00c0-\u024f]+"
_MAIL = (
    r"(?<![A-Za-z0-9._%+-])(?:mailto:)?[A-Za-z0-9._%+-]{1,64}"
    r"@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
)
_TAG = r"</?[A-Za-z0-9][\w:.-]{0,100}(?:\s[^<>]{0,1000})?/?>"
_PRINTF = (
    r"%%|(?<![\d%])%(?:\([\w.]{1,100}\)|\d{1,3}\$)?[-+0#]{0,5}(?:\d{1,5}|\*)?(?:\.(?:\d{1,5}|\*))?"
    r"(?:hh|ll|[hlLzjtq])?[diouxXeEfFgGaAcspn@]"
)
_BETWEEN_PERCENTS = r"(?<![\w%])%[A-Za-z_][\w.]{0,100}%(?![\w%])"
_OUTSIDE_BRACES = re.compile("|".join((_URL, _MAIL, _TAG, _BETWEEN_PERCENTS, _PRINTF)))
_IS_URL = re.compile(_URL)

_AROUND_URLS = ".,;:!?'…"
_BRACE = re.compile(r"[{}]")
_SIGILS = "$#%"
_NAME = re.compile(r"\{\s?[^\s{}]{0,200}\s?\}")
_ICU = re.compile(
    r"\{\s{0,9}[\w.-]{1,100}\s{0,9},\s{0,9}"
    r"(?:plural|select|selectordinal|number|date|time|spellout|ordinal|duration|choice|list)\b"
)


def find(text: str) -> list[Span]:
    """Every placeholder, tag and address, in order; where some overlap the first one."""
    candidates = sorted((*_outside_braces(text), *_braces(text)), key=lambda span: span.start)
    found: list[Span] = []
    for span in candidates:
        if not found or span.start >= found[-1].end:
            found.append(span)
    return found


def same(source: str, target: str) -> bool:
    """Whether both have the same placeholders as often, and the same tags in the same order."""
    first, second = ([text[start:end] for start, end in find(text)] for text in (source, target))
    return Counter(first) == Counter(second) and _tags(first) == _tags(second)


def _tags(found: list[str]) -> list[str]:
    return [one for one in found if one.startswith("<")]


def _outside_braces(text: str) -> Iterator[Span]:
    for match in _OUTSIDE_BRACES.finditer(text):
        end = match.end()
        if _IS_URL.match(text, match.start(), end):
            end = _end_of_address(text, match.start(), end)
        yield Span(match.start(), end)


def _end_of_address(text: str, start: int, end: int) -> int:
    """Where an address ends that punctuation of the sentence may follow."""
    closes = text.count(")", start, end) - text.count("(", start, end)
    while end > start + 1:
        if text[end - 1] == ")" and closes > 0:
            closes -= 1
        elif text[end - 1] not in _AROUND_URLS:
            break
        end -= 1
    return end


def _braces(text: str) -> Iterator[Span]:
    """Pairs of braces that are placeholders. In order of their ends, so inner ones come first."""
    opened: list[int] = []
    for match in _BRACE.finditer(text):
        if match.group() == "{":
            opened.append(match.start())
        elif opened:
            span = _with_sigil(text, opened.pop(), match.end())
            if _is_placeholder(text, span):
                yield span


def _with_sigil(text: str, start: int, end: int) -> Span:
    has_sigil = start > 0 and text[start - 1] in _SIGILS
    return Span(start - has_sigil, end)


def _is_placeholder(text: str, span: Span) -> bool:
    start, end = span
    if text[start] in _SIGILS or text.startswith(("{{", "{%"), start):
        return text.startswith("{{", start) <= text.endswith("}}", start, end)
    return bool(_NAME.fullmatch(text, start, end) or _ICU.match(text, start, end))
