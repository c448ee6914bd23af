"""What the sentences of a batch want of one step, collected row by row."""

from __future__ import annotations

import numpy as np

from service.decoding.model import Extras, Ids, LogProbs


class Demands:
    """Methods that return a number return the place of the answer among ExtraResults."""

    def __init__(self, vocabulary: int) -> None:
        """vocabulary: tokens from here on are never generated; nothing is done about them."""
        self._vocabulary = vocabulary
        self._forbidden: list[tuple[int, int]] = []
        self._penalised: list[tuple[int, int]] = []
        self._penalties: list[float] = []
        self._asked: list[tuple[int, int]] = []
        self._full_rows: list[int] = []
        self._attended_rows: list[int] = []

    def forbid(self, row: int, token: int) -> None:
        """The row must not continue with the token."""
        if token < self._vocabulary:
            self._forbidden.append((row, token))

    def penalise(self, row: int, token: int, penalty: float) -> None:
        """Repetition penalty; at most once for a row and token."""
        if token < self._vocabulary:
            self._penalised.append((row, token))
            self._penalties.append(penalty)

    def ask(self, row: int, token: int) -> int:
        """The log-probability of one token, which must be one of the vocabulary."""
        self._asked.append((row, token))
        return len(self._asked) - 1

    def ask_all(self, row: int) -> int:
        """All log-probabilities of a row."""
        self._full_rows.append(row)
        return len(self._full_rows) - 1

    def attend(self, row: int) -> int:
        """What the row attends to."""
        self._attended_rows.append(row)
        return len(self._attended_rows) - 1

    @property
    def biased(self) -> Ids:
        """As in StepInput."""
        return _pairs(self._forbidden) if self._forbidden else NO_PAIRS

    @property
    def biases(self) -> LogProbs:
        """As in StepInput."""
        return np.full(len(self._forbidden), -np.inf, np.float32)

    @property
    def extras(self) -> Extras | None:
        """As in StepInput."""
        if not (self._penalised or self._asked or self._full_rows or self._attended_rows):
            return None
        return Extras(
            penalised=_pairs(self._penalised),
            penalties=np.array(self._penalties, np.float32),
            asked=_pairs(self._asked),
            full_rows=np.array(self._full_rows, np.int64),
            attended_rows=np.array(self._attended_rows, np.int64),
        )


NO_PAIRS: Ids = np.zeros((0, 2), np.int64)


def _pairs(pairs: list[tuple[int, int]]) -> Ids:
    return np.array(pairs, np.int64).reshape(-1, 2)
