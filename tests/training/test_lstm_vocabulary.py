"""Strings to ids and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_export.training.errors import BadData
from model_export.training.lstm_vocabulary import KINDS, SPECIAL, UNKNOWN, WordVocabulary

SENTENCES = [
    "Je t'aime.",
    "Où est la gare ?",
    "J'ai mangé « trois » pommes, hier.",
    "L'aéroport est-il loin d'ici ?",
]


@pytest.mark.parametrize("kind", KINDS.values())
def test_ids_become_the_text_again(kind: type[WordVocabulary], tmp_path: Path) -> None:
    vocabulary = kind.learn(SENTENCES * 5, 90)
    vocabulary.save(tmp_path, "source")
    again = kind.load(tmp_path, "source")
    assert len(again) == len(vocabulary) <= 90
    assert tuple(again.pieces(range(4))) == SPECIAL
    for sentence in SENTENCES:
        ids = again.encode(sentence)
        assert ids == vocabulary.encode(sentence)
        assert min(ids) > UNKNOWN + 2
        assert again.decode(ids) == sentence


@pytest.mark.parametrize("kind", KINDS.values())
def test_what_was_never_seen_is_unknown(kind: type[WordVocabulary]) -> None:
    vocabulary = kind.learn(SENTENCES * 5, 90)
    assert UNKNOWN in vocabulary.encode("Je 漢字.")
    assert "⁇" in vocabulary.decode(vocabulary.encode("Je 漢字."))


def test_the_most_frequent_words_are_kept() -> None:
    vocabulary = WordVocabulary.learn(["a a a b b c"], 6)
    assert vocabulary.pieces(range(4, 6)) == ["▁a", "▁b"]


def test_too_little_text_for_subwords() -> None:
    with pytest.raises(BadData, match="vocabulary of 8 tokens"):
        KINDS["subword"].learn(SENTENCES, 8)


@pytest.mark.parametrize("text", ["", " ", "▁", "a  b", "\u00a0x"])
def test_odd_texts(text: str) -> None:
    vocabulary = WordVocabulary.learn(SENTENCES, 90)
    assert all(isinstance(token, int) for token in vocabulary.encode(text))
