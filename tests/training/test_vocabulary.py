from __future__ import annotations

import numpy as np
import pytest

from model_export.training.vocabulary import Vocabulary
from tests.training.conftest import toy_pairs


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.train((text for pair in toy_pairs() for text in pair), 24, 1, 1)


def test_is_numbered_as_marian_numbers(vocabulary: Vocabulary) -> None:
    assert (vocabulary.end, vocabulary.unknown, vocabulary.padding) == (0, 1, 24)
    assert sorted(vocabulary.ids.values()) == list(range(25))
    assert len(vocabulary) == 25


def test_decodes_what_it_encodes(vocabulary: Vocabulary) -> None:
    texts = ["un deux trois", "quatre", ""]
    encoded = vocabulary.encode(texts)
    table = encoded.padded(np.arange(3), vocabulary.padding)
    assert [vocabulary.decode(row) for row in table.tolist()] == texts
    assert encoded.lengths().tolist() == (table != vocabulary.padding).sum(axis=1).tolist()
    assert table[2].tolist() == [0] + [24] * (table.shape[1] - 1)


def test_texts_are_taken_in_any_order(vocabulary: Vocabulary) -> None:
    encoded = vocabulary.encode(["un", "un deux", "un deux trois"])
    row = encoded.padded(np.array([1]), vocabulary.padding)[0]
    assert encoded.padded(np.array([2, 1]), vocabulary.padding)[1, : len(row)].tolist() == [*row]


def test_what_it_has_not_seen_is_unknown(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode(["日本"]).ids.tolist()
    assert vocabulary.unknown in ids
