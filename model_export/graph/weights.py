"""Large constants of a graph in a file beside it, as ONNX's external data.

A protobuf message can't be larger than 2 GB, and is in memory as a whole several times before it
is on disk. What stands beside it is written array by array, and ONNX Runtime maps it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper

LARGE = 2**16
"""Bytes from which on a constant is written beside the graph."""
ALIGNMENT = 4096
"""Constants begin at a page, so that they can be mapped."""
BLOCK = 2**26
"""At most so many bytes are made contiguous at a time."""


class WeightFile:
    """The file beside one graph."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._name = path.name
        self._file = file

    @classmethod
    @contextmanager
    def create(cls, path: Path) -> Iterator[WeightFile]:
        """Open a new file until the block ends."""
        with path.open("xb") as file:
            yield cls(path, file)

    def add(self, array: npt.NDArray[Any], name: str) -> TensorProto:
        """Write an array; returns the constant that stands for it in the graph."""
        offset = -(-self._file.tell() // ALIGNMENT) * ALIGNMENT
        self._file.seek(offset)
        rows = max(1, BLOCK // max(1, array[:1].nbytes))
        for start in range(0, len(array), rows):
            self._file.write(np.ascontiguousarray(array[start : start + rows]).data)
        return self._tensor(array, name, offset)

    def _tensor(self, array: npt.NDArray[Any], name: str, offset: int) -> TensorProto:
        tensor = TensorProto(name=name, dims=array.shape, data_location=TensorProto.EXTERNAL)
        tensor.data_type = helper.np_dtype_to_tensor_dtype(array.dtype)
        where = {"location": self._name, "offset": offset, "length": array.nbytes}
        for key, value in where.items():
            tensor.external_data.add(key=key, value=str(value))
        return tensor


class Weights(NamedTuple):
    """Where the large constants of both graphs go; None keeps them in the graph."""

    encoder: WeightFile | None = None
    decoder: WeightFile | None = None
