from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidPackage
from service.text.tokenizer import Tokenizer
from tests.service.text.hostile import LONG, SHORT
from tests.service.text.small_vocabularies import SmallVocabularies, goldens, lines

DEFAULT_MODEL = Path("models/fr-en")
"""The model that is served by default. The repository holds it; a fresh export may not yet."""

FRAGMENTS = st.sampled_from([*SHORT, "é", "e\u0301", " ", "▁", ".", "…", "les", "tion", "\u1161"])
TEXTS = st.text(max_size=40) | st.lists(FRAGMENTS, max_size=8).map("".join)


@pytest.mark.parametrize(
    "text", lines("fr") + lines("en") + SHORT + LONG, ids=lambda t: ascii(t[:9])
)
def test_it_encodes_as_sentencepiece_does(small: SmallVocabularies, text: str) -> None:
    assert small.tokenizer.encode([text]) == [small.sentencepiece_ids(text)]


@given(text=TEXTS)
@settings(max_examples=400, deadline=None)
def test_it_encodes_any_text_as_sentencepiece_does(small: SmallVocabularies, text: str) -> None:
    (ids,) = small.tokenizer.encode([text])

    expected = small.sentencepiece_ids(text)
    # Runs of one character have equally probable segmentations, the same pieces in another order.
    # SentencePiece adds scores in 32 bits, so that rounding picks one of them; tokenizers in 64.
    assert ids == expected or sorted(ids) == sorted(expected)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_it_decodes_as_sentencepiece_does(small: SmallVocabularies, data: st.DataObject) -> None:
    special = {"</s>", "<unk>", "<pad>"}
    known = sorted(small.english_pieces & small.ids.keys())
    pieces = data.draw(st.lists(st.sampled_from(["▁", *special, *known]), max_size=10))

    (text,) = small.tokenizer.decode([[small.ids[piece] for piece in pieces]])

    assert text == small.sentencepiece_text([one for one in pieces if one not in special])


def test_pieces_of_the_other_language_are_decoded_but_never_encoded(
    small: SmallVocabularies,
) -> None:
    french_only = sorted(small.ids.keys() - small.english_pieces - {"<pad>"})

    decoded = small.tokenizer.decode([[small.ids[piece]] for piece in french_only])
    encoded = small.tokenizer.encode(lines("en"))

    assert decoded == [piece.replace("▁", " ").lstrip(" ") for piece in french_only]
    english_only = {
        small.ids[piece]
        for piece in small.english_pieces - small.french_pieces
        if piece in small.ids
    }
    assert english_only
    assert english_only.isdisjoint(number for ids in encoded for number in ids)


def test_pieces_without_an_id_are_unknown_and_still_take_part(small: SmallVocabularies) -> None:
    words = [piece[1:] for piece in small.french_pieces - small.ids.keys() if piece[0] == "▁"]

    encoded = small.tokenizer.encode(words)

    assert (small.ids["<unk>"], small.ids["</s>"]) in encoded
    assert max(number for ids in encoded for number in ids) < len(small.ids)


def test_many_threads_get_what_one_gets(small: SmallVocabularies) -> None:
    texts = lines("fr") * 5
    with ThreadPoolExecutor(8) as threads:
        encoded = list(threads.map(lambda text: small.tokenizer.encode([text])[0], texts))

    assert encoded == small.tokenizer.encode(texts)


def test_goldens_of_the_default_model() -> None:
    if not (DEFAULT_MODEL / "manifest.json").exists():
        pytest.skip("there is no default model in this checkout")
    manifest = json.loads((DEFAULT_MODEL / "manifest.json").read_text(encoding="utf-8"))
    expected = goldens()
    assert manifest["provenance"]["source_files"]["source.spm"] == expected.source_spm, (
        "the default model has another vocabulary: run tests/data/text/make_goldens.py"
    )
    names = manifest["tokenizers"]
    tokenizer = Tokenizer.load(DEFAULT_MODEL / names["source"], DEFAULT_MODEL / names["target"])

    assert (
        dict(zip(expected.ids, tokenizer.encode(list(expected.ids)), strict=True)) == expected.ids
    )


@pytest.mark.parametrize("content", ["", "not JSON", "[]", "{}", '{"model": {"type": "Magic"}}'])
def test_a_broken_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "source.json"
    path.write_text(content)

    with pytest.raises(InvalidPackage, match=r"source\.json is not a tokenizer file"):
        Tokenizer.load(path, path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPackage, match=r"source\.json"):
        Tokenizer.load(tmp_path / "source.json", tmp_path / "target.json")


@pytest.mark.parametrize("charsmap", ["", "AAAA", "/wAAAGFhYWFhYWFh"])
def test_a_broken_character_map_is_refused(
    small: SmallVocabularies, tmp_path: Path, charsmap: str
) -> None:
    content = json.loads(small.french.with_suffix(".json").read_text(encoding="utf-8"))
    content["normalizer"]["normalizers"][0]["precompiled_charsmap"] = charsmap
    path = tmp_path / "source.json"
    path.write_text(json.dumps(content))

    with pytest.raises(InvalidPackage, match="character map"):
        Tokenizer.load(path, path)


def test_a_character_map_behind_other_steps_is_refused(
    small: SmallVocabularies, tmp_path: Path
) -> None:
    content = json.loads(small.french.with_suffix(".json").read_text(encoding="utf-8"))
    content["normalizer"]["normalizers"].reverse()
    path = tmp_path / "source.json"
    path.write_text(json.dumps(content))

    with pytest.raises(InvalidPackage, match="not the first"):
        Tokenizer.load(path, path)


@given(text=TEXTS)
def test_every_token_has_its_characters(small: SmallVocabularies, text: str) -> None:
    spans = small.tokenizer.source_spans(text)
    (ids,) = small.tokenizer.encode([text])
    assert len(spans) == len(ids)
    filled = [span for span in spans if span != (0, 0)]
    assert filled == sorted(filled)
    assert all(0 <= start < end <= len(text) for start, end in filled)


def test_tokens_have_the_characters_that_they_spell(small: SmallVocabularies) -> None:
    text = "le fils, il va."
    tokens = small.tokenizer.source_tokens(text)
    spelled = [text[start:end].strip() for start, end in small.tokenizer.source_spans(text)]
    count = len(tokens) - sum(token.special for token in tokens)
    assert [token.text.removeprefix("▁") for token in tokens[:count]] == spelled[:count]
