"""Named tensors of a checkpoint, with every fault collected before anything is refused.

Tensors are mapped, not read: float32 ones cost no memory until they are used, and can be given back
after that.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError, safe_open

from model_export import optimum, pickled
from model_export.errors import UnsupportedCheckpoint
from model_export.spec import Array

SAFETENSORS = "model.safetensors"
PYTORCH = "pytorch_model.bin"
FLOATS = ("F32", "F16", "BF16", "F64")


class Stored(Protocol):
    """A tensor in a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> str:
        """As safetensors spells it."""

    def read(self) -> Array:
        """As float32."""


class Tensors:
    """Hands out tensors by name. A fault gives zeros and is remembered until finish()."""

    def __init__(
        self,
        stored: Mapping[str, Stored],
        maps: Collection[mmap.mmap] = (),
        *,
        described_by: str = "config.json",
        rounded: bool = False,
    ) -> None:
        """maps: files that tensors are mapped from; described_by: what says which shapes they have,
        for messages; rounded: whether copies of a tensor may differ, as each was rounded by itself.
        """
        self.rounded = rounded
        self._problems: list[str] = []
        self._taken: dict[str, Array] = {}
        self._stored = stored
        self._maps = maps
        self._described_by = described_by

    @classmethod
    def open(cls, directory: Path) -> Tensors:
        """The tensors of one of files_of().

        Raises:
            UnsupportedCheckpoint: there is none, or one of them can't be read.
        """
        names = weight_files(directory)
        paths = [directory / name for name in names]
        if paths[0].name.endswith(".json"):
            paths = paths[1:]
        if paths[0].suffix == ".onnx":
            found = optimum.load(directory, names)
            return cls(found.tensors, found.maps, rounded=found.rounded)
        if paths[0].suffix == ".bin":
            return cls({name: one for path in paths for name, one in pickled.load(path).items()})
        return cls.of_files(paths)

    @classmethod
    def of_files(cls, paths: Collection[Path], described_by: str = "config.json") -> Tensors:
        """The tensors of safetensors files.

        Raises:
            UnsupportedCheckpoint: one of them can't be read.
        """
        files = [_SafetensorsFile.open(path) for path in paths]
        stored = {name: one for file in files for name, one in file.tensors.items()}
        return cls(stored, [file.data for file in files], described_by=described_by)

    @classmethod
    def of_parts(cls, paths: Mapping[str, Path], described_by: str, without_torch: str) -> Tensors:
        """The tensors of safetensors files and of torch's, with prefixes before their names.

        paths: by the prefix; without_torch: what to do instead of installing it, for a message.

        Raises:
            UnsupportedCheckpoint: one of them can't be read.
        """
        stored: dict[str, Stored] = {}
        maps = []
        for prefix, path in paths.items():
            if path.suffix == ".safetensors":
                file = _SafetensorsFile.open(path)
                tensors: Mapping[str, Stored] = file.tensors
                maps.append(file.data)
            else:
                tensors = pickled.load(path, without_torch)
            stored |= {f"{prefix}{name}": one for name, one in tensors.items()}
        return cls(stored, maps, described_by=described_by)

    def __contains__(self, name: str) -> bool:
        return name in self._stored

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Of a tensor, if there is one of this name."""
        return self._stored[name].shape if name in self._stored else None

    def take(self, name: str, shape: tuple[int, ...]) -> Array:
        """The tensor of this name as float32; zeros when it can't be had. Not to be changed.

        The same array whenever it is asked for.
        """
        if name not in self._taken or self._taken[name].shape != shape:
            self._taken[name] = self._read(name, shape)
        return self._taken[name]

    def _read(self, name: str, shape: tuple[int, ...]) -> Array:
        problem = self._problem(name, shape)
        if problem:
            self._problems.append(problem)
            return np.zeros(shape, np.float32)
        tensor = self._stored[name].read()
        # The least value is NaN if any is.
        if tensor.size and not np.isfinite([tensor.min(), tensor.max()]).all():
            self._problems.append(f"{name} holds values that are not finite.")
        return tensor

    def fault(self, problem: str) -> None:
        """Remember a fault that somebody else found."""
        self._problems.append(problem)

    def finish(self, ignored: Collection[str]) -> None:
        """Check that nothing was wrong and nothing was left over.

        Raises:
            UnsupportedCheckpoint: with every fault met so far.
        """
        left = sorted(set(self._stored) - self._taken.keys() - set(ignored))
        problems = self._problems + [f"{name} is not part of the architecture." for name in left]
        if problems:
            raise UnsupportedCheckpoint(problems)

    def release(self) -> None:
        """Give the memory of mapped tensors back; whoever uses them reads them again."""
        for one in self._maps:
            one.madvise(mmap.MADV_DONTNEED)

    def _problem(self, name: str, shape: tuple[int, ...]) -> str | None:
        if name not in self._stored:
            return f"{name} is missing."
        stored = self._stored[name]
        if stored.shape != shape:
            said = f"{self._described_by} says {list(shape)}"
            return f"{name} has shape {list(stored.shape)}; {said}."
        if stored.dtype not in FLOATS:
            return f"{name} has type {stored.dtype}; supported: {', '.join(FLOATS)}."
        return None


def weight_files(directory: Path) -> list[str]:
    """Names of the files with the weights: model.safetensors, or pytorch_model.bin, or the index of
    either and all that it names, or the graphs that optimum exported.

    Raises:
        UnsupportedCheckpoint: there are none, or some are missing.
    """
    for name in (SAFETENSORS, PYTORCH):
        if (directory / name).is_file():
            return [name]
        index = f"{name}.index.json"
        if (directory / index).is_file():
            return [index, *_shards(directory, index)]
    if graphs := optimum.graph_files(directory):
        return graphs
    raise UnsupportedCheckpoint([f"{SAFETENSORS} is missing."])


def _shards(directory: Path, index: str) -> list[str]:
    try:
        names = json.loads((directory / index).read_text(encoding="utf-8"))["weight_map"].values()
        shards = sorted(set(names))
        # Plain names: an index can't point outside of its directory.
        inside = bool(shards) and all(Path(name).name == name for name in shards)
    except (ValueError, KeyError, TypeError, AttributeError):
        inside = False
    if not inside:
        raise UnsupportedCheckpoint([f"{index} has no weight_map from tensors to files beside it."])
    missing = [
        f"{name} is missing; {index} names it."
        for name in shards
        if not (directory / name).is_file()
    ]
    if missing:
        raise UnsupportedCheckpoint(missing)
    return shards


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A tensor in a mapped safetensors file."""

    data: mmap.mmap
    start: int
    shape: tuple[int, ...]
    dtype: str

    def read(self) -> Array:
        kind = _NUMPY[self.dtype]
        count = int(np.prod(self.shape))
        found = np.frombuffer(self.data, kind, count, self.start).reshape(self.shape)
        if self.dtype == "BF16":  # the upper half of a float32
            wide: Array = (found.astype(np.uint32) << 16).view(np.float32)
            return wide
        return found.astype(np.float32, copy=False)


_NUMPY = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "BF16": "<u2"}


@dataclass(frozen=True, slots=True)
class _SafetensorsFile:
    tensors: dict[str, Stored]
    data: mmap.mmap

    @classmethod
    def open(cls, path: Path) -> _SafetensorsFile:
        try:
            with safe_open(path, framework="numpy"):
                pass  # checks the header, and that it describes the whole file
            with path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (SafetensorError, OSError, ValueError) as error:
            raise UnsupportedCheckpoint([f"{path.name} cannot be read: {error}."]) from error
        return cls(dict(_described(data)), data)


def _described(data: mmap.mmap) -> Iterator[tuple[str, Stored]]:
    """The tensors of a file whose header was checked: its length in 8 bytes, JSON, then the data
    (https://github.com/huggingface/safetensors#format)."""
    first = 8 + int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8:first])
    header.pop("__metadata__", None)
    for name, entry in header.items():
        start = first + entry["data_offsets"][0]
        yield name, _Mapped(data, start, tuple(entry["shape"]), entry["dtype"])
