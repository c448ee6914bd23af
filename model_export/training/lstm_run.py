"""A run of the LSTM recipe in its directory.

config.json  source.* target.* (vocabularies)  model.keras  checkpoint.npz  log.jsonl  curves.png
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from model_export.training.data import DataFile
from model_export.training.errors import BadRun, TrainingError
from model_export.training.lstm_settings import LstmRecipe
from model_export.training.run import DataEntry
from service.package.manifest import LanguagePair

CONFIG_NAME = "config.json"
MODEL_NAME = "model.keras"
LIBRARIES = ("keras", "numpy", "sacrebleu", "sentencepiece")


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line says about a run. Empty and None: it doesn't."""

    out: Path
    data: tuple[DataFile, ...] = ()
    origins: dict[str, float] | None = None
    development: tuple[str, ...] = ()
    pair: LanguagePair | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    """Fields of the recipe."""


class LstmRun(BaseModel):
    """config.json: all that decides the weights, and the libraries that the run began with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair: LanguagePair
    recipe: LstmRecipe
    data: tuple[DataEntry, ...]
    origins: dict[str, float] | None = None
    """Weights by origin; other origins are left out. None: all are taken whole."""
    development: tuple[str, ...]
    libraries: dict[str, str] = {}

    def data_files(self) -> list[DataFile]:
        """The files to read.

        Raises:
            BadRun: one is not what it was when the run began.
        """
        files = [DataFile(entry.path, entry.weight) for entry in self.data]
        if [DataEntry.of(file) for file in files if file.path.is_file()] != list(self.data):
            raise BadRun("The training files are not what they were when the run began.")
        return files


def find(request: Request) -> LstmRun:
    """The run in the directory, or a new one, written there.

    Raises:
        BadRun: the directory holds a run that was told something else.
        TrainingError: too little is said for a new run, or something that can't be.
    """
    path = request.out / CONFIG_NAME
    if path.exists():
        run = read_run(request.out)
        _refuse_differences(run, request)
        return run
    run = _new(request)
    request.out.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{CONFIG_NAME}.new")
    temporary.write_text(run.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return run


def read_run(directory: Path) -> LstmRun:
    """Read config.json. Raises BadRun."""
    try:
        return LstmRun.model_validate_json((directory / CONFIG_NAME).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise BadRun(f"{directory / CONFIG_NAME}: {error}") from error


def _new(request: Request) -> LstmRun:
    if not request.data or request.pair is None or not request.development:
        raise TrainingError("A new run needs --data, --dev and --pair.")
    return LstmRun(
        pair=request.pair,
        recipe=_recipe(request.settings),
        data=tuple(DataEntry.of(file) for file in request.data),
        origins=request.origins,
        development=request.development,
        libraries={name: metadata.version(name) for name in LIBRARIES},
    )


def _refuse_differences(run: LstmRun, request: Request) -> None:
    """What is said again must be what was said first."""
    wanted = _recipe({**run.recipe.model_dump(), **request.settings})
    differences = [
        f"--{name.replace('_', '-')}"
        for name in LstmRecipe.model_fields
        if getattr(wanted, name) != getattr(run.recipe, name)
    ]
    said = {
        "--data": (tuple(map(DataEntry.of, request.data)), run.data),
        "--origin": (request.origins, run.origins),
        "--dev": (request.development, run.development),
        "--pair": (request.pair, run.pair),
    }
    differences += [name for name, (now, then) in said.items() if now and now != then]
    if differences:
        raise BadRun(
            f"{request.out} holds a run with another {', '.join(differences)}. "
            "Leave these options out to go on with it, or choose another --out."
        )


def _recipe(settings: Mapping[str, object]) -> LstmRecipe:
    try:
        return LstmRecipe.model_validate(settings)
    except ValidationError as error:
        raise TrainingError(str(error)) from error
