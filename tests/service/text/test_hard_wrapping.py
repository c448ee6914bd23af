from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.domain import Format, Segment, Splitting
from service.text.document import document
from service.text.hard_wrapping import unwrapped
from service.text.markers import without_markers
from service.text.passage import Sentence
from service.text.protection import EVERYTHING
from service.text.segmenter import segments, surrounded

MAIL = """Bonjour Marie,

je suis désolé de ne pas
avoir répondu   \r
   plus tôt. Le train
était en retard.

Il faut :
- du pain et
  du beurre
- du lait
2) des œufs

> Tu viens ?
===
Titre
# Autre titre
\ta) fin"""


def cut(text: str) -> list[Segment]:
    return segments(text, "fr")


def read(text: str, splitting: Splitting) -> list[Segment]:
    whole = splitting is Splitting.NONE
    pieces = document(text, Format.TEXT, EVERYTHING, splitting=splitting)
    return pieces.segments(surrounded if whole else lambda text: list(without_markers(cut(text))))


def test_an_emoji_may_begin_an_item() -> None:
    text = "Il faut :\n✅ du pain\n➤ du lait et un\n🐈 noir\n📅 Le 3 mai\n1️⃣ Venir\n🔥 3 chats"
    found = [piece.text for piece in read(text, Splitting.WRAPPED) if piece.translatable]
    assert found == [
        *("Il faut :", "du pain", "du lait et un noir", "Le 3 mai", "Venir", "3 chats")
    ]


def test_speakers_in_a_line() -> None:
    found = [piece.text for piece in read("— Oui ? — Non. -Si !", Splitting.LINES)]
    assert found == ["— ", "Oui ?", " — ", "Non.", " ", "-Si !"]


def test_lines_of_a_column_are_joined_and_others_are_not() -> None:
    found = [piece.text for piece in read(MAIL, Splitting.WRAPPED) if piece.translatable]
    assert found == [
        "Bonjour Marie,",
        "je suis désolé de ne pas avoir répondu plus tôt.",
        "Le train était en retard.",
        "Il faut :",
        "du pain et du beurre",
        "du lait",
        "des œufs",
        "Tu viens ?",
        "Titre",
        "Autre titre",
        "fin",
    ]


def test_a_text_can_be_one_sentence() -> None:
    pieces = read("\n Un mot. Deux\n\nmots. \r\n", Splitting.NONE)
    assert [piece.text for piece in pieces] == ["\n ", "Un mot. Deux  mots.", " \r\n"]


@given(st.text(alphabet="ab. -*1)\n\r\t\u2028{}#>é"), st.sampled_from(Splitting))
def test_all_segments_joined_are_the_text(text: str, splitting: Splitting) -> None:
    pieces = read(text, splitting)
    written = (piece.written if isinstance(piece, Sentence) else piece.text for piece in pieces)
    assert "".join(written) == text


@given(st.text(alphabet="a. -\n\r\t"))
@example("a\r \ra")
@example("a\n \t\n \na")
def test_what_is_blank_is_no_part_of_a_paragraph(text: str) -> None:
    shown, begins, ends = unwrapped(text, Splitting.WRAPPED)
    assert len(shown) == len(begins) == len(ends)
    assert "".join(shown.split()) == "".join(text.split())
    blank = [line for line in text.splitlines() if not line.strip(" \t")]
    assert [line for line in shown.splitlines() if not line.strip(" \t")] == blank


@pytest.mark.parametrize(
    "text", [" " * 100_000, "\r" * 50_000, "a\n" * 50_000, " \n" * 50_000, "a" * 99_999 + "\n b"]
)
def test_hostile_texts(text: str) -> None:
    shown, _, _ = unwrapped(text, Splitting.WRAPPED)
    assert "".join(shown.split()) == "".join(text.split())
