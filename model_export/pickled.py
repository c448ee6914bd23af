"""PyTorch's own files, which are pickles: read by torch with weights_only or not at all.

torch is not among the exporter's dependencies. Where it is not installed, such a file is refused
with a message that says how to do without.
"""

from __future__ import annotations

import importlib.util
import pickle
import pickletools
import re
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from model_export.errors import UnsupportedCheckpoint
from model_export.spec import Array

Allowed = type | tuple[type, str]
"""A class, or one that stands in for another, of this name."""
SAID_BY_TORCH = (pickle.UnpicklingError, RuntimeError, OSError)
"""Errors whose message says something about the file."""
WITHOUT_TORCH = (
    "have transformers write model.safetensors: "
    "`AutoModelForSeq2SeqLM.from_pretrained(…).save_pretrained(…)`."
)


def load(path: Path, otherwise: str = WITHOUT_TORCH) -> Mapping[str, StoredByTorch]:
    """The tensors of a file, by name.

    otherwise: as in content().

    Raises:
        UnsupportedCheckpoint: torch is not installed, or the file holds anything but tensors.
    """
    found = content(path, (), otherwise)
    tensors = named_tensors(found)
    if tensors is None:
        raise UnsupportedCheckpoint([f"{path.name} holds something else than named tensors."])
    return tensors


def content(path: Path, classes: Collection[Allowed], otherwise: str = "") -> Any:
    """All that a file holds: tensors, plain values and instances of these classes.

    otherwise: what to do instead of installing torch, for a message.

    Raises:
        UnsupportedCheckpoint: torch is not installed, or the file names any other class or function
            than these and torch's own harmless ones.
    """
    if importlib.util.find_spec("torch") is None:
        advice = ["`pip install torch`", *([otherwise.removesuffix(".")] if otherwise else [])]
        raise UnsupportedCheckpoint(
            [f"{path.name} is a pickle, which only torch can read safely: {', or '.join(advice)}."]
        )
    return _content(path, classes)


def parts(path: Path, classes: Collection[Allowed]) -> dict[str, Any]:
    """content() of a file that holds several things by name.

    Raises:
        UnsupportedCheckpoint: it does not, or as content().
    """
    found = content(path, classes)
    if not isinstance(found, dict):
        raise UnsupportedCheckpoint([f"{path.name} holds no parts by name."])
    return found


def named_tensors(found: object) -> Mapping[str, StoredByTorch] | None:
    """The tensors of a state dict; None if it is none."""
    import torch

    if not isinstance(found, dict) or not all(map(torch.is_tensor, found.values())):
        return None
    return {name: StoredByTorch(tensor) for name, tensor in found.items()}


def texts(path: Path) -> set[str]:
    """Texts in a file of torch.save, of which nothing is run; none if it is no such file."""
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return _texts(file, 4)  # a magic number, a version, the machine, what was saved
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            with archive.open(names[0]) as member:
                return _texts(member, 1)
    except (OSError, ValueError, IndexError, zipfile.BadZipFile):
        return set()


def _texts(file: IO[bytes], pickles: int) -> set[str]:
    found = (argument for _ in range(pickles) for _, argument, _ in pickletools.genops(file))
    return {argument for argument in found if isinstance(argument, str)}


@dataclass(frozen=True, slots=True)
class StoredByTorch:
    """A tensor that torch has mapped or read."""

    tensor: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def dtype(self) -> str:
        """As safetensors spells it; torch's own name for what is no float."""
        name = str(self.tensor.dtype).removeprefix("torch.")
        return _SAFETENSORS.get(name, name)

    def read(self) -> Array:
        """As float32, without a copy where it is that already."""
        found: Array = self.tensor.detach().float().numpy()
        return found


class Inert:
    """Stands in for a toolkit's class whose instances nobody looks at: it does nothing."""


_SAFETENSORS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64"}


def _content(path: Path, classes: Collection[Allowed]) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals(list(classes)):
            try:
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError:  # only files of torch 1.6 and later can be mapped
                return torch.load(path, map_location="cpu", weights_only=True)
    # What is no pickle leads torch's unpickler to errors of any kind.
    except Exception as error:
        raise UnsupportedCheckpoint(
            [f"{path.name} is no file of tensors alone, and is not read: {_reason(error)}"]
        ) from error


def _reason(error: Exception) -> str:
    """What the file wants to run, if that is the matter."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    said = str(error).partition("\n")[0] if isinstance(error, SAID_BY_TORCH) else ""
    return f"it names {named[1]}." if named else said or "it is broken, or not torch's at all."
