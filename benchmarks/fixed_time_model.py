"""A model whose steps take a fixed time and no processor: what it does is known beforehand, on any
number of replicas."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import numpy as np

from service.cluster.options import described
from service.decoding.model import Candidates, StepInput, Target
from service.opening import MODEL, RunningModel, model_behind
from service.package.directory import ModelDirectory
from service.scheduling.engine import Engine
from service.settings import Settings

WORD = 7
"""What it says all the time."""


@dataclass(frozen=True, slots=True)
class FixedTimeModel:
    """Translates everything by the same word, again and again."""

    end: int
    steps: int
    """Of every sentence, the end token included."""
    step_seconds: float

    def begin(self) -> FixedTimeDecoding:
        """A batch without sentences."""
        return FixedTimeDecoding(self)


class FixedTimeDecoding:
    """A batch being decoded."""

    def __init__(self, model: FixedTimeModel) -> None:
        self._model = model
        self._numbers = count()

    def join(self, source_ids: list[tuple[int, ...]]) -> list[int]:
        """Take sentences in; their numbers."""
        return [number for _, number in zip(source_ids, self._numbers, strict=False)]

    def leave(self, sentences: list[int]) -> None:
        """Forget sentences, of which it knows nothing."""

    def step(self, step: StepInput) -> Candidates:
        """The word, and at last the end; other candidates are hardly probable."""
        model = self._model
        time.sleep(model.step_seconds)
        best = np.where(np.asarray(step.positions) >= model.steps - 1, model.end, WORD)
        others = np.arange(step.candidates - 1) + max(WORD, model.end) + 1
        ids = np.column_stack([best, np.broadcast_to(others, (len(best), len(others)))])
        log_probs = np.full(ids.shape, -100.0, dtype=np.float32)
        log_probs[:, 0] = 0.0
        return Candidates(log_probs, ids)


@contextmanager
def open_fixed_time_model(
    settings: Settings, steps: int = 10, step_seconds: float = 0.05
) -> Iterator[RunningModel]:
    """The model, with the text side of the settings' model directory."""
    directory = ModelDirectory.open(settings.model.directory)
    target = Target.of(directory.manifest)
    model = FixedTimeModel(target.end, steps, step_seconds)
    with Engine(settings.scheduling).running() as engine:
        engine.add(MODEL, model, target)
        yield model_behind(engine, directory, described(settings, directory), MODEL)
