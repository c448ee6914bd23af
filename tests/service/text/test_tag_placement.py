"""Where tags go, with a model whose words attend to one word each."""

from __future__ import annotations

from functools import partial

import pytest

from service.domain import Format
from service.text.assembly import Attended, assembled, marks_in
from service.text.character_alignment import translated_places
from service.text.document import document
from service.text.passage import Sentence
from service.text.segmenter import segments
from service.text.tags import Tag
from service.text.word_alignment import words

CUT = partial(segments, language="fr")


def written(text: str, translation: str, attended: tuple[int, ...]) -> str:
    """attended: for each word of the translation, the place of the sentence's word."""
    (sentence,) = document(text, Format.HTML).segments(CUT)
    assert isinstance(sentence, Sentence)
    source, target = words(sentence.text), words(translation)
    attention = [[float(place == one) for place in range(len(source))] for one in attended]
    attended_to = Attended(attention, target, source)
    marks = marks_in(sentence, translation, attended_to)
    found = assembled(sentence, translation, attended_to)
    assert marks is not None
    assert found is not None
    places = translated_places(sentence, translation, marks).marks
    tags = [mark for _, mark in marks if isinstance(mark, Tag)]
    assert [found[slice(*one)] for one in places] == list(map(sentence.written_tag, tags))
    return found


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("<b> </b>", "The black cat<b></b> sleeps"),
        ("<b>&nbsp;<i> </i></b>", "The black cat<b><i></i></b> sleeps"),
        ("<b> <img></b>", "The black cat <b><img></b> sleeps"),
        ("<b> 😀 </b>", "The black cat<b> 😀</b> sleeps"),
    ],
)
def test_an_element_around_space_has_no_words(space: str, expected: str) -> None:
    assert written(f"Le chat{space}noir dort", "The black cat sleeps", (0, 2, 1, 3)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Le <b>chat</b> <img> noir dort", "The <img> black <b>cat</b> sleeps"),
        ("Le chat <b>😀</b> noir dort", "The <b>😀</b> black cat sleeps"),
        ("Le chat <!-- c --> noir dort", "The <!-- c --> black cat sleeps"),
        ("Le chat <img><img> noir dort", "The <img><img> black cat sleeps"),
        ("Le chat <img>noir dort", "The <img>black cat sleeps"),
        ("Le chat <b>noir </b>😀 dort", "The <b>black</b> cat 😀 sleeps"),
        ("Le chat <b>noir <img> </b>dort", "The <b><img> black</b> cat sleeps"),
        ("Le chat <i>😀<b>noir</b></i> dort", "The <i>😀<b>black</b></i> cat sleeps"),
        ("Le chat <i>😀 <b>noir</b></i> dort", "The <i>😀 <b>black</b></i> cat sleeps"),
        ("Le chat noir 😀 dort", "The black 😀 cat sleeps"),
    ],
)
def test_what_is_apart_from_words_stays_so(text: str, expected: str) -> None:
    assert written(text, "The black cat sleeps", (0, 2, 1, 3)) == expected


def test_also_behind_an_element_that_it_may_not_be_inside_of() -> None:
    text = "Le <i>petit chat qui dort</i> <img> noir"
    expected = "The <i>small cat black who sleeps</i> <img>"
    assert written(text, "The small cat black who sleeps", (0, 1, 2, 5, 3, 4)) == expected


def test_punctuation_needs_no_space() -> None:
    assert written("Merci <img> !", "Thanks!", (0, 1)) == "Thanks <img>!"
    assert written("Merci (😀 oui)", "Thanks (yes)", (0, 1, 2, 3)) == "Thanks (😀 yes)"
