from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain import Segment
from service.text.segmenter import WINDOW, segments, surrounded
from tests.service.text.hostile import LONG, SHORT
from tests.service.text.small_vocabularies import lines

LANGUAGES = st.sampled_from(["fr", "en", "de", "zh", "ar", "hi", "fr-CA", "zz", "", "../x"])
QUOTES_AND_STOPS = [". ", "…", "?!", "«", "»", "“", "”", '"', "(", "。", "\u00a0."]
SPACES = [" ", "\n", "\r", "\u2028", "\u00a0"]
WORDS = ["M.", "Dr.", "A", "é", "1.5", "etc.", "a@b.c", "http://a.b/c.", "👍🏽", "\u0301"]
FRAGMENTS = st.sampled_from([*QUOTES_AND_STOPS, *SPACES, *WORDS])


def sentences(text: str, language: str) -> list[str]:
    """What is to be translated."""
    return [segment.text for segment in segments(text, language) if segment.translatable]


@given(text=st.text(max_size=200) | st.lists(FRAGMENTS).map("".join), language=LANGUAGES)
@settings(max_examples=400, deadline=None)
def test_the_segments_are_the_text(text: str, language: str) -> None:
    found = segments(text, language)

    assert "".join(segment.text for segment in found) == text
    assert all(segment.text for segment in found)
    assert all(segment.text == segment.text.strip() for segment in found if segment.translatable)


@pytest.mark.parametrize("text", SHORT + LONG, ids=lambda text: ascii(text[:9]))
def test_the_segments_are_the_hostile_text(text: str) -> None:
    assert "".join(segment.text for segment in segments(text, "fr")) == text


@pytest.mark.parametrize("unit", [". ", '"', "“", "« ", "(", "a. ", "A. B", "e.g. ", "\n", "'"])
def test_no_text_takes_quadratic_time(unit: str) -> None:
    # Without the windows, a quarter of a minute for some of these.
    text = unit * (200_000 // len(unit))

    assert "".join(segment.text for segment in segments(text, "en")) == text


def test_spacing_is_kept_between_sentences_and_lines() -> None:
    text = "\n\n \tUn chat. \u00a0 Un chien !\r\n\r\nOui\u2028Non\x0c  "

    assert segments(text, "fr") == [
        Segment("\n\n \t", translatable=False),
        Segment("Un chat.", translatable=True),
        Segment(" \u00a0 ", translatable=False),
        Segment("Un chien !", translatable=True),
        Segment("\r\n\r\n", translatable=False),
        Segment("Oui", translatable=True),
        Segment("\u2028", translatable=False),
        Segment("Non", translatable=True),
        Segment("\x0c  ", translatable=False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *["", " ", "\n", "👍", "🇫🇷", "12,5 %", "?!…", "—", "1. 2. 3.", "\ufeff", "\u200b"],
        *["https://example.com/a?b=c", "(www.a.org)", "jean.dupont@example.com", "a@b.fr, c@d.fr"],
    ],
)
def test_text_without_words_is_kept(text: str) -> None:
    assert sentences(text, "fr") == []


@pytest.mark.parametrize("text", ["é", "中", "Voir https://a.b", "@jean", "3 km", "a"])
def test_text_with_a_word_is_translated(text: str) -> None:
    assert sentences(text, "fr") == [text]


FRENCH = [
    ["M. Dupont est venu.", "Mme. Martin aussi."],
    ["MM. Dupont et Durand parlent au Dr. Petit et au Pr. Leroy.", "Oui."],
    ["J. K. Rowling a écrit un livre.", "Je l'ai lu."],
    ["A. Camus est né en 1913."],
    ["« Bonjour. Ça va ? » dit-il.", "Elle rit."],
    ["Il dit : « Oui. »", "Elle part."],
    ['Il a dit "Oui."', "Puis il partit."],
    ["Quoi ?!", "Non !", "Si..."],
    ["Cela coûte 3,50 €.", "C'est 1.5 fois plus."],
    ["Le no. 5 est là, p. 12.", "Le 3 janv. 2020 aussi."],
    ["Voir http://example.com.", "Puis www.test.org/a.b?c=d.e."],
    ["Écrire à a.b@example.com.", "Merci."],
    ["L'U.R.S.S. a disparu.", "Les U.S.A. non."],
    ["Le fichier README.md est sur example.com."],
    ["je suis là.", "tu viens ?"],
]

ENGLISH = [
    ["Mr. Smith met Mrs. Jones.", "They left."],
    ["Dr. Who left."],
    ["It costs $3.50.", "No. 5 is here."],
    ['He said "Hi."', "She left."],
    ["“Really?” he asked.", "“Yes!”", "She left."],
    ["Wait...", "What?!", "No.", "Yes."],
    ["The U.S. Government agreed.", "J. F. Kennedy died."],
    ["See e.g. this, i.e. that."],
    ["Go to example.com.", "Now."],
    ["Version 1.2.3 of node.js is out."],
]


@pytest.mark.parametrize("expected", FRENCH, ids=lambda expected: expected[0])
def test_french(expected: list[str]) -> None:
    assert sentences(" ".join(expected), "fr") == expected


@pytest.mark.parametrize("expected", ENGLISH, ids=lambda expected: expected[0])
def test_english(expected: list[str]) -> None:
    assert sentences(" ".join(expected), "en-GB") == expected


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        (("de", "deu", "DEU-at"), "Das ist z. B. am 3. Mai gut. Das kommt bzw. geht."),
        (("fr", "fra"), "Voyez M. Dupont p. ex. hier. Il va bien."),
    ],
)
def test_a_language_in_three_letters_is_the_same_one(codes: tuple[str, ...], text: str) -> None:
    assert [len(sentences(text, code)) for code in codes] == [2] * len(codes)


def test_sentences_of_other_languages() -> None:
    assert sentences("これは。そうです！", "ja") == ["これは。", "そうです！"]
    assert sentences("Hello. World.", "zz") == ["Hello.", "World."]


def test_windows_do_not_cut_sentences() -> None:
    expected = lines("fr") * 5
    text = " ".join(expected)

    assert len(text) > 2 * WINDOW
    assert sentences(text, "fr") == [
        one for sentence in expected for one in sentences(sentence, "fr")
    ]


def test_a_sentence_longer_than_a_window_stays_whole() -> None:
    long = "mot " * WINDOW + "fin."

    assert sentences(f"Un. {long} Deux.", "fr") == ["Un.", long, "Deux."]


def test_a_sentence_is_surrounded_by_its_spacing() -> None:
    assert [segment.text for segment in surrounded("\u200b oui \ufeff")] == [
        "\u200b ",
        "oui",
        " \ufeff",
    ]
    assert surrounded("") == []
