from __future__ import annotations

from service.plan import MOST_KEPT_TERMS, terms_of


def test_the_terms_of_a_glossary_are_kept() -> None:
    entries = {f"a{number}": "b" for number in range(100)}
    terms = terms_of(tuple(entries.items()))
    assert terms_of(tuple(dict(entries).items())) is terms
    assert terms_of((*entries.items(), ("c", "d"))) is not terms


def test_what_is_kept_is_bounded() -> None:
    long = "b" * 1_000
    large = tuple((f"a{number}", long) for number in range(MOST_KEPT_TERMS // len(long)))
    terms = terms_of(large)
    assert terms.bytes > MOST_KEPT_TERMS
    assert terms_of(large) is not terms
