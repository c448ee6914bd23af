"""Text → segments: sentences to translate, and everything between them, kept as it is.

The segments' texts, joined, are always the text: they are slices of it, in order.

Lines come first, since a line break ends a sentence whatever stands around it; then `sentencex`
finds the sentences of each line. Three of its habits are worked around here:

- it panics at a space of several bytes before a full stop, so it is shown plain spaces instead;
- it takes quadratic time for lines full of opening quotes, so long lines are read in windows;
- it splits behind some abbreviations, and inside of dotted words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise

import sentencex

from service.domain import Segment
from service.text.language_codes import shortened
from service.text.languages import canonical

WINDOW = 4_000
"""Characters of a line that are looked at together."""

_SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
_INVISIBLE = _SPACE + "\u200b\u2060\ufeff"
"""Spaces, and marks without width that tokenizers drop."""
_UNUSUAL_SPACE = re.compile(r"[^\S ]")

_URL = re.compile(r"\W*(?:(?:https?|ftp)://|www\.)\S+")
_MAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")

_ENDS_WITH_WORD = re.compile(r"(?:^|[^\w.])([^\W\d_]+)\.\s*\Z")
_LONGEST_ABBREVIATION = 16
_BEFORE_NAMES = {
    "en": re.compile("Mrs?|Ms|Messrs|Dr|Prof|St|Rev|Hon|Gen|Col|Capt|Lt|Sgt|Gov|Sen|Rep"),
    "fr": re.compile("MM?|Mr|Mmes?|Mlles?|Me|Mgr|Drs?|Pr|Prof|Ste?|cf"),
}
_BEFORE_NUMBERS = {
    "en": re.compile("[Nn]os?|[Vv]ol|[Ff]ig|pp?|approx"),
    "fr": re.compile("[Nn]o|vol|pp?|fig|ch|art|réf|janv|févr|avr|juil|sept|oct|nov|déc"),
}
_NEVER = re.compile("(?!)")


def segments(text: str, language: str) -> list[Segment]:
    """Cut a text, of any length and content, into sentences and what is between them.

    language: code of the text's language, in two letters or three. Sentences of any other language
    are found too, with fewer abbreviations known. Neighbours that are kept as they are come as one
    segment.
    """
    language = shortened(canonical(language).partition("-")[0])
    pieces = (
        piece
        for line in text.splitlines(keepends=True)
        for sentence in _sentences(line, language)
        for piece in surrounded(sentence)
    )
    return list(_joined(pieces))


def surrounded(sentence: str) -> list[Segment]:
    """A sentence as one segment, the space before and behind it as others; none is empty.

    A sentence is to be translated if it has a word: numbers, emoji, punctuation and addresses
    alone are kept.
    """
    core = sentence.strip(_INVISIBLE)
    start = len(sentence) - len(sentence.lstrip(_INVISIBLE))
    end = start + len(core)
    parts = (
        Segment(sentence[:start], translatable=False),
        Segment(core, translatable=any(map(_is_word, core.split()))),
        Segment(sentence[end:], translatable=False),
    )
    return [part for part in parts if part.text]


def _is_word(part: str) -> bool:
    """Whether this part, without spaces, has a letter and is no address."""
    has_letter = any(character.isalpha() for character in part)
    return has_letter and not _URL.fullmatch(part) and not _MAIL.fullmatch(part)


def _joined(pieces: Iterable[Segment]) -> Iterator[Segment]:
    for translatable, group in groupby(pieces, key=lambda piece: piece.translatable):
        if translatable:
            yield from group
        else:
            yield Segment("".join(piece.text for piece in group), translatable=False)


def _sentences(line: str, language: str) -> Iterator[str]:
    """The sentences of a line, with the space behind them."""
    start = 0
    for end, following in pairwise((*_sentence_ends(line, language), len(line))):
        if not _goes_on(line[start:end], line[end:following], language):
            yield line[start:end]
            start = end
    yield line[start:]


def _sentence_ends(line: str, language: str) -> Iterator[int]:
    """Where sentences end inside of a line, as sentencex sees it.

    A window's end is no sentence's end: the next window starts where the last sentence did, or,
    after a window without an end, behind it.
    """
    visible = _UNUSUAL_SPACE.sub(" ", line)
    start = 0 if visible.strip() else len(line)
    while start < len(line):
        window = visible[start : start + WINDOW]
        found = sentencex.get_sentence_boundaries(language, window)
        ends = [start + boundary["end_index"] for boundary in found[:-1]]
        yield from ends
        is_last = start + WINDOW >= len(line)
        start = len(line) if is_last else ends[-1] if ends else start + WINDOW


def _goes_on(sentence: str, following: str, language: str) -> bool:
    """Whether no sentence ends between the two, although sentencex says so."""
    ending = sentence[-_LONGEST_ABBREVIATION:]
    if ending.endswith("."):
        return True  # no space behind the full stop: a name such as U.R.S.S. or node.js
    if not (found := _ENDS_WITH_WORD.search(ending)):
        return False
    word = found.group(1)
    starts_with_initial = len(word) == 1 and word.isupper() and len(sentence.strip()) == len("J.")
    before_name = _BEFORE_NAMES.get(language, _NEVER).fullmatch(word)
    before_number = _BEFORE_NUMBERS.get(language, _NEVER).fullmatch(word)
    return bool(starts_with_initial or before_name or (before_number and following[:1].isdigit()))
