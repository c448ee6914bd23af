"""What models are not shown, and where it is then."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import Format, Splitting
from service.text.document import document
from service.text.passage import Passage, Sentence
from service.text.protection import EVERYTHING, NOTHING, Protection
from service.text.segmenter import segments, surrounded
from service.text.terms import Terms

CUT = partial(segments, language="fr")
PARTS = (
    *("😀", "👨\u200d👩\u200d👧", "🇫🇷", "❤️", "1️⃣", "©️", "★★☆", "👍🏽"),
    *(" ", "  ", "\u00a0", "\n", "Le chat", "dort", "Tu", ".", " !", "{x}", "猫", "\u00ad", "1"),
)
TAGS = ("<b>", "</b>", "<br>", "<p>", "&amp;", "&#128512;", "<code>😀</code>")


def passage(text: str, form: Format = Format.TEXT, protection: Protection = EVERYTHING) -> Passage:
    (only,) = document(text, form, protection).passages
    return only


def hidden(text: str, found: Passage) -> list[tuple[int, str]]:
    return [(tag.place, text[tag.start : tag.end]) for tag in found.tags if tag.is_picture]


@pytest.mark.parametrize(
    ("text", "shown", "pictures"),
    [
        ("Merci 😀 !", "Merci !", [(5, " 😀")]),
        ("Merci 😀", "Merci", [(5, " 😀")]),
        ("Merci😀!", "Merci!", [(5, "😀")]),
        ("😀 Merci", " Merci", [(0, "😀")]),
        ("  😀 Merci", "   Merci", [(2, "😀")]),
        ("le 😀chat", "le chat", [(3, "😀")]),
        ("le😀 chat", "le chat", [(2, "😀")]),
        ("le😀chat", "le😀chat", []),
        ("猫😀猫", "猫猫", [(1, "😀")]),
        ("voir http://a.fr 😀#oui", "voir http://a.fr #oui", [(17, "😀")]),
        ("oui 😀(non 😀)", "oui (non)", [(4, "😀"), (8, " 😀")]),
        ("oui 👍🏽 👨\u200d👩\u200d👧 🇫🇷!", "oui!", [(3, " 👍🏽 👨\u200d👩\u200d👧 🇫🇷")]),
        ("1️⃣ un ©️ et ☑ deux", " un et deux", [(0, "1️⃣"), (3, " ©️"), (6, " ☑")]),
        ("Note ℹ️ le chat, ℹ", "Note le chat,", [(4, " ℹ️"), (13, " ℹ")]),
        ("Bravo :tada::+1: !", "Bravo !", [(5, " :tada::+1:")]),
        (":white_check_mark: Fini", " Fini", [(0, ":white_check_mark:")]),
        ("à 12:30:45, a::std::b, ici :non", "à 12:30:45, a::std::b, ici :non", []),
        ("10 € → 20 %, n° 1", "10 € → 20 %, n° 1", []),
    ],
)
def test_a_picture_is_a_tag(text: str, shown: str, pictures: list[tuple[int, str]]) -> None:
    found = passage(text)
    assert found.text == shown
    assert hidden(text, found) == pictures


def test_not_inside_of_what_is_protected() -> None:
    text = "{n, plural, other {# 😀}} I ❤️ NY et 😀"
    found = passage(text, protection=Protection(terms=Terms({"I ❤️ NY": "NY"})))
    assert hidden(text, found) == [(len(text) - 2, " 😀")]


def test_not_where_all_is_left_to_the_model() -> None:
    assert passage("Merci 😀 !", protection=NOTHING).text == "Merci 😀 !"


def test_tags_stay_with_their_partners() -> None:
    text = "<p>😀 Le <b>chat 😀</b> <i>dort</i> &#128512;.</p>"
    found = passage(text, Format.HTML)
    assert found.text == " Le chat dort."
    partners = [
        (text[tag.start : tag.end], found.tags[tag.partner])
        for tag in found.tags
        if tag.partner is not None
    ]
    assert [(one, text[other.start : other.end]) for one, other in partners] == [
        *(("<b>", "</b>"), ("</b>", "<b>"), ("<i>", "</i>"), ("</i>", "<i>"))
    ]
    assert hidden(text, found) == [(0, "😀"), (8, " 😀"), (13, " &#128512;")]


@pytest.mark.parametrize(
    ("text", "shown", "pictures"),
    [
        ("Oui <i>👏</i><i>🎉</i>", "Oui ", [(4, "👏"), (4, "🎉")]),
        ("Oui <i>👏</i> <i>🎉</i> !", "Oui   !", [(4, "👏"), (5, "🎉")]),
        ("Oui 👏<i>🎉</i> !", "Oui !", [(3, " 👏"), (3, "🎉")]),
        ("Oui 👏<i>🎉</i>non", "Oui non", [(4, "👏"), (4, "🎉")]),
        ("Oui👏<i>🎉</i>non", "Oui👏🎉non", []),
        ("🇫<i>🇷</i> oui", " oui", [(0, "🇫"), (0, "🇷")]),
    ],
)
def test_tags_divide_runs(text: str, shown: str, pictures: list[tuple[int, str]]) -> None:
    found = passage(text, Format.HTML)
    assert found.text == shown
    assert hidden(text, found) == pictures


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Bravo 👏 Tu as gagné", ["Bravo", "Tu as gagné"]),
        ("Bravo 👏🏽🎉  Tu dors 😀 Oui", ["Bravo", "Tu dors", "Oui"]),
        ("Bravo 👏 « Tu as gagné »", ["Bravo", "« Tu as gagné »"]),
        ("Il dort {x} ici 😀 {y} dort 😀 Oui", ["Il dort {x} ici {y} dort", "Oui"]),
        ("Salut {x} 😀 Tu dors", ["Salut {x}", "Tu dors"]),
        ("Oui 👏 et non", ["Oui et non"]),
        ("Il dort, 😀 Tom", ["Il dort, Tom"]),
        ("BRAVO 👏 TU DORS", ["BRAVO TU DORS"]),
        ("Le chat 🐈 Tom dort", ["Le chat Tom dort"]),
        ("Nous ❤️ Paris", ["Nous Paris"]),
        ("Oui 👏\nNon", ["Oui", "Non"]),
    ],
)
def test_a_feeling_before_a_capital_ends_a_sentence(text: str, sentences: list[str]) -> None:
    found = [one.text for one in document(text, Format.TEXT).segments(CUT) if one.translatable]
    assert found == sentences


def test_not_where_nothing_does() -> None:
    (only,) = document("Bravo 👏 Tu dors", Format.TEXT, splitting=Splitting.NONE).segments(
        surrounded
    )
    assert only.text == "Bravo Tu dors"


texts = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)
pages = st.lists(st.sampled_from((*PARTS, *TAGS)), max_size=16).map("".join)


@given(texts, st.just(Format.TEXT))
def test_nothing_is_lost(text: str, form: Format) -> None:
    require_all_there(text, form)


@given(pages, st.just(Format.HTML))
def test_nothing_is_lost_in_markup(text: str, form: Format) -> None:
    require_all_there(text, form)


def require_all_there(text: str, form: Format) -> None:
    read = document(text, form)
    written = [one.written if isinstance(one, Sentence) else one.text for one in read.segments(CUT)]
    assert "".join(written) == text
    for found in read.passages:
        starts = [tag.start for tag in found.tags]
        assert starts == sorted(set(starts))
        assert all(first.place <= second.place for first, second in pairwise(found.tags))
        for index, tag in enumerate(found.tags):
            assert tag.partner is None or found.tags[tag.partner].partner == index
