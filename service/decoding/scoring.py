"""The log-probabilities of a given target, as CTranslate2's score_batch."""

from __future__ import annotations

from service.decoding.demands import Demands
from service.decoding.model import Candidates, Target
from service.domain import FinishReason, Hypothesis


class Scoring:
    """A single hypothesis that follows a target and asks for each of its tokens."""

    size = 1
    candidates = 1

    def __init__(self, target_ids: tuple[int, ...], target: Target) -> None:
        """Raises ValueError: the decoder can't take so many steps."""
        if len(target_ids) >= target.max_length:
            raise ValueError(f"the target must have less than {target.max_length} tokens")
        self._target_ids = target_ids
        self._tokens = (*target_ids, target.end)
        self._log_probs: list[float] = []
        self._asked = 0
        self.parents = [0]
        """As Beam."""

    @property
    def step(self) -> int:
        """Tokens that were scored."""
        return len(self._log_probs)

    @property
    def done(self) -> bool:
        """Whether all were."""
        return self.step == len(self._tokens)

    def last_tokens(self, start: int) -> list[int]:
        """As Beam."""
        return [self._tokens[self.step - 1] if self.step else start]

    def demand(self, demands: Demands, row: int) -> None:
        """As Beam."""
        self._asked = demands.ask(row, self._tokens[self.step])

    def take(self, candidates: Candidates, row: int) -> None:
        """As GuidedBeam."""
        assert candidates.extras
        self._log_probs.append(float(candidates.extras.asked_log_probs[self._asked]))

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
