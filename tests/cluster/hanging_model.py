"""A model one of whose replicas stops in the middle of a step, as a driver or a disk may do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fixed_time_model import FixedTimeDecoding, FixedTimeModel
from service.cluster.options import described
from service.decoding.model import Candidates, StepInput, Target
from service.opening import MODEL, RunningModel, model_behind
from service.package.directory import ModelDirectory
from service.scheduling.engine import Engine
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class HangingModel(FixedTimeModel):
    """Hangs where it finds a file, which it takes away, so that one replica does."""

    file: Path

    def begin(self) -> FixedTimeDecoding:
        """A batch without sentences."""
        return _HangingDecoding(self, self.file)


class _HangingDecoding(FixedTimeDecoding):
    def __init__(self, model: HangingModel, file: Path) -> None:
        super().__init__(model)
        self._file = file

    def step(self, step: StepInput) -> Candidates:
        try:
            self._file.unlink()
        except FileNotFoundError:
            return super().step(step)
        threading.Event().wait()
        raise AssertionError


@contextmanager
def open_hanging_model(settings: Settings, file: Path) -> Iterator[RunningModel]:
    """The model, with the text side of the settings' model directory."""
    directory = ModelDirectory.open(settings.model.directory)
    target = Target.of(directory.manifest)
    with Engine(settings.scheduling).running() as engine:
        engine.add(MODEL, HangingModel(target.end, 10, 0.05, file), target)
        yield model_behind(engine, directory, described(settings, directory), MODEL)
