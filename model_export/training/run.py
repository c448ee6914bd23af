"""A training run in its directory: what it was told, where it stands, what came of it.

run.json  vocabulary.spm  checkpoint.safetensors  log.jsonl  curves.png  model/  initial/
"""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from model_export.training.data import DataFile
from model_export.training.errors import BadRun
from model_export.training.settings import Budget, Recipe
from service.package.directory import sha256_of
from service.package.manifest import LanguagePair

RUN_NAME = "run.json"
VOCABULARY_NAME = "vocabulary.spm"
MODEL_NAME = "model"
INITIAL_NAME = "initial"
LIBRARIES = ("torch", "transformers", "sentencepiece", "numpy", "sacrebleu")


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataEntry(_Described):
    """A data file as it was when the run began."""

    path: Path
    weight: float
    sha256: str

    @classmethod
    def of(cls, file: DataFile) -> DataEntry:
        """Raises OSError if it can't be read."""
        return cls(path=file.path.resolve(), weight=file.weight, sha256=sha256_of(file.path))


class Begin(_Described):
    """Where the run took over another one; its budget counts from there."""

    run: Path | None = None
    step: int = 0
    seconds: float = 0.0


class Run(_Described):
    """All that decides the weights of a run, and the libraries that it began with."""

    pair: LanguagePair
    recipe: Recipe
    data: tuple[DataEntry, ...]
    origins: dict[str, float] | None = None
    """Weights by origin; other origins are left out. None: all are taken whole."""
    development: tuple[str, ...] = ()
    initial: Path | None = None
    """Checkpoint that the weights and the vocabulary were taken from."""
    begin: Begin = Begin()
    budget: Budget = Budget()
    """As told last; all else stays as the run began."""
    libraries: dict[str, str] = {}

    def data_files(self) -> list[DataFile]:
        """The files to read.

        Raises:
            BadRun: one is not what it was when the run began.
        """
        changed = [str(entry.path) for entry in self.data if not _unchanged(entry)]
        if changed:
            raise BadRun(f"Not what the run began with: {', '.join(changed)}")
        return [DataFile(entry.path, entry.weight) for entry in self.data]

    def write(self, directory: Path) -> None:
        """Write run.json."""
        temporary = directory / f".{RUN_NAME}.new"
        temporary.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, directory / RUN_NAME)


def read_run(directory: Path) -> Run:
    """Read run.json.

    Raises:
        BadRun: it is missing or says something else than a run does.
    """
    try:
        return Run.model_validate_json((directory / RUN_NAME).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise BadRun(f"{directory / RUN_NAME}: {error}") from error


def libraries() -> dict[str, str]:
    """Versions of what decides the weights."""
    return {name: metadata.version(name) for name in LIBRARIES}


def _unchanged(entry: DataEntry) -> bool:
    return entry.path.is_file() and sha256_of(entry.path) == entry.sha256
