"""A run's state in one file, which is replaced in one step: kill the run whenever you like."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from model_export.training.errors import BadRun

CHECKPOINT_NAME = "checkpoint.safetensors"


@dataclass(slots=True)
class Position:
    """Where a run stands. All sums are over the whole run."""

    step: int = 0
    """Steps done."""
    epoch: int = 0
    batch: int = 0
    """The epoch's next batch."""
    tokens: int = 0
    """Target tokens trained on, padding not counted."""
    seconds: float = 0.0
    """Time of training, pauses not counted."""
    cpu_seconds: float = 0.0
    """Processor time, of all threads."""


Tensors = Mapping[str, torch.Tensor]


def save(path: Path, position: Position, tensors: Tensors) -> None:
    """Replace the checkpoint; readers see all of the old one or all of the new one."""
    temporary = path.with_name(f".{path.name}.new")
    metadata = {"position": TypeAdapter(Position).dump_json(position).decode()}
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, temporary, metadata)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load(path: Path) -> tuple[Position, dict[str, torch.Tensor]]:
    """Read a checkpoint.

    Raises:
        BadRun: it can't be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            position = TypeAdapter(Position).validate_json(file.metadata()["position"])
            return position, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValidationError) as error:
        raise BadRun(f"{path} can't be read: {error}") from error
