"""Which sentences to encode together: padding costs time, and so does every run."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]

RUN_COST = 80
"""A run of the encoder takes as long as so many tokens of padding. Measured on the CPU with a
model of width 256, where 40 to 160 make no difference."""


def of_like_length(lengths: Ids, run_cost: int = RUN_COST) -> list[Ids]:
    """Groups of indices, shortest sentences first, with the least padded tokens and runs.

    Sorted by length, a best division ends in a group that begins somewhere, behind a best division
    of what is before it.

    lengths: (n,), in tokens.
    """
    order = np.argsort(lengths, kind="stable")
    best = np.zeros(len(lengths) + 1)  # cost of the first n sentences
    first = np.zeros(len(lengths) + 1, np.int64)  # where the last group of these begins
    for end, longest in enumerate(lengths[order], start=1):
        costs = best[:end] + np.arange(end, 0, -1) * longest + run_cost
        first[end] = costs.argmin()
        best[end] = costs[first[end]]
    groups = []
    end = len(lengths)
    while end:
        groups.append(order[first[end] : end])
        end = int(first[end])
    return groups[::-1]
