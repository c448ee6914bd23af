"""Entries of glossaries: source terms and their translations, as TSV, CSV or pairs."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from io import StringIO

from service.errors import InvalidRequest
from service.text.terms import MOST_WORDS, count_words

MOST_CHARACTERS = 1_000
"""Of a term."""
_BYTE_ORDER_MARK = "\ufeff"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Entries = dict[str, str]
"""Source term → target term."""


def from_tsv(text: str) -> Entries:
    """Entries, one a line: source term, tabulator, target term. Blank lines are left out.

    Raises:
        InvalidRequest: it is none.
    """
    lines = re.split(r"\r\n|\r|\n", text.removeprefix(_BYTE_ORDER_MARK))
    rows = [(number, line.split("\t")) for number, line in enumerate(lines, 1) if line.strip()]
    for number, row in rows:
        if len(row) != 2:
            raise _wrong(number, "must be two terms with a tabulator between them")
    return checked((number, row) for number, row in rows)


def from_csv(text: str) -> Entries:
    """Entries as comma-separated values: source term, target term, and perhaps the two languages,
    which are left out.

    Raises:
        InvalidRequest: it is none.
    """
    content = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        rows = [row for row in csv.reader(StringIO(content), strict=True) if row]
    except csv.Error as error:
        raise InvalidRequest(f"Invalid request: glossary entries are no CSV: {error}") from None
    for number, row in enumerate(rows, 1):
        if len(row) not in (2, 4):
            raise _wrong(number, "must be two terms, or two terms and two languages")
    return checked(enumerate((row[:2] for row in rows), 1))


def to_tsv(entries: Entries) -> str:
    """The entries as from_tsv() takes them."""
    return "\n".join(f"{source}\t{target}" for source, target in entries.items())


def checked(rows: Iterable[tuple[int, Sequence[str]]]) -> Entries:
    """Entries of numbered pairs.

    Raises:
        InvalidRequest: there are none, or one has a term that can't be one or that another has.
    """
    entries: Entries = {}
    for number, row in rows:
        source, target = (term.strip() for term in row)
        for name, term in (("source", source), ("target", target)):
            if fault := _fault(term):
                raise _wrong(number, f"has a {name} term that {fault}")
        if count_words(source) > MOST_WORDS:
            raise _wrong(number, f"has a source term of more than {MOST_WORDS} words")
        if source in entries:
            raise _wrong(number, "has the source term of another entry")
        entries[source] = target
    if not entries:
        raise InvalidRequest("Invalid request: the glossary has no entries")
    return entries


def _fault(term: str) -> str:
    if not term:
        return "is empty"
    if _CONTROL.search(term):
        return "has control characters"
    return f"is longer than {MOST_CHARACTERS} characters" if len(term) > MOST_CHARACTERS else ""


def _wrong(number: int, fault: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid request: glossary entry {number} {fault}")
