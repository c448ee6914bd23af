"""Begin a run, go on with one, or branch one off another."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from transformers import MarianConfig

from model_export.training import checkpoint
from model_export.training.checkpoint import CHECKPOINT_NAME
from model_export.training.data import DataFile
from model_export.training.errors import BadRun, TrainingError
from model_export.training.journal import JOURNAL_NAME
from model_export.training.run import (
    INITIAL_NAME,
    RUN_NAME,
    VOCABULARY_NAME,
    Begin,
    DataEntry,
    Run,
    libraries,
    read_run,
)
from model_export.training.settings import Budget, Recipe
from model_export.training.unpacking import is_package, unpack
from model_export.training.vocabulary import Vocabulary
from service.package.manifest import LanguagePair

Told = TypeVar("Told", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line says about a run. Empty and None: it doesn't."""

    out: Path
    data: tuple[DataFile, ...] = ()
    origins: dict[str, float] | None = None
    development: tuple[str, ...] = ()
    pair: LanguagePair | None = None
    initial: Path | None = None
    cool_down: Path | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    """Fields of the recipe."""
    budget: Mapping[str, object] = field(default_factory=dict)
    """Fields of the budget."""


def find(request: Request) -> Run:
    """The run in the directory, or a new one, written there.

    Raises:
        BadRun: the directory holds a run that was told something else, or something else.
        TrainingError: too little is said for a new run.
    """
    if (request.out / RUN_NAME).exists():
        run = read_run(request.out)
        _refuse_differences(run, request)
    else:
        run = _branch(request) if request.cool_down else _new(request)
    run = run.model_copy(update={"budget": _budget(run.budget, request)})
    request.out.mkdir(parents=True, exist_ok=True)
    run.write(request.out)
    return run


def _budget(before: Budget, request: Request) -> Budget:
    """What is told of steps or hours replaces both."""
    kept = before.model_dump()
    if request.cool_down or {"steps", "hours"} & set(request.budget):
        kept |= {"steps": None, "hours": None}
    budget = _validated(Budget, {**kept, **request.budget})
    if budget.steps is None and budget.hours is None:
        raise TrainingError("Say how long to train: --steps or --hours.")
    return budget


def _new(request: Request) -> Run:
    if not request.data or request.pair is None:
        raise TrainingError("A new run needs --data and --pair.")
    initial = _initial(request)
    given = {**_architecture(initial), **request.settings}
    return Run(
        pair=request.pair,
        recipe=_validated(Recipe, given),
        data=tuple(DataEntry.of(file) for file in request.data),
        origins=request.origins,
        development=request.development,
        initial=initial,
        libraries=libraries(),
    )


def _initial(request: Request) -> Path | None:
    """The checkpoint to begin from; that of a package is put into the run's directory."""
    if request.initial is None or not is_package(request.initial):
        return request.initial and request.initial.resolve()
    unpack(request.initial, request.out / INITIAL_NAME)
    return (request.out / INITIAL_NAME).resolve()


def _branch(request: Request) -> Run:
    """A run that takes over all of another's but what is told; its learning rate falls to zero."""
    trunk = request.cool_down
    if trunk is None or not (trunk / CHECKPOINT_NAME).exists():
        raise BadRun(f"{trunk} has no checkpoint to cool down from.")
    request.out.mkdir(parents=True, exist_ok=True)
    for name in (VOCABULARY_NAME, JOURNAL_NAME, CHECKPOINT_NAME):
        shutil.copyfile(trunk / name, request.out / name)
    position, _ = checkpoint.load(request.out / CHECKPOINT_NAME)
    run = read_run(trunk)
    settings = {**run.recipe.model_dump(), "decay_share": 1.0, **request.settings}
    told: dict[str, object] = {
        "data": tuple(DataEntry.of(file) for file in request.data),
        "origins": request.origins,
        "development": request.development,
    }
    changes: dict[str, object] = {
        "recipe": _validated(Recipe, settings),
        "begin": Begin(run=trunk.resolve(), step=position.step, seconds=position.seconds),
        **{name: value for name, value in told.items() if value},
    }
    return run.model_copy(update=changes)


def _architecture(initial: Path | None) -> dict[str, object]:
    """The shape of the model to begin from, as fields of the recipe."""
    if initial is None:
        return {}
    config = MarianConfig.from_pretrained(initial)
    return {
        "d_model": config.d_model,
        "encoder_layers": config.encoder_layers,
        "decoder_layers": config.decoder_layers,
        "heads": config.encoder_attention_heads,
        "feed_forward": config.encoder_ffn_dim,
        "max_positions": config.max_position_embeddings,
        "vocabulary": len(Vocabulary.read(initial / "source.spm")) - 1,
    }


def _validated(kind: type[Told], told: Mapping[str, object]) -> Told:
    try:
        return kind.model_validate(told)
    except ValidationError as error:
        raise TrainingError(
            "\n".join(
                f"--{str(fault['loc'][0]).replace('_', '-')}: {fault['msg']}"
                for fault in error.errors()
            )
        ) from error


def _refuse_differences(run: Run, request: Request) -> None:
    told = _validated(Recipe, {**run.recipe.model_dump(), **request.settings})
    different = [
        f"--{name.replace('_', '-')} was {value}"
        for name, value in run.recipe.model_dump().items()
        if getattr(told, name) != value
    ]
    data = [(file.path.resolve(), file.weight) for file in request.data]
    if data and data != [(entry.path, entry.weight) for entry in run.data]:
        different.append("--data was another")
    if request.origins is not None and request.origins != run.origins:
        different.append(f"--origin was {run.origins}")
    if request.pair not in (None, run.pair):
        different.append(f"--pair was {run.pair.source}-{run.pair.target}")
    if different:
        raise BadRun(
            f"{request.out} holds a run that was told something else: {'; '.join(different)}. "
            "Leave these options out to go on with it, or choose another --out."
        )
