"""Named tensors of a safetensors file, with every fault collected before anything is refused."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from model_export.errors import UnsupportedCheckpoint
from model_export.spec import Array

FLOATS = ("F32", "F16", "F64")


class Tensors:
    """Hands out tensors by name. A fault gives zeros and is remembered until finish()."""

    def __init__(self, path: Path) -> None:
        self._problems: list[str] = []
        self._taken: set[str] = set()
        try:
            self._file = _open(path)
        except (SafetensorError, OSError) as error:
            raise UnsupportedCheckpoint([f"{path.name} cannot be read: {error}."]) from error
        self._names = set(self._file.keys())

    def take(self, name: str, shape: tuple[int, ...]) -> Array:
        """The tensor of this name as float32; zeros when it can't be had."""
        self._taken.add(name)
        problem = self._problem(name, shape)
        if problem:
            self._problems.append(problem)
            return np.zeros(shape, np.float32)
        tensor: Array = self._file.get_tensor(name).astype(np.float32)
        if not np.isfinite(tensor).all():
            self._problems.append(f"{name} holds values that are not finite.")
        return tensor

    def finish(self, ignored: Collection[str]) -> None:
        """Check that nothing was wrong and nothing was left over.

        Raises:
            UnsupportedCheckpoint: with every fault met so far.
        """
        left = sorted(self._names - self._taken - set(ignored))
        problems = self._problems + [f"{name} is not part of the architecture." for name in left]
        if problems:
            raise UnsupportedCheckpoint(problems)

    def _problem(self, name: str, shape: tuple[int, ...]) -> str | None:
        if name not in self._names:
            return f"{name} is missing."
        stored = self._file.get_slice(name)
        found, dtype = tuple(stored.get_shape()), stored.get_dtype()
        if found != shape:
            return f"{name} has shape {list(found)}; config.json says {list(shape)}."
        if dtype not in FLOATS:
            return f"{name} has type {dtype}; supported: {', '.join(FLOATS)}."
        return None


def _open(path: Path) -> Any:  # safe_open's methods have no types
    return safe_open(path, framework="numpy")
