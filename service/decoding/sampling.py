"""Random continuations, as CTranslate2's RandomSampler: top-k, temperature, top-p, then draws
without replacement by the Gumbel-max trick (arXiv:1903.06059), of which one draw is an ordinary
draw from the distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.decoding.beam import Continuation
from service.decoding.model import Ids, LogProbs
from service.domain import DecodingOptions

MOST_CANDIDATES = 32
"""With a greater top-k, a whole row is asked for: asking the model for many candidates would slow
down all rows."""


class Sampler:
    """The random numbers of one hypothesis or one beam."""

    def __init__(self, options: DecodingOptions, stream: int) -> None:
        """stream: which of the sentence's independent sequences of random numbers."""
        self._topk = options.sampling_topk
        self._topp = options.sampling_topp
        self._temperature = options.sampling_temperature
        self._random = np.random.default_rng([options.sampling_seed, stream])

    @property
    def whole_rows(self) -> bool:
        """Whether it needs all log-probabilities instead of the best ones."""
        return not 0 < self._topk <= MOST_CANDIDATES

    @property
    def candidates(self) -> int:
        """How many continuations of a row it has to see, if not all."""
        return 1 if self.whole_rows else self._topk

    def draw(
        self, totals: Sequence[float], log_probs: LogProbs, ids: Ids, count: int
    ) -> list[Continuation]:
        """Different continuations, in the order drawn; fewer when there are not so many.

        totals: (live,); log_probs, ids: (live, tokens).
        """
        sums = (np.array(totals)[:, None] + log_probs.astype(np.float64)).reshape(-1)
        kept = np.argsort(-sums, kind="stable")[: self._topk or None]
        logits = (sums[kept] - sums[kept[0]]) / self._temperature  # best first
        kept = kept[: _nucleus(logits, self._topp)]
        noisy = logits[: len(kept)] + self._random.gumbel(size=len(kept))
        drawn = kept[np.argsort(-noisy, kind="stable")[:count]]
        return [
            Continuation(index // ids.shape[1], int(ids.reshape(-1)[index]), float(sums[index]))
            for index in drawn[np.isfinite(sums[drawn])].tolist()
        ]


def _nucleus(logits: npt.NDArray[np.floating], probability: float) -> int:
    """How many of the best tokens, (tokens,) best first, have this probability together."""
    if probability >= 1:
        return len(logits)
    probabilities = np.exp(logits - logits[0])
    before = np.cumsum(probabilities) - probabilities
    return int(np.sum(before < probability * probabilities.sum()))
