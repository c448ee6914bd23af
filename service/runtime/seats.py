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
KEPT_BYTES = 2**21
"""An empty batch keeps no more memory for a tensor than this, …"""
SLACK = 3
"""… and another one no more than this times what the tensor takes."""
MAX_VIEWS = 1000
"""So many shapes of the same memory are remembered: making a value for ONNX Runtime takes longer
than a small product."""


class Tensors:
    """Named tensors that share their varying dimensions and keep their values when these change.

    On the CPU they are the memory that the graphs read and write.
    """

    def __init__(
        self, dimensions: Mapping[str, Dimensions], types: Mapping[str, type], device: str, id_: int
    ) -> None:
        self._dimensions = dimensions
        self._device, self._device_id = device, id_
        self._arrays: dict[str, Array] = {}
        # One-dimensional; a tensor is the beginning of its memory, and moves to the spare one.
        self._memory: dict[str, Array] = {name: np.zeros(0, types[name]) for name in dimensions}
        self._spare = dict(self._memory)
        self._views: dict[tuple[int, tuple[int, ...]], onnxruntime.OrtValue] = {}
        self.values: dict[str, onnxruntime.OrtValue] = {}
        """The tensors as the graphs take them; other objects after clear() and resize() and, away
        from the CPU, after write()."""
        self.sizes = dict.fromkeys(
            (size for shape in dimensions.values() for size in shape if isinstance(size, str)), 0
        )
        """The varying dimensions."""

    def clear(self, sizes: Mapping[str, int]) -> None:
        """Change varying dimensions and forget all values."""
        self._change(sizes)
        for name in self._dimensions:
            self._give_back(name, KEPT_BYTES)
            self._place(name, None)

    def resize(self, sizes: Mapping[str, int], seats: Sequence[int] | None = None) -> None:
        """Change varying dimensions. seats: those that stay, in their new order; all if None."""
        self._change(sizes)
        for name in self._dimensions:
            old = self._host(name)
            self._memory[name], self._spare[name] = self._spare[name], self._memory[name]
            self._give_back(name, max(KEPT_BYTES, SLACK * self._bytes(name)))
            self._place(name, old if seats is None else old[list(seats)])

    def write(self, name: str, seats: Sequence[int], rows: Array) -> None:
        """Fill seats of one tensor; what varies may be smaller than there is room for."""
        array = self._host(name)
        room: tuple[Any, ...] = (list(seats), *map(slice, rows.shape[1:]))
        array[room] = rows
        if self._device != "cpu":
            self._put(name, array)

    def _change(self, sizes: Mapping[str, int]) -> None:
        self.sizes |= {name: size for name, size in sizes.items() if name in self.sizes}

    def _place(self, name: str, old: Array | None) -> None:
        """Put a tensor into its memory, with those of the old values that fit."""
        shape = self._shape(name)
        size = prod(shape)
        if len(self._memory[name]) < size:
            # New memory is dear, as the system hands it out page by page.
            self._views.clear()  # they hold the memory of before
            self._memory[name] = np.zeros(size + size // 2, self._memory[name].dtype)
        array = self._memory[name][:size].reshape(shape)
        # What is left in the others are numbers and never NaN; attention multiplies them by zero.
        if array.ndim == 1:
            array[:] = 0  # lengths must fit
        if old is not None:
            kept = tuple(map(slice, map(min, old.shape, array.shape)))
            array[kept] = old[kept]
        self._put(name, array)

    def _bytes(self, name: str) -> int:
        """What a tensor takes at its present size."""
        return prod(self._shape(name)) * self._memory[name].itemsize

    def _shape(self, name: str) -> list[int]:
        dimensions = self._dimensions[name]
        return [size if isinstance(size, int) else self.sizes[size] for size in dimensions]

    def _give_back(self, name: str, most: int) -> None:
        """Forget memory of more than so many bytes, which was needed once."""
        nothing = self._memory[name][:0].copy()
        for memories in (self._memory, self._spare):
            if memories[name].nbytes > most:
                self._views.clear()
                memories[name] = nothing

    def _host(self, name: str) -> Array:
        if self._device == "cpu":
            return self._arrays[name]
        return np.asarray(self.values[name].numpy())

    def _put(self, name: str, array: Array) -> None:
        if self._device == "cpu":
            self._arrays[name] = array
            self.values[name] = self._view(array)
            return
        self.values[name] = onnxruntime.OrtValue.ortvalue_from_numpy(
            array, self._device, self._device_id
        )

    def _view(self, array: Array) -> onnxruntime.OrtValue:
        """An array as a value that shares its memory and keeps it."""
        place = array.__array_interface__["data"][0], array.shape  # in half the time of .ctypes
        if place not in self._views:
            if len(self._views) >= MAX_VIEWS:
                self._views.clear()
            self._views[place] = onnxruntime.OrtValue.ortvalue_from_numpy(array)
        return self._views[place]
