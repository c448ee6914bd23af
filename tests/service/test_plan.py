from __future__ import annotations

from service.plan import MOST_KEPT_TERMS, terms_of


def test_the_terms_of_a_glossary_are_kept() -> None:
    entries = {f"a{number}": "b" for number in range(100)}
    terms = terms_of(tuple(entries.items()))
    assert terms_of(tuple(dict(entries).items())) is terms
    others = terms_of((*entries.items(), ("c", "d")))
    assert (len(terms), len(others)) == (100, 101)


def test_what_is_kept_is_bounded() -> None:
    large = tuple((f"a{number}", "b") for number in range(MOST_KEPT_TERMS + 1))
    terms = terms_of(large)
    assert len(terms) == MOST_KEPT_TERMS + 1
    assert terms_of(large) is not terms
