"""A beam with more to it than ranking the best continuations: a prefix, random draws, attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from service.decoding import alignment, prefix
from service.decoding.beam import Beam, Continuation, best_continuations
from service.decoding.demands import Demands
from service.decoding.model import Candidates, ExtraResults, Ids, LogProbs, Target
from service.decoding.sampling import Sampler
from service.domain import DecodingOptions, FinishReason, Hypothesis


class GuidedBeam(Beam):
    """Looks at its own candidates, one sentence at a time.

    A forced prefix is followed by a single hypothesis whose total stays 0. Of the continuations
    behind it only the best one may end at once: short endings would outlive all others when
    scores are not normalised by length.
    """

    def __init__(
        self,
        options: DecodingOptions,
        target: Target,
        stream: int = 0,
        context: tuple[int, ...] = (),
    ) -> None:
        super().__init__(options, target, context)
        self._sampler = Sampler(options, stream) if options.samples else None
        biased = options.prefix_bias_beta > 0
        prefix = options.start + options.target_prefix
        self._forced = options.start if biased else prefix
        self._favoured = prefix if biased else ()
        self._attends = options.return_attention or options.coverage_penalty != 0
        self._attention: list[alignment.Attention] = [()]  # of each live hypothesis
        self._step_attention: list[LogProbs] = []
        self._asked: dict[int, int] = {}  # place of a hypothesis → place of its answer
        self._full: list[int] = []
        self._attended: list[int] = []

    @property
    def candidates(self) -> int:
        """How many continuations of each hypothesis take() needs to see."""
        return self._sampler.candidates if self._sampler else super().candidates

    @property
    def _is_forced(self) -> bool:
        return self._step < len(self._forced)

    def demand(self, demands: Demands, row: int) -> None:
        """As Beam."""
        rows = range(row, row + self.size)
        self._attended = [demands.attend(one) for one in rows] if self._attends else []
        if self._is_forced:
            return
        super().demand(demands, row)
        if self._step < len(self._favoured):
            token, so_far = self._favoured[self._step], self._favoured[: self._step]
            agreeing = [place for place, tokens in enumerate(self._tokens) if tokens == so_far]
            self._asked = {place: demands.ask(row + place, token) for place in agreeing}
        if self._sampler and self._sampler.whole_rows:
            self._full = [demands.ask_all(one) for one in rows]

    def take(self, candidates: Candidates, row: int) -> None:
        """Take a step. row: the first of the beam's rows among the candidates'."""
        if candidates.extras:
            self._step_attention = [candidates.extras.attention[i] for i in self._attended]
        if self._is_forced:
            self._force(self._forced[self._step])
        else:
            self.advance(self._continuations(candidates, row))

    def advance(self, best: Sequence[Continuation]) -> None:
        """As Beam."""
        super().advance(best)
        self._remember_attention()

    def _force(self, token: int) -> None:
        continuation = Continuation(0, token, 0.0)
        self.done = self._step + 1 == self._max_length
        if self.done:
            self._finished.append(self._hypothesis(continuation, FinishReason.LENGTH))
        self._go_on([continuation])
        self._remember_attention()

    def _continuations(self, candidates: Candidates, row: int) -> list[Continuation]:
        """The best or drawn continuations of all live hypotheses."""
        log_probs, ids = self._distributions(candidates, row)
        if self._sampler:
            count = 1 if self.beam_size == 1 else 2 * self.beam_size
            best = self._sampler.draw(self.totals, log_probs, ids, count)
        else:
            totals = np.array([self.totals], np.float32)
            (found,) = best_continuations(totals, log_probs[None], ids[None], 2 * self.beam_size)
            best = list(map(Continuation, *found))
        if self._forced and self._step == len(self._forced):
            best = best[:1] + [c for c in best[1:] if c.token not in self._ends]
        return best

    def _distributions(self, candidates: Candidates, row: int) -> tuple[LogProbs, Ids]:
        """(live, tokens) continuations of each hypothesis, best first or in the order of ids."""
        extras = candidates.extras
        if self._full:
            assert extras
            log_probs = extras.full_log_probs[self._full]
            ids = np.broadcast_to(np.arange(log_probs.shape[1]), log_probs.shape)
        else:
            rows = slice(row, row + self.size)
            log_probs = candidates.log_probs[rows, : self.candidates]
            ids = candidates.ids[rows, : self.candidates]
        return self._biased(log_probs, ids, extras) if self._asked and extras else (log_probs, ids)

    def _biased(self, log_probs: LogProbs, ids: Ids, extras: ExtraResults) -> tuple[LogProbs, Ids]:
        log_probs, ids = log_probs.copy(), ids.copy()
        token, beta = self._favoured[self._step], self._options.prefix_bias_beta
        for place, answer in self._asked.items():
            log_prob = float(extras.asked_log_probs[answer])
            log_probs[place], ids[place] = prefix.biased(
                log_probs[place], ids[place], token, log_prob, beta
            )
        self._asked = {}
        return log_probs, ids

    def _remember_attention(self) -> None:
        if self._attends:
            self._attention = [
                (*self._attention[parent], self._step_attention[parent]) for parent in self._parents
            ]

    def _hypothesis(self, continuation: Continuation, reason: FinishReason) -> Hypothesis:
        plain = super()._hypothesis(continuation, reason)
        if not self._attends:
            return plain
        parent = continuation.parent
        attention = (*self._attention[parent], self._step_attention[parent])
        penalty = self._options.coverage_penalty
        shown = attention[: len(plain.target_ids)] if self._options.return_attention else ()
        return replace(
            plain,
            score=plain.score + (penalty * alignment.coverage(attention) if penalty else 0),
            attention=alignment.as_values(shown),
        )
