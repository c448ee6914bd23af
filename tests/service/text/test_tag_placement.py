"""Where tags go, with a model whose words attend to one word each."""

from __future__ import annotations

from functools import partial

import pytest

from service.domain import Format
from service.text.assembly import Attended, assembled
from service.text.document import document
from service.text.passage import Sentence
from service.text.segmenter import segments
from service.text.word_alignment import words

CUT = partial(segments, language="fr")


def written(text: str, translation: str, attended: tuple[int, ...]) -> str | None:
    """attended: for each word of the translation, the place of the sentence's word."""
    (sentence,) = document(text, Format.HTML).segments(CUT)
    assert isinstance(sentence, Sentence)
    source, target = words(sentence.text), words(translation)
    attention = [[float(place == one) for place in range(len(source))] for one in attended]
    return assembled(sentence, translation, Attended(attention, target, source))


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("<b> </b>", "The black cat<b></b> sleeps"),
        ("<b>&nbsp;<i> </i></b>", "The black cat<b><i></i></b> sleeps"),
        ("<b> <img></b>", "The black cat<b><img></b> sleeps"),
        ("<b> 😀 </b>", "The black cat<b> 😀</b> sleeps"),
    ],
)
def test_an_element_around_space_has_no_words(space: str, expected: str) -> None:
    assert written(f"Le chat{space}noir dort", "The black cat sleeps", (0, 2, 1, 3)) == expected
