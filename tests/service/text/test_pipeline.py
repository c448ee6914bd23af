from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain import Segment
from service.package.manifest import LanguagePair
from service.text.pipeline import MOST_CHARACTERS_PER_TOKEN, TextPipeline
from tests.service.text.hostile import SHORT
from tests.service.text.small_vocabularies import SmallVocabularies

LIMIT = 12
PAIR = LanguagePair(source="fr", target="en")


def test_a_sentence_that_fits_is_one_piece(small: SmallVocabularies) -> None:
    pipeline = TextPipeline(small.tokenizer, max_source_tokens=100)

    assert pipeline.encode("Je suis là.", PAIR) == [
        (Segment("Je suis là.", translatable=True), small.sentencepiece_ids("Je suis là."))
    ]


@given(text=st.lists(st.sampled_from([*SHORT, "maison ", "chat, ", "\ufdfa"])).map("".join))
@settings(max_examples=200, deadline=None)
def test_every_piece_fits_and_nothing_is_lost(small: SmallVocabularies, text: str) -> None:
    pieces = TextPipeline(small.tokenizer, LIMIT).encode(text, PAIR)

    assert "".join(segment.text for segment, _ in pieces) == text
    assert all(len(ids) <= LIMIT for _, ids in pieces)
    assert all(bool(ids) == segment.translatable for segment, ids in pieces)


def test_spacing_between_pieces_is_kept(small: SmallVocabularies) -> None:
    pieces = TextPipeline(small.tokenizer, LIMIT).encode(
        "Tom va,  Marie dort, Paul lit un livre", PAIR
    )

    assert [segment.text for segment, _ in pieces if not segment.translatable] == ["  ", " "]


def test_very_long_text_is_cut_before_it_is_encoded(small: SmallVocabularies) -> None:
    pipeline = TextPipeline(small.tokenizer, LIMIT)

    # One unknown token for the tokenizer.
    pieces = pipeline.encode("中" * LIMIT * MOST_CHARACTERS_PER_TOKEN * 4, PAIR)

    assert len(pieces) == 4


def test_a_character_of_too_many_tokens_is_kept(small: SmallVocabularies) -> None:
    pieces = TextPipeline(small.tokenizer, max_source_tokens=2).encode("ĳ", PAIR)

    assert pieces == [(Segment("ĳ", translatable=False), ())]


def test_it_decodes(small: SmallVocabularies) -> None:
    pipeline = TextPipeline(small.tokenizer, LIMIT)

    assert pipeline.decode([[small.ids["▁"], small.ids["a"], small.ids["."]], []]) == ["a.", ""]


def test_a_target_text_has_no_end_token(small: SmallVocabularies) -> None:
    pipeline = TextPipeline(small.tokenizer, LIMIT)

    ids = pipeline.target_ids("A.")
    assert small.ids["</s>"] not in ids
    assert pipeline.decode([ids]) == ["A."]
    assert pipeline.target_ids("") == ()
    assert "".join(pipeline.target_tokens(ids)) == "▁A."
    with pytest.raises(ValueError, match="text that the model has no token for"):
        pipeline.target_ids("A 中.")


def test_tokens_have_their_vocabularys_names(small: SmallVocabularies) -> None:
    pipeline = TextPipeline(small.tokenizer, LIMIT)

    for token in ("▁", "a", ".", "</s>"):
        assert pipeline.target_token(token) == small.ids[token]
        assert pipeline.target_tokens([small.ids[token]]) == [token]
    for unknown in ("no such token", "", " "):
        with pytest.raises(ValueError, match="a token that the model does not know"):
            pipeline.target_token(unknown)


@given(text=st.lists(st.sampled_from([*SHORT, "maison ", "chat, ", "中"])).map("".join))
@settings(max_examples=100, deadline=None)
def test_source_tokens_are_those_of_the_ids(small: SmallVocabularies, text: str) -> None:
    pipeline = TextPipeline(small.tokenizer, max_source_tokens=10_000)
    ids = pipeline.encode_whole(text, PAIR)

    tokens = pipeline.source_tokens(text, PAIR)
    assert ids is not None
    assert len(tokens) == len(ids)
    assert tokens[-1] == "</s>"


def test_an_unknown_token_becomes_what_it_attended_to(small: SmallVocabularies) -> None:
    pipeline = TextPipeline(small.tokenizer, LIMIT)
    sentence = "a 中"
    tokens = pipeline.source_tokens(sentence, PAIR)
    unknown, space = small.ids["<unk>"], small.ids["▁"]
    attention = [[0.0] * len(tokens) for _ in range(3)]
    attention[2][tokens.index("中")] = 0.4
    attention[2][-1] = 0.6  # the end token, which is not copied

    ids = [small.ids["a"], space, unknown]
    assert pipeline.decode_copying(ids, sentence, attention, PAIR) == "a 中"
    assert pipeline.decode_copying([], sentence, [], PAIR) == ""
    nothing = [[0.0] * len(pipeline.source_tokens("", PAIR))] * 3
    assert pipeline.decode_copying(ids, "", nothing, PAIR).strip() == "a"  # there is none to copy
