from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.text.placeholders import Span
from service.text.word_alignment import weights, words

SOURCE, TARGET = "Le chat noir", "The black cat"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It isn't l'or, 201!", ["It", "isn't", "l", "'", "or", ",", "201", "!"]),
        ("有201只猫", ["有", "201", "只", "猫"]),
        ("हिन्दी में।", ["हिन्दी", "में", "।"]),
        ("ne\u0301 می\u200cروم", ["ne\u0301", "می\u200cروم"]),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in words(text)] == expected


def test_a_word_gets_what_others_have_too_much_of() -> None:
    source, target = words(SOURCE), words(TARGET)
    attention = [[0.8, 0.1, 0.1], [0.0, 0.7, 0.3], [0.0, 0.9, 0.1]]  # black looks at the cat
    found = weights(attention, target, source, target, source)
    assert found.argmax(0).tolist() == [0, 2, 1]
    assert found.sum(1) == pytest.approx(np.ones(3))


def test_tokens_are_added_up_to_words() -> None:
    tokens = [Span(0, 2), Span(2, 3), Span(3, 9), Span(9, 13), Span(0, 0)]
    attention = np.eye(5)[:, [0, 1, 2, 3, 4]].tolist()
    found = weights(attention, tokens, tokens, words(TARGET), words(TARGET))
    assert found.shape == (3, 3)
    assert found.argmax(1).tolist() == [0, 1, 2]


@given(st.data())
def test_rows_sum_to_one_whatever_the_attention(data: st.DataObject) -> None:
    rows = st.lists(st.floats(0, 1), min_size=3, max_size=3)
    attention = data.draw(st.lists(rows, min_size=3, max_size=3))
    spans = words(SOURCE), words(TARGET)
    found = weights(attention, spans[1], spans[0], spans[1], spans[0])
    assert np.isfinite(found).all()
    assert found.sum(1) == pytest.approx(np.ones(3))
