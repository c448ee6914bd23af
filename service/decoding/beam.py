"""Beam search for one sentence, with the semantics of CTranslate2's BeamSearch and GreedySearch.

At each step the best 2 * beam_size continuations of all hypotheses are looked at in order. The
first beam_size of them go on, except those that end: they are set aside as finished, and the best
of the second half that does not end goes on in their place, so that beam_size hypotheses are
always alive. A sentence is done when beam_size * patience hypotheses have finished; with neither
length_penalty nor coverage_penalty, when the best continuation has finished and num_hypotheses
have; at max_decoding_length in any case. With beam_size 1 this is greedy search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from service.decoding.constraints import Constraints
from service.decoding.demands import Demands
from service.decoding.model import Ids, LogProbs, Target
from service.domain import DecodingOptions, FinishReason, Hypothesis


class Continuation(NamedTuple):
    """A hypothesis with one more token."""

    parent: int
    """Place of the hypothesis that it continues."""
    token: int
    total: float
    """Sum of its log-probabilities."""


class Beam:
    """The hypotheses of one sentence. Place i is the i-th live hypothesis, best first."""

    def __init__(
        self, options: DecodingOptions, target: Target, context: tuple[int, ...] = ()
    ) -> None:
        """context: tokens before the first one of these hypotheses, for the constraints."""
        self._options = options
        self._ends = frozenset(options.end_token or (target.end,))
        self._max_length = min(options.max_decoding_length, target.max_length)
        self._enough = options.enough_finished
        self._constraints = Constraints(options, target.unknown)
        self._context = context
        self._step = 0
        self.totals = [0.0]
        """Sum of the log-probabilities of each live hypothesis."""
        self._tokens: list[tuple[int, ...]] = [()]  # of each live hypothesis
        self._parents: list[int] = [0]
        self._finished: list[Hypothesis] = []
        self._best_finished = False
        self.done = False

    @property
    def size(self) -> int:
        """Live hypotheses."""
        return len(self._tokens)

    @property
    def beam_size(self) -> int:
        """Hypotheses that go on after a step, at most."""
        return self._options.beam_size

    @property
    def step(self) -> int:
        """Tokens that every live hypothesis has."""
        return self._step

    @property
    def parents(self) -> list[int]:
        """Place, in the step before, of the hypothesis that each live one continues."""
        return self._parents

    @property
    def candidates(self) -> int:
        """How many continuations of each hypothesis advance() needs to see."""
        # A greedy search ends with its first finished hypothesis, so it never needs a substitute.
        return 1 if self._options.beam_size == 1 else 2 * self._options.beam_size

    def last_tokens(self, start: int) -> list[int]:
        """The token that each live hypothesis ended with, start at the first step."""
        return [tokens[-1] if tokens else start for tokens in self._tokens]

    def demand(self, demands: Demands, row: int) -> None:
        """Say what the next step must heed. row: the first of the beam's rows."""
        if self._step < self._options.min_decoding_length:
            for end in self._ends:
                for one in range(row, row + self.size):
                    demands.forbid(one, end)
        if self._constraints.any:
            for one, tokens in enumerate(self._tokens, start=row):
                self._constraints.demand(demands, one, self._context + tokens)

    def advance(self, best: Sequence[Continuation]) -> None:
        """Take a step.

        best: the best 2 * beam_size continuations of all live hypotheses, best first.
        """
        last_step = self._is_last_step
        going_on = self._select(best, last_step)
        self.done = last_step or not going_on or self._has_enough()
        self._go_on(going_on)

    def extend(
        self, parents: Sequence[int], tokens: Sequence[int], totals: Sequence[float]
    ) -> None:
        """advance() with the continuations in columns."""
        goes_on = tokens[: self._options.beam_size]
        if self._is_last_step or not self._ends.isdisjoint(goes_on):
            self.advance(list(map(Continuation, parents, tokens, totals)))
            return
        self._parents = list(parents[: len(goes_on)])
        self._tokens = [(*self._tokens[p], t) for p, t in zip(self._parents, goes_on, strict=True)]
        self.totals = list(totals[: len(goes_on)])
        self._step += 1

    @property
    def _is_last_step(self) -> bool:
        return self._step + 1 == self._max_length

    def result(self) -> tuple[Hypothesis, ...]:
        """The best num_hypotheses of those finished, best first."""
        ranked = sorted(self._finished, key=lambda hypothesis: -hypothesis.score)
        best = ranked[: self._options.num_hypotheses]
        start = len(self._options.start)
        return tuple(one.without(start) for one in best) if start else tuple(best)

    def _select(self, best: Sequence[Continuation], last_step: bool) -> list[Continuation]:
        """Set finished hypotheses aside and say which continuations go on."""
        beam_size = self._options.beam_size
        substitutes = (c for c in best[beam_size:] if c.token not in self._ends)
        going_on: list[Continuation] = []
        for rank, continuation in enumerate(best[:beam_size]):
            if continuation.token not in self._ends and not last_step:
                going_on.append(continuation)
                continue
            ended = continuation.token in self._ends
            reason = FinishReason.END if ended else FinishReason.LENGTH
            self._finished.append(self._hypothesis(continuation, reason))
            self._best_finished |= rank == 0
            going_on += [c for c in [next(substitutes, None)] if c is not None]
        return going_on

    def _go_on(self, going_on: Sequence[Continuation]) -> None:
        self._tokens = [(*self._tokens[c.parent], c.token) for c in going_on]
        self.totals = [c.total for c in going_on]
        self._parents = [c.parent for c in going_on]
        self._step += 1

    def _hypothesis(self, continuation: Continuation, reason: FinishReason) -> Hypothesis:
        tokens = self._tokens[continuation.parent]
        length = len(tokens) + 1
        return Hypothesis(
            target_ids=tokens if reason is FinishReason.END else (*tokens, continuation.token),
            score=continuation.total / length**self._options.length_penalty,
            finish_reason=reason,
        )

    def _has_enough(self) -> bool:
        if self._options.length_penalty == 0 and self._options.coverage_penalty == 0:
            return self._best_finished and len(self._finished) >= self._options.num_hypotheses
        return len(self._finished) >= self._enough


def best_continuations(
    totals: LogProbs, log_probs: LogProbs, ids: Ids, count: int
) -> Iterator[tuple[list[int], list[int], list[float]]]:
    """The best continuations of many sentences that have equally many live hypotheses.

    totals: (sentences, live); log_probs, ids: (sentences, live, candidates), best first.
    Yields parents, tokens and totals of the best count of each sentence, best first; equal ones in
    the order of their places.
    """
    sentences, _, candidates = log_probs.shape
    sums = (totals[:, :, None] + log_probs).reshape(sentences, -1)  # (sentences, live * candidates)
    order = np.argsort(-sums, axis=-1, kind="stable")[:, :count]
    each = np.arange(sentences)[:, None]
    columns = (order // candidates, ids.reshape(sentences, -1)[each, order], sums[each, order])
    yield from zip(*(column.tolist() for column in columns), strict=True)
