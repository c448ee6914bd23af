"""Marian's .npz files: tensors by name, and the model's options as YAML under special:model.yml."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_export.errors import UnsupportedCheckpoint
from model_export.spec import Array
from model_export.tensors import Tensors

MODEL_OPTIONS = "special:model.yml"
SUFFIX = ".npy"
_NAMES = {"<f4": "F32", "<f2": "F16", "<f8": "F64"}


@dataclass(frozen=True, slots=True)
class Stored:
    """An array in the file, which is read when it is asked for."""

    path: Path
    member: str
    shape: tuple[int, ...]
    kind: np.dtype[Any]

    @property
    def dtype(self) -> str:
        """As safetensors spells it."""
        return _NAMES.get(self.kind.str, self.kind.name)

    def raw(self) -> np.ndarray[Any, Any]:
        """As it is. Never unpickled."""
        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
            found: np.ndarray[Any, Any] = np.lib.format.read_array(file, allow_pickle=False)
            return found

    def read(self) -> Array:
        return self.raw().astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True)
class NpzFile:
    """A file whose checksums are right and whose arrays hold what their headers say."""

    name: str
    arrays: Mapping[str, Stored]

    @classmethod
    def open(cls, path: Path) -> NpzFile:
        """Read the headers.

        Raises:
            UnsupportedCheckpoint: it is damaged, or holds Python objects.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                _check_sums(archive)
                arrays = [_header(path, archive, info) for info in archive.infolist()]
        # What zipfile and numpy raise for files that are cut off, damaged or of another kind.
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as no:
            raise UnsupportedCheckpoint([f"{path.name} cannot be read: {no}."]) from no
        return cls(path.name, {one.member.removesuffix(SUFFIX): one for one in arrays})

    def options_text(self) -> str:
        """The text of special:model.yml, which ends with zeros.

        Raises:
            UnsupportedCheckpoint: there is none.
        """
        stored = self.arrays.get(MODEL_OPTIONS)
        if stored is None or stored.kind.itemsize != 1:
            problem = f"{self.name} has no {MODEL_OPTIONS}: Marian did not write it as a model."
            raise UnsupportedCheckpoint([problem])
        content = stored.raw().tobytes().partition(b"\0")[0]
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnsupportedCheckpoint([f"{MODEL_OPTIONS} is not UTF-8: {error}."]) from error

    def tensors(self) -> Tensors:
        """All arrays but the options."""
        stored = {name: one for name, one in self.arrays.items() if name != MODEL_OPTIONS}
        return Tensors(stored, described_by=MODEL_OPTIONS)


def _check_sums(archive: zipfile.ZipFile) -> None:
    """Raises ValueError: a member is not what was written."""
    damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} is wrong")


def _header(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Stored:
    """Raises ValueError: no array, one of objects, or not as many bytes as it says."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in read:
            raise ValueError(f"{info.filename} has version {version} of numpy's format")
        shape, _, kind = read[version](file)
        header = file.tell()
    if kind.hasobject:
        raise ValueError(f"{info.filename} holds Python objects, which are not unpickled")
    if header + math.prod(shape) * kind.itemsize != info.file_size:
        raise ValueError(f"{info.filename} does not hold what its header says")
    return Stored(path, info.filename, shape, kind)
