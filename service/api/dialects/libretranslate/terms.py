"""Glossaries and what is not to be translated, in the fields of POST /translate."""

from __future__ import annotations

from collections.abc import Sequence, Sized

from service.api.dialects.libretranslate.fields import RANGES, Range, TranslateBody
from service.errors import InvalidRequest
from service.text.glossary_entries import checked, from_tsv

MAX_TERMS = 1_000
"""Most terms in one request, and most ranges."""

Glossary = tuple[tuple[str, str | None], ...]
Kept = tuple[tuple[Range, ...], ...]


def glossary(body: TranslateBody) -> Glossary:
    """Terms and how they are translated. What is not to be translated comes last, and so counts.

    Raises:
        InvalidRequest: some term can't be one, or there are too many.
    """
    entries: dict[str, str | None] = {}
    if isinstance(body.glossary, str) and body.glossary:
        _require_few([line for line in body.glossary.splitlines() if line.strip()], "glossary")
        entries |= from_tsv(body.glossary)
    elif body.glossary:
        _require_few(body.glossary, "glossary")
        entries |= checked(enumerate(body.glossary.items(), 1))
    terms = body.do_not_translate
    if terms:
        listed = [terms] if isinstance(terms, str) else terms
        pairs = dict.fromkeys(listed)  # a term that comes twice is one term
        _require_few(pairs, "do_not_translate")
        entries |= dict.fromkeys(checked((i, (term, term)) for i, term in enumerate(pairs, 1)))
    _require_few(entries, "glossary")
    return tuple(entries.items())


def kept(body: TranslateBody) -> Kept:
    """The characters of each text that are not translated; none at all, or some for each text.

    Raises:
        InvalidRequest: the texts have no such characters.
    """
    given = body.do_not_translate_ranges
    if not given:
        return ()
    ranges = [given] if isinstance(body.q, str) else given
    if len(ranges) != len(body.texts):
        raise InvalidRequest(f"Invalid request: do_not_translate_ranges parameter {RANGES}")
    return tuple(map(_of_text, body.texts, ranges))


def _of_text(text: str, ranges: Sequence[object]) -> tuple[Range, ...]:
    _require_few(ranges, "do_not_translate_ranges")
    found = []
    for one in ranges:
        start, end = one if isinstance(one, tuple) else (0, 0)
        if not 0 <= start < end <= len(text):
            raise InvalidRequest(f"Invalid request: do_not_translate_ranges parameter {RANGES}")
        found.append((start, end))
    return tuple(sorted(found))


def characters(terms: Glossary) -> int:
    """How much text a glossary holds."""
    return sum(len(source) + len(target or "") for source, target in terms)


def _require_few(items: Sized, name: str) -> None:
    """Raises InvalidRequest where there are too many: before they are looked at, as that takes
    seconds of a hundred thousand."""
    if len(items) > MAX_TERMS:
        raise InvalidRequest(
            f"Invalid request: {name} parameter must not have more than {MAX_TERMS} items"
        )
