"""The mean of the weights of models that come from the same beginning: of a run and its branches.

It often translates a little better than each of them (Izmailov et al. 2018, arXiv:1803.05407;
Wortsman et al. 2022, arXiv:2203.05482), but need not: measure it.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from model_export.package import staged
from model_export.tensors import SAFETENSORS
from model_export.training.errors import BadRun

Weights = dict[str, npt.NDArray[np.float32]]
ALIKE = ("config.json", "source.spm", "target.spm", "vocab.json")
"""Files that say what the weights mean."""
TRAINING = "training.json"


@dataclass(frozen=True, slots=True)
class Part:
    """A model's directory, as the recipe writes it, and what it counts."""

    path: Path
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Part:
        """DIRECTORY or DIRECTORY=WEIGHT. Raises ValueError if the weight is no positive number."""
        path, equals, written = text.rpartition("=")
        if not equals:
            return cls(Path(text))
        weight = float(written)
        if not math.isfinite(weight) or weight <= 0:
            raise ValueError(f"{written!r} is no weight: a number above 0")
        return cls(Path(path), weight)


def average(parts: Sequence[Part], destination: Path) -> None:
    """Write the weighted mean of some models as a directory like theirs.

    Raises:
        BadRun: they are fewer than two, or not alike, or the destination is not free.
    """
    if len(parts) < 2:
        raise BadRun("A mean is of two models or more.")
    if destination.exists():
        raise BadRun(f"{destination} exists already.")
    _require_alike([part.path for part in parts])
    weights = _mean(parts)
    with staged(destination) as staging:
        shutil.copytree(parts[0].path, staging, dirs_exist_ok=True)
        save_file(weights, staging / SAFETENSORS, metadata={"format": "pt"})
        made = {"mean_of": [_origin(part) for part in parts]}
        (staging / TRAINING).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


def _require_alike(paths: Sequence[Path]) -> None:
    first = paths[0]
    for path in paths:
        for name in ALIKE:
            if not (path / name).is_file():
                raise BadRun(f"{path} is no model of this recipe: it has no {name}.")
            if (path / name).read_bytes() != (first / name).read_bytes():
                raise BadRun(f"{path} and {first} differ in {name}: only models alike have a mean.")


def _mean(parts: Sequence[Part]) -> Weights:
    whole = sum(part.weight for part in parts)
    mean: dict[str, npt.NDArray[np.float64]] = {}
    for part in parts:
        weights = _read(part.path)
        if mean and {name: one.shape for name, one in mean.items()} != {
            name: one.shape for name, one in weights.items()
        }:
            raise BadRun(f"{part.path} has other weights than {parts[0].path}.")
        for name, one in weights.items():
            share = one.astype(np.float64) * (part.weight / whole)
            mean[name] = mean[name] + share if name in mean else share
    return {name: one.astype(np.float32) for name, one in mean.items()}


def _read(path: Path) -> Weights:
    try:
        weights: Weights = load_file(path / SAFETENSORS)
    except (OSError, SafetensorError) as error:
        raise BadRun(f"{path / SAFETENSORS} can't be read: {error}") from error
    if others := {str(one.dtype) for one in weights.values()} - {"float32"}:
        raise BadRun(f"{path} has weights of {', '.join(sorted(others))}, not float32.")
    return weights


def _origin(part: Part) -> dict[str, object]:
    """What training.json says of a part: its weight, and all that is known of it."""
    path = part.path / TRAINING
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {"weight": part.weight, "training": known}
