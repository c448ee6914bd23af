"""Decoding biased towards a prefix (arXiv:1912.03393, section 4.2)."""

from __future__ import annotations

import math

import numpy as np

from service.decoding.model import Ids, LogProbs


def biased(
    log_probs: LogProbs, ids: Ids, token: int, log_prob: float, beta: float
) -> tuple[LogProbs, Ids]:
    """The best continuations of a row after mixing its distribution with a token.

    log_probs, ids: (tokens,), the best continuations, best first. log_prob: the token's, wherever
    it ranks. beta: the weight of the token; that of the distribution is 1 - beta.
    Returns as many continuations, best first.
    """
    mixed = math.log((1 - beta) * math.exp(log_prob) + beta)
    others = ids != token
    sums = np.append(log_probs[others] + np.float32(math.log1p(-beta)), np.float32(mixed))
    tokens = np.append(ids[others], token)
    order = np.argsort(-sums, kind="stable")[: len(ids)]
    return sums[order], tokens[order]
