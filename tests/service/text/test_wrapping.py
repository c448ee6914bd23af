from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.text.wrapping import split_long
from tests.service.text.hostile import LONG, SHORT


def at_most(length: int, text: str) -> list[str]:
    """Pieces of at most so many code points."""
    return split_long(text, lambda piece: len(piece) <= length)


@given(text=st.text(max_size=300), length=st.integers(1, 40))
@settings(max_examples=300, deadline=None)
def test_every_piece_fits_and_nothing_is_lost(text: str, length: int) -> None:
    pieces = at_most(length, text)

    assert "".join(pieces) == text
    assert all(len(piece) <= length for piece in pieces)
    assert all(pieces) or not text


@pytest.mark.parametrize("text", SHORT + LONG, ids=lambda text: ascii(text[:9]))
def test_hostile_texts(text: str) -> None:
    pieces = at_most(50, text)

    assert "".join(pieces) == text
    assert all(len(piece) <= 50 for piece in pieces)


def test_what_fits_is_not_cut() -> None:
    assert at_most(12, "un deux, dix") == ["un deux, dix"]


@pytest.mark.parametrize(
    "pieces",
    [
        ["un deux trois, quatre ;", " cinq, six sept huit"],
        ["un deux trois,", " quatre cinq six"],
        ["il coûte 3,50 euros ", "ou bien 4,50 euros"],
        ["これは本です。", "それも本ですか"],
    ],
    ids=lambda pieces: pieces[0],
)
def test_the_best_place_is_punctuation_then_a_space(pieces: list[str]) -> None:
    text = "".join(pieces)

    assert at_most(len(text) - 1, text) == pieces


@pytest.mark.parametrize(
    "character",
    [
        *["e\u0301", "👍🏽", "👨\u200d👩\u200d👧", "🇫🇷", "क्षि", "\u1100\u1161\u11a8", "❤\ufe0f"],
        "🏴\U000e0067\U000e0062\U000e007f",
    ],
)
@pytest.mark.parametrize("before", ["", "x"])
def test_what_is_one_character_for_the_reader_is_not_cut(character: str, before: str) -> None:
    pieces = split_long(before + character * 9, lambda piece: len(piece) <= 2 * len(character))

    assert "".join(pieces) == before + character * 9
    assert all(piece.removeprefix(before).replace(character, "") == "" for piece in pieces)


def test_a_character_that_is_too_long_is_cut_all_the_same() -> None:
    assert "".join(at_most(3, "e" + "\u0301" * 20)) == "e" + "\u0301" * 20
    assert max(map(len, at_most(3, "e" + "\u0301" * 20))) <= 3


def test_one_code_point_is_returned_even_if_it_does_not_fit() -> None:
    assert split_long("ab", lambda piece: False) == ["a", "b"]
