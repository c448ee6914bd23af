"""What only some rows of a step need, and what only some steps therefore bind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from service.decoding.model import ExtraResults, Extras, Ids, LogProbs, StepInput
from service.runtime.session import Array

EXTRA_INPUTS = (
    "extra",
    "biased",
    "biases",
    "penalised",
    "penalties",
    "asked",
    "full_rows",
    "attended_rows",
    "attended_sentences",
)
NOTHING = Extras(
    penalised=np.zeros((0, 2), np.int64),
    penalties=np.zeros(0, np.float32),
    asked=np.zeros((0, 2), np.int64),
    full_rows=np.zeros(0, np.int64),
    attended_rows=np.zeros(0, np.int64),
)
EXTRA_OUTPUTS = ("asked_log_probs", "full_log_probs", "attention_scores")


def inputs_of(step: StepInput, seats: Ids) -> dict[str, Array]:
    """The graph's optional inputs. seats: (rows,) of each row's sentence."""
    extras = step.extras or NOTHING
    return {
        "biased": step.biased,
        "biases": step.biases,
        "penalised": extras.penalised,
        "penalties": extras.penalties,
        "asked": extras.asked,
        "full_rows": extras.full_rows,
        "attended_rows": extras.attended_rows,
        "attended_sentences": seats[extras.attended_rows],
    }


def results_of(outputs: Mapping[str, Array], lengths: Sequence[int]) -> ExtraResults:
    """lengths: source tokens of each attended row's sentence."""
    return ExtraResults(
        asked_log_probs=outputs["asked_log_probs"],
        full_log_probs=outputs["full_log_probs"],
        attention=[
            _attention(scores[:, :length])
            for scores, length in zip(outputs["attention_scores"], lengths, strict=True)
        ],
    )


def _attention(scores: LogProbs) -> LogProbs:
    """Mean of the heads' attention; scores: (heads, source tokens)."""
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mean: LogProbs = (weights / weights.sum(axis=-1, keepdims=True)).mean(axis=0)
    return mean
