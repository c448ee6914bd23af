"""A .keras file: a zip of config.json, metadata.json and model.weights.h5.

Read with zipfile, json and h5py alone. Nothing of it is run: code that a layer brings is a reason
to refuse it. Only what is needed is unpacked, and not more than a model may have.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from model_export.errors import UnsupportedCheckpoint
from model_export.spec import Array

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
ASSET = re.compile(r"assets/.*/vocabulary\.txt")
MOST_TEXT = 2**26
"""Bytes of the configuration and all vocabularies, unpacked."""
MOST_WEIGHTS = 2**31
"""Bytes of the weights."""
FLOATS = ("float16", "float32", "float64")
_ERRORS = (
    *(OSError, zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError),
    *(zlib.error, RuntimeError),  # damaged, encrypted
)


@dataclass(frozen=True, slots=True)
class Archive:
    """What a file holds."""

    config: dict[str, Any]
    weights: Weights
    texts: dict[str, str]
    """The vocabularies among the assets."""


def read(path: Path) -> Archive:
    """Read a .keras file.

    Raises:
        UnsupportedCheckpoint: it is broken, too large, or from before Keras 3.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            missing = [name for name in (CONFIG, METADATA, WEIGHTS) if name not in names]
            if missing:
                raise UnsupportedCheckpoint([f"{path.name} has no {name}." for name in missing])
            texts = {CONFIG, METADATA, *filter(ASSET.fullmatch, names)}
            content = _unpacked(path, archive, texts, MOST_TEXT)
            _require_keras_3(path, _json(path, METADATA, content.pop(METADATA)))
            config = _json(path, CONFIG, content.pop(CONFIG))
            packed = _unpacked(path, archive, {WEIGHTS}, MOST_WEIGHTS)[WEIGHTS]
        weights = h5py.File(io.BytesIO(packed), "r")
    except _ERRORS as error:
        raise UnsupportedCheckpoint([f"{path.name} can't be read: {error}."]) from error
    return Archive(config, Weights(weights), {name: _text(data) for name, data in content.items()})


def _unpacked(
    path: Path, archive: zipfile.ZipFile, names: Collection[str], most: int
) -> dict[str, bytes]:
    """Files of an archive, which unpack to at most so many bytes together."""
    size = sum(archive.getinfo(name).file_size for name in names)
    if size > most:
        found = ", ".join(sorted(names))
        raise UnsupportedCheckpoint(
            [f"{path.name} unpacks to {size >> 20} MiB of {found}; at most {most >> 20} are read."]
        )
    return {name: archive.read(name) for name in names}


def _require_keras_3(path: Path, metadata: dict[str, Any]) -> None:
    version = str(metadata.get("keras_version"))
    if not version.startswith("3."):
        raise UnsupportedCheckpoint(
            [f"{path.name} was saved by Keras {version}; load it and save it again with Keras 3."]
        )


class Weights:
    """Hands out variables by layer. A fault gives zeros and is kept in problems."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self.problems: list[str] = []
        self._folders: dict[str, str] = {}

    def place(self, layers: Sequence[tuple[str, str]]) -> None:
        """Say which layers there are, (name, class) in the model's order.

        Folders are numbered by class and, since Keras 3.4, say the name of their layer.
        """
        counts: Counter[str] = Counter()
        for name, kind in layers:
            folder = _snake_case(kind)
            number = counts[folder]
            counts[folder] += 1
            self._folders[name] = f"layers/{folder}_{number}" if number else f"layers/{folder}"
        for folder, group in self._file.get("layers", {}).items():
            owner = group["vars"].attrs.get("name") if "vars" in group else None
            if owner in self._folders:
                self._folders[owner] = f"layers/{folder}"

    def folder(self, layer: str) -> str:
        """Where a layer's variables are, and its files among the assets."""
        return self._folders.get(layer, layer)

    def take(self, layer: str, inside: str, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
        """The variables of a layer or of one inside of it, in float32.

        inside: such as "cell/"; empty for the layer's own.
        """
        folder = f"{self.folder(layer)}/{inside}vars"
        return [
            self._variable(f"{layer}: variable {inside}{number}", f"{folder}/{number}", shape)
            for number, shape in enumerate(shapes)
        ]

    def _variable(self, name: str, place: str, shape: tuple[int, ...]) -> Array:
        if not isinstance(self._file.get(place, getlink=True), h5py.HardLink):
            problem = f"{name} is missing in {WEIGHTS} ({place})."
        elif (found := self._file[place]).shape != shape:
            problem = f"{name} has shape {list(found.shape)}; config.json says {list(shape)}."
        elif found.dtype.name not in FLOATS or found.external or found.is_virtual:
            problem = f"{name} has type {found.dtype.name}; supported: {', '.join(FLOATS)}."
        else:
            values: Array = found[()].astype(np.float32)
            if np.isfinite(values).all():
                return values
            problem = f"{name} holds values that are not finite."
        self.problems.append(problem)
        return np.zeros(shape, np.float32)


def _json(path: Path, name: str, data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except ValueError as error:
        raise UnsupportedCheckpoint([f"{path.name}: {name} is not JSON: {error}."]) from error
    if not isinstance(content, dict):
        raise UnsupportedCheckpoint([f"{path.name}: {name} is not a JSON object."])
    return content


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _snake_case(name: str) -> str:
    """As keras.src.utils.naming.to_snake_case."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
