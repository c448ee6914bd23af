from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceNormalizer
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

from service.text.charsmap import CharacterMap
from tests.service.text.hostile import LONG, SHORT
from tests.service.text.small_vocabularies import SmallVocabularies


class Oracle:
    """SentencePiece's own normaliser, its rules for spaces switched off."""

    def __init__(self, spm: Path) -> None:
        self._normalizer = SentencePieceNormalizer(
            model_file=str(spm),
            add_dummy_prefix=False,
            escape_whitespaces=False,
            remove_extra_whitespaces=False,
        )

    def __call__(self, text: str) -> str:
        return str(self._normalizer.normalize(text))


@pytest.fixture(scope="module")
def maps(small: SmallVocabularies) -> tuple[CharacterMap, Oracle]:
    model = ModelProto()
    model.ParseFromString(small.french.read_bytes())
    return CharacterMap(model.normalizer_spec.precompiled_charsmap), Oracle(small.french)


def test_every_code_point_with_a_rule(maps: tuple[CharacterMap, Oracle]) -> None:
    character_map, oracle = maps
    # Without Han, Hangul and the private planes, which have none.
    ranges = [(0, 0x3400), (0xF900, 0x10000), (0x1D000, 0x1F300), (0x2F800, 0x2FA20)]
    text = "\n".join(chr(code) for start, end in ranges for code in range(start, end))

    assert character_map(text).split("\n") == oracle(text).split("\n")


@pytest.mark.parametrize("text", SHORT + LONG, ids=lambda t: ascii(t[:9]))
def test_hostile_texts(maps: tuple[CharacterMap, Oracle], text: str) -> None:
    character_map, oracle = maps

    assert character_map(text) == oracle(text)


MARKS = st.characters(min_codepoint=0x300, max_codepoint=0x345)
JAMO = st.characters(min_codepoint=0x1100, max_codepoint=0x11FF)
HALF_WIDTH = st.characters(min_codepoint=0xFF65, max_codepoint=0xFFDC)
LATIN = st.characters(min_codepoint=0x20, max_codepoint=0x250)


@given(text=st.text(MARKS | JAMO | HALF_WIDTH | LATIN, max_size=30))
@settings(max_examples=300, deadline=None)
def test_sequences(maps: tuple[CharacterMap, Oracle], text: str) -> None:
    character_map, oracle = maps

    assert character_map(text) == oracle(text)


@pytest.mark.parametrize("charsmap", [b"", b"\4\0\0\0", b"\xff\xff\xff\xff1234", b"\3\0\0\0123"])
def test_other_bytes_are_refused(charsmap: bytes) -> None:
    with pytest.raises(ValueError, match=r"character map|buffer size"):
        CharacterMap(charsmap)


@given(text=st.text(max_size=40) | st.sampled_from([*SHORT, "½ ﬁn e\u0301 … \u00a0"]))
def test_every_character_has_an_origin(maps: tuple[CharacterMap, Oracle], text: str) -> None:
    character_map, _ = maps
    mapped, origins = character_map(text), character_map.origins(text)
    assert len(origins) == len(mapped)
    assert origins == sorted(origins)
    assert all(0 <= start < end <= len(text) for start, end in origins)


def test_characters_come_from_what_was_rewritten(maps: tuple[CharacterMap, Oracle]) -> None:
    character_map, _ = maps
    assert character_map("a½ﬁe\u0301b") == "a1⁄2fiéb"
    assert character_map.origins("a½ﬁe\u0301b") == [
        (0, 1), (1, 2), (1, 2), (1, 2), (2, 3), (2, 3), (3, 5), (5, 6)
    ]  # fmt: skip
