from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from service.domain import FinishReason, Hypothesis
from service.text.minimum_bayes_risk import by_expected_utility, log_probs_at_mean_length

METRIC = CHRF()
few = st.lists(
    st.tuples(st.text("ab é", max_size=12) | st.text(max_size=20), st.floats(-30, 0)),
    min_size=1,
    max_size=6,
)


@given(few)
def test_the_order_is_that_of_the_expected_utility(weighted: list[tuple[str, float]]) -> None:
    texts, log_weights = zip(*weighted, strict=True)
    places = by_expected_utility(texts, log_weights)
    assert sorted(places) == list(range(len(texts)))
    utilities = [
        sum(
            math.exp(log_weight) * float(METRIC.sentence_score(text, [other]).score)
            for other, log_weight in weighted
        )
        for text in texts
    ]
    ordered = np.array([utilities[place] for place in places])
    assert (ordered[1:] <= ordered[:-1] * (1 + 1e-9) + 1e-20).all()


def test_the_odd_one_is_last_and_equal_ones_keep_their_order() -> None:
    texts = ["Good night", "Hello there", "Hello there", "Hello you there"]
    assert by_expected_utility(texts, [0.0] * 4) == [1, 2, 3, 0]


def test_a_weight_can_outvote_the_others() -> None:
    texts = ["Good night", "Hello there", "Hello you there"]
    assert by_expected_utility(texts, [0.0, -9.0, -9.0])[0] == 0


def test_very_small_weights_are_relative_to_each_other() -> None:
    texts = ["Good night", "Hello there", "Hello you there"]
    assert by_expected_utility(texts, [-1e24] * 3) == by_expected_utility(texts, [0.0] * 3)


def test_one_hypothesis_is_the_best() -> None:
    assert by_expected_utility(["Hello"], [-3.0]) == [0]


@pytest.mark.parametrize(
    ("length_penalty", "expected"),
    [(1.0, [-4.0, -2.0]), (0.0, [-1.0, -0.5]), (2.0, [-16.0, -8.0])],
)
def test_scores_become_log_probs_of_one_length(
    length_penalty: float, expected: list[float]
) -> None:
    # With their end tokens, 3 and 5 tokens.
    found = [
        Hypothesis((1, 2), -1.0, FinishReason.END),
        Hypothesis((1, 2, 3, 4), -0.5, FinishReason.END),
    ]
    assert log_probs_at_mean_length(found, length_penalty) == pytest.approx(expected)
