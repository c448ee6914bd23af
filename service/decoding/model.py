"""What the search asks of a model. The runtime satisfies it without knowing the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from service.package.manifest import Manifest

Ids = npt.NDArray[np.int64]
LogProbs = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Target:
    """What the search has to know of a model's target side."""

    start: int
    """The decoder's first input."""
    end: int
    """The token that ends a hypothesis."""
    vocabulary: int
    """How many tokens there are."""
    max_length: int
    """Most steps that the decoder can take; a larger max_decoding_length means this one."""
    unknown: int | None = None
    """The token that stands for everything that is no token."""
    attention: bool = True
    """Whether the model can say what it attended to; if not, nobody may ask."""

    @classmethod
    def of(cls, manifest: Manifest) -> Target:
        """What the manifest says of it."""
        tokens, limits = manifest.tokens, manifest.limits
        return cls(
            start=tokens.start,
            end=tokens.end,
            vocabulary=limits.target_vocabulary,
            max_length=limits.max_target_tokens,
            unknown=tokens.unknown,
            attention=manifest.attention,
        )


@dataclass(frozen=True, slots=True)
class Extras:
    """What some rows need of a step besides their best continuations; any part may be empty."""

    penalised: Ids
    """(penalised, 2) row and token of logits to penalise, before biases; each pair once."""
    penalties: LogProbs
    """(penalised,) positive logits are divided by this, others multiplied."""
    asked: Ids
    """(asked, 2) row and token."""
    full_rows: Ids
    """(full,)"""
    attended_rows: Ids
    """(attended,)"""


@dataclass(frozen=True, slots=True)
class ExtraResults:
    """What the extras asked for, in their order."""

    asked_log_probs: LogProbs
    """(asked,) normalised log-probabilities."""
    full_log_probs: LogProbs
    """(full, vocabulary) all log-probabilities of these rows."""
    attention: list[LogProbs]
    """For each attended row (source tokens,): how much it attends to each; sums to 1."""


@dataclass(frozen=True, slots=True)
class StepInput:
    """One decoder step over all live rows. A row is one hypothesis in the making.

    Rows of the same sentence are adjacent. Row i continues row parents[i] of the step before;
    rows of the step before that nobody continues are gone, and sentences need not have any.
    """

    last_ids: Ids
    """(rows,) the token each row ended with."""
    positions: Ids
    """(rows,) how many tokens each row has before this one; 0 at its first step."""
    parents: Ids
    """(rows,) row of the step before. The rows of sentences that joined since are numbered on from
    those of that step, one each."""
    sentences: Ids
    """(rows,) the number of the sentence that each row translates."""
    biased: Ids
    """(biases, 2) row and token of every log-odds that is changed before normalisation."""
    biases: LogProbs
    """(biases,) what is added there; -inf forbids the token."""
    candidates: int
    """How many continuations to return for each row."""
    extras: Extras | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """The best continuations of every row, best first."""

    log_probs: LogProbs
    """(rows, candidates)"""
    ids: Ids
    """(rows, candidates)"""
    extras: ExtraResults | None = None
    """There if the step had extras."""


class Decoding(Protocol):
    """A batch of sentences being decoded. Used by one thread."""

    def join(self, source_ids: list[tuple[int, ...]]) -> list[int]:
        """Encode sentences of any lengths and take them in; returns their numbers."""

    def leave(self, sentences: list[int]) -> None:
        """Forget sentences. None of them has rows in the steps that follow."""

    def step(self, step: StepInput) -> Candidates:
        """Advance the rows by one token."""


class Seq2SeqModel(Protocol):
    """A trained encoder-decoder."""

    def begin(self) -> Decoding:
        """A batch without sentences."""
