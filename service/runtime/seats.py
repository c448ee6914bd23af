"""Tensors with a seat for each sentence of a batch. Sentences take and leave seats at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

Array = npt.NDArray[Any]
Dimensions = Sequence[int | str]
"""A graph's shape of a tensor: numbers, and names of what varies."""

SEATS = "sentences"
"""The dimension that counts seats."""


class Tensors:
    """Named tensors that share their varying dimensions and keep their values when these change.

    On the CPU they are the memory that the graphs read and write.
    """

    def __init__(
        self, dimensions: Mapping[str, Dimensions], types: Mapping[str, type], device: str, id_: int
    ) -> None:
        self._dimensions = dimensions
        self._types = types
        self._device, self._device_id = device, id_
        self._arrays: dict[str, Array] = {}
        self._memory: dict[str, Array] = {}  # one-dimensional, of which the tensors are a part
        self._spare: dict[str, Array] = {}
        self.values: dict[str, onnxruntime.OrtValue] = {}
        """The tensors as the graphs take them; other objects after resize() and, away from the
        CPU, after write()."""
        self.sizes = dict.fromkeys(
            (size for shape in dimensions.values() for size in shape if isinstance(size, str)), 0
        )
        """The varying dimensions."""

    def resize(self, sizes: Mapping[str, int], seats: Sequence[int] | None = None) -> None:
        """Change varying dimensions. seats: those that stay, in their new order; all if None."""
        self.sizes |= {name: size for name, size in sizes.items() if name in self.sizes}
        for name, shape in self._dimensions.items():
            resized = self._room(name, self._shape(shape))
            if name in self.values:
                old = self._host(name)
                old = old if seats is None else old[list(seats)]
                kept = tuple(map(slice, map(min, old.shape, resized.shape)))
                resized[kept] = old[kept]
            self._put(name, resized)

    def write(self, name: str, seats: Sequence[int], rows: Array) -> None:
        """Fill seats of one tensor; what varies may be smaller than there is room for."""
        array = self._host(name)
        room: tuple[Any, ...] = (list(seats), *map(slice, rows.shape[1:]))
        array[room] = rows
        if self._device != "cpu":
            self._put(name, array)

    def _room(self, name: str, shape: Sequence[int]) -> Array:
        """Memory for a tensor: what the one before the last had, if that is enough.

        New memory is dear, as the system hands it out page by page. What is not overwritten must
        be numbers, not NaN, as attention multiplies what nobody sees by zero.
        """
        size = prod(shape)
        memory = self._spare.pop(name, None)
        if memory is None or len(memory) < size:
            memory = np.zeros(size + size // 2, self._types[name])
        if name in self._memory:
            self._spare[name] = self._memory[name]
        self._memory[name] = memory
        room = memory[:size].reshape(shape)
        if room.ndim == 1:
            room[:] = 0  # lengths must fit
        return room

    def _shape(self, dimensions: Dimensions) -> list[int]:
        return [size if isinstance(size, int) else self.sizes[size] for size in dimensions]

    def _host(self, name: str) -> Array:
        if self._device == "cpu":
            return self._arrays[name]
        return np.asarray(self.values[name].numpy())

    def _put(self, name: str, array: Array) -> None:
        if self._device == "cpu":
            self._arrays[name] = array  # the value below is this memory
        self.values[name] = onnxruntime.OrtValue.ortvalue_from_numpy(
            array, self._device, self._device_id
        )
