"""Terms of a glossary and spans that are not translated, through the translator, whatever the model
does."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.domain import Format
from service.text import placeholders
from service.text.terms import MOST_WORDS, Terms, has_terms
from tests.service.text.any_model import translated

GLOSSARY = (("chat", "TOMCAT"), ("chat noir", "PAN THER"), ("le chien", "a & b"), ("Paris", None))


def found(text: str, terms: Mapping[str, str | None] | None = None) -> list[tuple[str, bool]]:
    glossary = Terms(dict(GLOSSARY) if terms is None else terms)
    return [(text[slice(*term.span)], term.has_capital) for term in glossary.find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("un chat dort", [("chat", False)]),
        ("Chat noir, chat  noir", [("Chat noir", True), ("chat  noir", False)]),
        ("chat\nnoir", [("chat", False)]),
        ("chats, achat, chat_1, CHAT, paris", []),
        ("(chat) l'chat-là {chat}", [("chat", False)] * 3),
        ("Paris et Le chien", [("Paris", False), ("Le chien", True)]),
    ],
)
def test_terms_are_found_as_whole_words(text: str, expected: list[tuple[str, bool]]) -> None:
    assert found(text) == expected


def test_scripts_without_spaces() -> None:
    assert found("我爱北京天安门", {"北京": "Beijing", "天安": "x"}) == [
        ("北京", False),
        ("天安", False),
    ]


def test_accents_and_vowel_signs_are_parts_of_words() -> None:
    apart = unicodedata.normalize("NFD", "un cône au théâtre")
    assert found(apart, {"co": "x", "théâtre": "y"}) == [
        (unicodedata.normalize("NFD", "théâtre"), False)
    ]
    assert found("रामायण राम", {"राम": "Rama"}) == [("राम", False)]


def test_apostrophes_and_marks() -> None:
    terms = {"l'eau": "x", "C++": "y", "(c)": "z", "": "w", "  ": "w"}
    assert found("L’eau de C++ (c)", terms) == [("L’eau", True), ("C++", False), ("(c)", False)]


@pytest.mark.parametrize("count", [2, MOST_WORDS])
def test_hostile_glossaries(count: int) -> None:
    terms: dict[str, str | None] = {" ".join("a" * length): "b" for length in range(2, count)}
    terms |= {f"{'a ' * (MOST_WORDS - 1)}{number}": "b" for number in range(5_000)}
    assert len(found("a " * 25_000, terms)) <= 25_000
    assert found(" " * 100_000, terms) == []


@pytest.mark.parametrize(
    ("text", "terms", "expected"),
    [
        ("The tomcat sleeps.", ["tomcat"], True),
        ("Tomcat!", ["tomcat"], True),
        ("– Tomcat!", ["tomcat"], True),
        ("The Tomcat", ["tomcat"], False),
        ("tomcats", ["tomcat"], False),
        ("a cat, a cat", ["cat"], False),
        ("a cat, a cat", ["cat", "cat"], True),
        ("cat food for a cat", ["cat", "cat food"], True),
        ("cat  food", ["cat food"], False),
        ("", [], True),
    ],
)
def test_a_translation_has_the_terms_by_itself(text: str, terms: list[str], expected: bool) -> None:
    assert has_terms(text, terms) is expected


WORDS = ("un", "deux", "chat", "chat noir", "Chat", "le chien", "Le chien", "Paris", "chats")
OTHERS = (" ", " ", " ", " ", "\n", ". ", "{chat}", "%s", "<b>", "</b>", "&amp;", "201", ", ", "é")


def expected(text: str) -> dict[str, int]:
    """How often each target has to be in the translation."""
    terms = Terms(dict(GLOSSARY))
    spans = placeholders.find(text)
    counts: dict[str, int] = {}
    for term in terms.find(text):
        if not any(term.span.start < end and start < term.span.end for start, end in spans):
            # What a placeholder's letters touch stays with it.
            target = term.target or "Paris"
            counts[target] = counts.get(target, 0) + 1
    return counts


@given(st.lists(st.sampled_from((*WORDS, *OTHERS)), max_size=30), st.integers(0, 99), st.booleans())
@settings(max_examples=300, deadline=None)
@example(["chat noir", "\n", "Chat", "le chien"], 0, True)
@example(["un", *["chat"] * 13], 0, False)
def test_no_term_is_lost(parts: list[str], seed: int, attention: bool) -> None:
    text = " ".join(parts)
    translation = translated(text, seed, attention=attention, form=Format.TEXT, glossary=GLOSSARY)
    for target, count in expected(text).items():
        spelt = re.escape(target[0]) + re.escape(target[1:])
        assert len(re.findall(spelt, translation, re.IGNORECASE)) == count, translation
    assert placeholders.same(text, translation)


@given(st.lists(st.sampled_from((*WORDS, *OTHERS)), max_size=20), st.integers(0, 99), st.data())
@settings(max_examples=300, deadline=None)
def test_what_is_not_to_be_translated_is_not(
    parts: list[str], seed: int, data: st.DataObject
) -> None:
    text = " ".join(parts)
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    spans = tuple(zip(places[::2], places[1::2], strict=False))
    translation = translated(text, seed, form=Format.TEXT, kept=(spans,))
    for start, end in spans:
        for part in text[start:end].split("\n"):
            assert part.strip() in translation


TAGS = ("<b>", "</b>", "<p>", "<br>", "<i>", "</i>", "<code>x</code>", ".", "&amp;")


@given(st.lists(st.sampled_from((*WORDS, *TAGS)), max_size=30), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_no_term_is_lost_in_pages(parts: list[str], seed: int) -> None:
    glossary = (("un", "UN"), ("deux", None), ("chat", "x < y"))
    text = " ".join(parts)
    found = translated(text, seed, form=Format.HTML, glossary=glossary)
    assert len(re.findall(r"\bUN\b", found)) == parts.count("un")
    assert len(re.findall(r"\bdeux\b", found)) == parts.count("deux")
    cats = sum("chat" in part.lower().split() for part in parts)
    assert len(re.findall("x &lt; y", found, re.IGNORECASE)) == cats
