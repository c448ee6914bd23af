"""The log-probabilities of a given target, as CTranslate2's score_batch."""

from __future__ import annotations

from service.decoding.demands import Demands
from service.decoding.model import Candidates, Target
from service.domain import FinishReason, Hypothesis


class Scoring:
    """A single hypothesis that follows a target and asks for each of its tokens."""

    size = 1
    candidates = 1

    def __init__(
        self, target_ids: tuple[int, ...], target: Target, start: tuple[int, ...] = ()
    ) -> None:
        """start: as DecodingOptions'; it is not scored.

        Raises ValueError: the decoder can't take so many steps.
        """
        most = target.max_length - len(start)
        if len(target_ids) >= most:
            raise ValueError(f"the target must have less than {most} tokens")
        self._target_ids = target_ids
        self._tokens = (*start, *target_ids, target.end)
        self._start = len(start)
        self._step = 0
        self._log_probs: list[float] = []
        self._asked = 0
        self.parents = [0]
        """As Beam."""

    @property
    def step(self) -> int:
        """Tokens that were given to the model."""
        return self._step

    @property
    def done(self) -> bool:
        """Whether all were."""
        return self.step == len(self._tokens)

    def last_tokens(self, start: int) -> list[int]:
        """As Beam."""
        return [self._tokens[self.step - 1] if self.step else start]

    def demand(self, demands: Demands, row: int) -> None:
        """As Beam."""
        if self._step >= self._start:
            self._asked = demands.ask(row, self._tokens[self._step])

    def take(self, candidates: Candidates, row: int) -> None:
        """As GuidedBeam."""
        if self._step >= self._start:
            assert candidates.extras
            self._log_probs.append(float(candidates.extras.asked_log_probs[self._asked]))
        self._step += 1

    def result(self) -> tuple[Hypothesis, ...]:
        """The target; its score is the sum of the log-probabilities."""
        return (
            Hypothesis(
                target_ids=self._target_ids,
                score=sum(self._log_probs),
                finish_reason=FinishReason.END,
                log_probs=tuple(self._log_probs),
            ),
        )
