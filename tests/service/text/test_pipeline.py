from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain import Segment
from service.text.pipeline import MOST_CHARACTERS_PER_TOKEN, TextPipeline
from tests.service.text.hostile import SHORT
from tests.service.text.small_vocabularies import SmallVocabularies

LIMIT = 12


def test_a_sentence_that_fits_is_one_piece(small: SmallVocabularies) -> None:
    pipeline = TextPipeline(small.tokenizer, max_source_tokens=100)

    assert pipeline.encode("Je suis là.") == [
        (Segment("Je suis là.", translatable=True), small.sentencepiece_ids("Je suis là."))
    ]


@given(text=st.lists(st.sampled_from([*SHORT, "maison ", "chat, ", "\ufdfa"])).map("".join))
@settings(max_examples=200, deadline=None)
def test_every_piece_fits_and_nothing_is_lost(small: SmallVocabularies, text: str) -> None:
    pieces = TextPipeline(small.tokenizer, LIMIT).encode(text)

    assert "".join(segment.text for segment, _ in pieces) == text
    assert all(len(ids) <= LIMIT for _, ids in pieces)
    assert all(bool(ids) == segment.translatable for segment, ids in pieces)


def test_spacing_between_pieces_is_kept(small: SmallVocabularies) -> None:
    pieces = TextPipeline(small.tokenizer, LIMIT).encode("Tom va,  Marie dort, Paul lit un livre")

    assert [segment.text for segment, _ in pieces if not segment.translatable] == ["  ", " "]


def test_very_long_text_is_cut_before_it_is_encoded(small: SmallVocabularies) -> None:
    pipeline = TextPipeline(small.tokenizer, LIMIT)

    # One unknown token for the tokenizer.
    pieces = pipeline.encode("中" * LIMIT * MOST_CHARACTERS_PER_TOKEN * 4)

    assert len(pieces) == 4


def test_a_character_of_too_many_tokens_is_kept(small: SmallVocabularies) -> None:
    pieces = TextPipeline(small.tokenizer, max_source_tokens=2).encode("ĳ")

    assert pieces == [(Segment("ĳ", translatable=False), ())]


def test_it_decodes(small: SmallVocabularies) -> None:
    pipeline = TextPipeline(small.tokenizer, LIMIT)

    assert pipeline.decode([[small.ids["▁"], small.ids["a"], small.ids["."]], []]) == ["a.", ""]
