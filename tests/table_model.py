"""A model without weights: its distributions are drawn anew from each prefix. Search can be
compared with trying every sequence, and can be made to wait or to fail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count, groupby

import numpy as np

from service.decoding.model import (
    Candidates,
    ExtraResults,
    Extras,
    LogProbs,
    StepInput,
    Target,
)


class TableModel:
    """Next-token distributions that depend on the source and on every token before."""

    def __init__(self, target: Target, before_step: Callable[[], None] = lambda: None) -> None:
        self.target = target
        self.before_step = before_step

    def logits(self, source_ids: tuple[int, ...], prefix: tuple[int, ...]) -> LogProbs:
        """(vocabulary,)"""
        seed = [value + 1 for value in (*source_ids, 999, *prefix)]
        return np.random.default_rng(seed).normal(size=self.target.vocabulary).astype(np.float32)

    def attention(self, source_ids: tuple[int, ...], prefix: tuple[int, ...]) -> LogProbs:
        """(source tokens,)"""
        seed = [value + 1 for value in (*source_ids, 998, *prefix)]
        weights = np.random.default_rng(seed).random(size=len(source_ids)).astype(np.float32)
        result: LogProbs = weights / weights.sum()
        return result

    def begin(self) -> TableDecoding:
        return TableDecoding(self)


class TableDecoding:
    """A batch being decoded. It keeps each row's tokens, so it checks parents and last_ids."""

    def __init__(self, model: TableModel) -> None:
        self._model = model
        self.sources: dict[int, tuple[int, ...]] = {}
        self._numbers = count()
        self._rows: list[tuple[int, ...]] = []

    def join(self, source_ids: list[tuple[int, ...]]) -> list[int]:
        numbers = [number for _, number in zip(source_ids, self._numbers, strict=False)]
        self.sources |= dict(zip(numbers, source_ids, strict=True))
        self._rows += [() for _ in numbers]
        return numbers

    def leave(self, sentences: list[int]) -> None:
        for sentence in sentences:
            del self.sources[sentence]

    def step(self, step: StepInput) -> Candidates:
        self._model.before_step()
        self._rows = [self._continue(*row) for row in zip(step.parents, step.last_ids, strict=True)]
        assert [len(row) for row in self._rows] == step.positions.tolist()
        runs = [sentence for sentence, _ in groupby(step.sentences.tolist())]
        assert len(runs) == len(set(runs))
        logits = np.stack(
            [
                self._model.logits(self.sources[sentence], row)
                for sentence, row in zip(step.sentences.tolist(), self._rows, strict=True)
            ]
        )
        if step.extras:
            places = tuple(step.extras.penalised.T)
            penalties = step.extras.penalties
            logits[places] *= np.where(logits[places] < 0, penalties, 1 / penalties)
        np.add.at(logits, tuple(step.biased.T), step.biases)
        log_probs = log_softmax(logits)
        ids = np.argsort(-log_probs, axis=-1, kind="stable")[:, : step.candidates]
        extras = self._extras(step, step.extras, log_probs) if step.extras else None
        return Candidates(np.take_along_axis(log_probs, ids, axis=-1), ids, extras)

    def _extras(self, step: StepInput, extras: Extras, log_probs: LogProbs) -> ExtraResults:
        return ExtraResults(
            asked_log_probs=log_probs[tuple(extras.asked.T)],
            full_log_probs=log_probs[extras.full_rows],
            attention=[
                self._model.attention(self.sources[int(step.sentences[row])], self._rows[row])
                for row in extras.attended_rows
            ],
        )

    def _continue(self, parent: int, last_id: int) -> tuple[int, ...]:
        prefix = self._rows[parent]
        return prefix if last_id == self._model.target.start else (*prefix, int(last_id))


def log_softmax(logits: LogProbs) -> LogProbs:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: LogProbs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


class Gate:
    """Holds a model before a step until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.opened.wait(20), "nobody opened the gate"
