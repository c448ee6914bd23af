"""Choose the hypothesis that is most like all of them (Kumar and Byrne 2004)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.text.chrf import pairwise_chrf


def by_expected_utility(hypotheses: Sequence[str]) -> list[int]:
    """Places of the hypotheses of one sentence, greatest expected utility first; ties keep order.

    The expected utility is the mean chrF2 of a hypothesis against every one of them, itself
    included, each as likely as the others (Eikema and Aziz 2020).
    """
    utilities = pairwise_chrf(hypotheses).mean(axis=1)  # (hypotheses,)
    return [int(place) for place in np.argsort(-utilities, kind="stable")]
