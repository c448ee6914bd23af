"""Choose the hypothesis that is most like all of them (Kumar and Byrne 2004)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.domain import Hypothesis
from service.text.chrf import pairwise_chrf


def by_expected_utility(texts: Sequence[str], log_weights: Sequence[float]) -> list[int]:
    """Places of the hypotheses of one sentence, greatest expected utility first; ties keep order.

    The expected utility of a hypothesis is the mean of its chrF2 against every one of them, itself
    included, each weighing as much as exp(log_weights) says (Freitag et al. 2022).

    Args:
        texts: at least one.
        log_weights: of each text.
    """
    weights = np.exp(np.array(log_weights) - max(log_weights))  # (references,)
    # Not a matrix product, which may add equal rows up in different ways.
    utilities = (pairwise_chrf(texts) * weights).sum(axis=1)  # (hypotheses,)
    return [int(place) for place in np.argsort(-utilities, kind="stable")]


def log_probs_at_mean_length(
    hypotheses: Sequence[Hypothesis], length_penalty: float
) -> list[float]:
    """What the log-probabilities would be if all hypotheses had their mean length.

    As they are, they weigh short hypotheses too much, and scores weigh all almost the same.
    """
    length = sum(len(one.target_ids) + 1 for one in hypotheses) / len(hypotheses)
    return [one.score * length**length_penalty for one in hypotheses]
