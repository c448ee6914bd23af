"""PyTorch's own files of weights, which are pickles: read by torch with weights_only or not at all.

torch is not among the exporter's dependencies. Where it is not installed, such a file is refused
with a message that says how to do without.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_export.errors import UnsupportedCheckpoint
from model_export.spec import Array


def load(path: Path) -> Mapping[str, StoredByTorch]:
    """The tensors of a file, by name.

    Raises:
        UnsupportedCheckpoint: torch is not installed, or the file holds anything but tensors.
    """
    if importlib.util.find_spec("torch") is None:
        raise UnsupportedCheckpoint(
            [
                f"{path.name} is a pickle, which only torch can read safely: `pip install torch`, "
                "or have transformers write model.safetensors: "
                "`AutoModelForSeq2SeqLM.from_pretrained(…).save_pretrained(…)`."
            ]
        )
    return _load(path)


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


_SAFETENSORS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64"}


def _load(path: Path) -> Mapping[str, StoredByTorch]:
    import torch

    try:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # only files of torch 1.6 and later can be mapped
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise UnsupportedCheckpoint(
            [f"{path.name} is no file of tensors alone, and is not read: {_first_line(error)}"]
        ) from error
    if not isinstance(content, dict) or not all(map(torch.is_tensor, content.values())):
        raise UnsupportedCheckpoint([f"{path.name} holds something else than named tensors."])
    return {name: StoredByTorch(tensor) for name, tensor in content.items()}


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
