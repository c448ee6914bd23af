"""chrF of every pair of a few strings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

ORDER = 6
"""Longest character n-grams that are compared."""
BETA = 2
"""How many times as much recall counts as precision."""

Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


def pairwise_chrf(texts: Sequence[str]) -> Scores:
    """chrF2 of each text as a hypothesis against each as its reference, 0 to 1.

    As sacrebleu's sentence_chrf / 100 (Popović 2015, chrF2 with n-grams up to 6 without
    whitespace): precision and recall are means over the orders of which both texts have n-grams.
    Time and memory grow with len(texts) ** 2 and len(texts) times the texts' lengths.

    Returns: (hypotheses, references)
    """
    count = len(texts)
    precision, recall, orders = np.zeros((3, count, count))
    for counts in _ngram_counts(["".join(text.split()) for text in texts]):
        totals = counts.sum(axis=1)  # (texts,)
        both = (totals[:, None] > 0) & (totals[None, :] > 0)
        # A row at a time: all pairs at once would take texts times the memory.
        matches = np.array([np.minimum(one, counts).sum(axis=1) for one in counts])
        precision += both * matches / np.maximum(totals, 1)[:, None]
        recall += both * matches / np.maximum(totals, 1)[None, :]
        orders += both
    # The harmonic mean of sums over the orders is orders times that of means.
    weighted = (1 + BETA**2) * precision * recall
    divisor = (BETA**2 * precision + recall) * orders
    return np.divide(weighted, divisor, out=np.zeros((count, count)), where=divisor > 0)


def _ngram_counts(texts: Sequence[str]) -> Iterator[Counts]:
    """For each order, how often each n-gram of any text is in each: (texts, n-grams)."""
    owners = np.repeat(np.arange(len(texts)), list(map(len, texts)))  # (characters,)
    characters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
    alphabet, letters = np.unique(characters, return_inverse=True)
    ngrams = letters  # (characters - order + 1,) number of the n-gram that begins there
    for order in range(1, ORDER + 1):
        if order > 1:  # the n-gram before and one letter more
            longer = ngrams[:-1] * len(alphabet) + letters[order - 1 :]
            ngrams = np.unique(longer, return_inverse=True)[1]
        first, last = owners[: len(ngrams)], owners[order - 1 :]
        inside = first == last  # not across two texts
        different = int(ngrams.max(initial=-1)) + 1
        cells = first[inside] * different + ngrams[inside]
        counts = np.bincount(cells, minlength=len(texts) * different)
        yield counts.reshape(len(texts), different)
