"""What a hypothesis attended to: coverage penalty, and attention as values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.decoding.model import LogProbs

Attention = tuple[LogProbs, ...]
"""For each token of a hypothesis (source tokens,), how much it attended to each."""


def coverage(attention: Attention) -> float:
    """Sum over the source tokens of log(min(1, attention that they got)); none at all is left out,
    as CTranslate2 does it."""
    got = np.sum(attention, axis=0)
    return float(np.log(np.minimum(got[got > 0], 1)).sum())


def as_values(attention: Attention) -> tuple[tuple[float, ...], ...]:
    """As in Hypothesis."""
    return tuple(tuple(row.tolist()) for row in attention)


def most_attended(attention: Sequence[Sequence[float]]) -> list[int]:
    """The source token that each target token attended to most."""
    return [max(range(len(row)), key=row.__getitem__) for row in attention]
