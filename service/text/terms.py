"""Finds the terms of a glossary in a text.

A term is found as it is written, or with a capital as its first letter, and as whole words only. It
is not inflected: the glossary says which forms it means. Where terms overlap, the one that begins
first counts, and of those that begin there the longest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from service.text.letters import WITHOUT_SPACES, WORD
from service.text.placeholders import Span

MOST_WORDS = 30
"""Words and marks of a term. A longer one is not found."""
_PART = re.compile(rf"\s+|[{WITHOUT_SPACES}]|{WORD}|[^\w\s]")
_LINE_BREAK = re.compile(r"[\r\n]")


@dataclass(frozen=True, slots=True)
class Term:
    """A term in a text."""

    span: Span
    target: str | None
    """How it is to be translated; None: not at all."""
    has_capital: bool = False
    """Whether it begins with a capital in the text, but not in the glossary."""


class Terms:
    """Terms and how they are to be translated. It never changes, and any thread may use it."""

    def __init__(self, terms: Mapping[str, str | None] | None = None) -> None:
        """terms: how each one is to be translated; None: not at all."""
        self._entries: dict[tuple[str, ...], str | None] = {}
        self._lengths: dict[str, set[int]] = {}
        self.bytes = 1
        """Roughly what they take, with the strings that they were made from."""
        for source, target in (terms or {}).items():
            words = tuple(_words(source.strip())[0])
            if 0 < len(words) <= MOST_WORDS:
                self._entries[words] = target
                self._lengths.setdefault(words[0], set()).add(len(words))
                characters = len(source) + len(target or "")
                self.bytes += 300 + 80 * len(words) + 4 * characters

    def find(self, text: str) -> Iterator[Term]:
        """The terms of a text, in order. Takes time in proportion to the text."""
        words, spans = _words(text) if self._entries else ([], [])
        index = 0
        while index < len(words):
            first = words[index].strip()
            small = first[:1].lower() + first[1:]
            count, has_capital = self._longest(words, index, first), False
            if not count and small != first:
                count, has_capital = self._longest(words, index, small), True
            if count:
                key = (small if has_capital else first, *words[index + 1 : index + count])
                span = Span(spans[index].start, spans[index + count - 1].end)
                yield Term(span, self._entries[key], has_capital)
            index += max(count, 1)

    def _longest(self, words: list[str], index: int, first: str) -> int:
        """How many words the longest term has that begins here with this word; 0: there is none."""
        for count in sorted(self._lengths.get(first, ()), reverse=True):
            key = (first, *words[index + 1 : index + count])
            if len(key) == count and key in self._entries:
                return count
        return 0


def capitalised(term: str) -> str:
    """A term with a capital as its first letter."""
    return term[:1].upper() + term[1:]


def has_terms(text: str, terms: Sequence[str]) -> bool:
    """Whether each of these is in the text as whole words, exactly as often as it is given. At the
    beginning of the text it may have a capital that it has not."""
    wanted = Counter(terms)
    found: Counter[str] = Counter()
    for term in Terms({one: one for one in wanted}).find(text):
        target, place = term.target or "", term.span
        if term.has_capital and not any(map(str.isalnum, text[: place.start])):
            target = capitalised(target)
        if text[slice(*place)] != target:
            return False
        found[term.target or ""] += 1
    return found == wanted


def _words(text: str) -> tuple[list[str], list[Span]]:
    """Words and marks, each with a space before it if there is any; and where they are.

    Accents are parts of their letters, however the text writes them (macOS: as marks of their own).
    """
    words, spans, space = [], [], ""
    for match in _PART.finditer(text):
        part = match.group()
        if part.isspace():
            space = "\n" if _LINE_BREAK.search(part) else " "
            continue
        words.append(space + normalize("NFC", part).replace("’", "'"))
        spans.append(Span(*match.span()))
        space = ""
    return words, spans


def count_words(term: str) -> int:
    """Words and marks of a term."""
    return len(_words(term)[0])


NO_TERMS = Terms()
