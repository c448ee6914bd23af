"""YAML as Marian writes it. Tags that make anything but plain values are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from model_export.errors import UnsupportedCheckpoint

_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the former where libyaml is installed


class _Strings(_SAFE):  # type: ignore[misc]
    """Takes every plain scalar for text: `no`, `1.0`, `~` and `<<` are tokens of vocabularies."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own declaration)


def mapping(text: str, name: str) -> dict[str, Any]:
    """The options in a text; name: of its file, for messages.

    Raises:
        UnsupportedCheckpoint: it is no YAML, holds other than plain values, or is no mapping.
    """
    return _load(text, name, _SAFE)


def token_ids(path: Path) -> dict[str, int]:
    """The vocabulary in a file: token → id.

    Raises:
        UnsupportedCheckpoint: it is no YAML, or no mapping from tokens to numbers 0, 1, 2, …
    """
    found = _load(read_text(path), path.name, _Strings)
    problem = f"{path.name} is not a list of tokens with the ids 0, 1, 2, … each once."
    try:
        ids = {str(token): int(number) for token, number in found.items()}
    except (TypeError, ValueError) as error:
        raise UnsupportedCheckpoint([problem]) from error
    if sorted(ids.values()) != list(range(len(ids))):
        raise UnsupportedCheckpoint([problem])
    return ids


def read_text(path: Path) -> str:
    """Raises UnsupportedCheckpoint: the file can't be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnsupportedCheckpoint([f"{path.name} cannot be read: {error}."]) from error


def _load(text: str, name: str, loader: Any) -> dict[str, Any]:
    try:
        found = yaml.load(text, loader)  # a safe one
    except (yaml.YAMLError, RecursionError) as error:
        what = " ".join(str(error).split())
        raise UnsupportedCheckpoint([f"{name} is not plain YAML: {what}."]) from error
    if not isinstance(found, dict):
        raise UnsupportedCheckpoint([f"{name} is not a mapping of names to values."])
    return found
