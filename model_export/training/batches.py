"""What is drawn in an epoch, and how it is cut into batches. Pure functions of seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]


def draw_epoch(weights: Weights, seed: int, epoch: int) -> Ids:
    """Places of the pairs of an epoch, shuffled: each floor(weight) times, once more by chance."""
    random = np.random.default_rng((seed, epoch))
    whole = np.floor(weights)
    times = whole + (random.random(len(weights)) < weights - whole)
    return random.permutation(np.repeat(np.arange(len(weights)), times.astype(np.int64)))


def cut(order: Ids, lengths: Ids, tokens: int) -> list[Ids]:
    """Cut an epoch into batches of pairs of like length.

    order: places of pairs. lengths: [pairs, 2], tokens of source and target. tokens: the most
    that rows * longest side of a batch may be; a longer pair is a batch of its own. Pairs of
    equal length keep their order.
    """
    source, target = lengths[order, 0], lengths[order, 1]
    longest = np.maximum(source, target)
    order = order[np.lexsort((source, target, longest))]
    longest = np.sort(longest, kind="stable")
    return [order[begin:end] for begin, end in _cuts(longest, tokens)]


def _cuts(longest: Ids, tokens: int) -> Iterator[tuple[int, int]]:
    """Spans of ascending lengths in which rows * last length is at most tokens."""
    begin = 0
    for end in range(1, len(longest) + 1):
        if end == len(longest) or (end + 1 - begin) * longest[end] > tokens:
            yield begin, end
            begin = end


def epoch_batches(weights: Weights, lengths: Ids, tokens: int, seed: int, epoch: int) -> list[Ids]:
    """The batches of an epoch in the order of training: draw_epoch() and cut(), shuffled."""
    batches = cut(draw_epoch(weights, seed, epoch), lengths, tokens)
    random = np.random.default_rng((seed, epoch, 1))
    return [batches[place] for place in random.permutation(len(batches))]
