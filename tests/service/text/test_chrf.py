"""sacrebleu is the oracle; it comes with the exporter's evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from service.text.chrf import Scores, pairwise_chrf

METRIC = CHRF()
few = st.lists(st.text("ab é\u3000😀", max_size=12) | st.text(max_size=20), min_size=1, max_size=6)


def by_sacrebleu(texts: list[str]) -> Scores:
    return np.array(
        [[METRIC.sentence_score(one, [other]).score / 100 for other in texts] for one in texts]
    )


@given(few)
def test_every_pair_has_sacrebleus_score(texts: list[str]) -> None:
    np.testing.assert_allclose(pairwise_chrf(texts), by_sacrebleu(texts), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "score"),
    [  # sacrebleu 2.6.0, sentence_chrf
        ("The cat sat on the mat.", "The cat sat on the mat.", 100.0),
        ("The cat is on a mat.", "The cat sat on the mat.", 37.51344521374437),
        ("a", "abcdef", 19.999999999999996),
        ("Le chat", "le  chat", 59.166666666666664),
        ("", "abc", 0.0),
    ],
)
def test_known_scores(hypothesis: str, reference: str, score: float) -> None:
    assert pairwise_chrf([hypothesis, reference])[0, 1] * 100 == pytest.approx(score)


def test_there_may_be_nothing_to_compare() -> None:
    assert pairwise_chrf([]).shape == (0, 0)
    assert pairwise_chrf(["", " "]).tolist() == [[0, 0], [0, 0]]
