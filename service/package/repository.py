"""A folder of models: NAME/VERSION/manifest.json, or NAME/manifest.json for a model of one version.

It is looked at anew each time, so that models may come and go while the service runs. A version is
there as soon as its manifest is: whoever copies one should do so beside it, under a name that
begins with a dot, and rename it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from service.errors import InvalidPackage, MissingFile, ModelNotFound
from service.package.directory import ModelDirectory
from service.package.manifest import MANIFEST_NAME

ONLY_VERSION = "1"
"""What the version of a model is called that has no folders for versions."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST = 64
"""More of a wrong name is not repeated."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of models."""

    path: Path

    def versions(self) -> dict[str, list[str]]:
        """The versions of each model, the newest first, by name.

        Raises:
            MissingFile: there is no such folder.
        """
        folders = {folder.name: _versions(folder) for folder in _folders(self.path)}
        return {name: list(found) for name, found in folders.items() if found}

    def require_models(self) -> None:
        """Check that every folder has a model in it, and that there is one.

        Raises:
            MissingFile: it is not so.
        """
        folders = _folders(self.path)
        if not folders:
            raise MissingFile(f"{self.path} has no models; they are its folders NAME/VERSION.")
        for folder in folders:
            if not _versions(folder):
                raise MissingFile(
                    f"{folder} has neither {MANIFEST_NAME} nor a folder VERSION that has one."
                )

    def open(self, name: str, version: str | None = None) -> tuple[str, ModelDirectory]:
        """A model, and the version that it is; the newest one, if none is given.

        Raises:
            ModelNotFound: there is none.
            InvalidPackage: its manifest can't be used.
        """
        found = _versions(self.path / name) if _NAME.fullmatch(name) else {}
        if not found:
            raise ModelNotFound(f"There is no model {name[:_LONGEST]!r}.")
        chosen = version or next(iter(found))
        if chosen not in found:
            known = ", ".join(found)
            raise ModelNotFound(
                f"The model {name!r} has no version {chosen[:_LONGEST]!r}; it has: {known}."
            )
        return chosen, ModelDirectory.open(found[chosen])


def _versions(folder: Path) -> dict[str, Path]:
    """Version → model directory, the newest first."""
    if (folder / MANIFEST_NAME).is_file():
        return {ONLY_VERSION: folder}
    if not folder.is_dir():
        return {}
    found = [one for one in _folders(folder) if (one / MANIFEST_NAME).is_file()]
    return {one.name: one for one in sorted(found, key=_age, reverse=True)}


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(one for one in path.iterdir() if _NAME.fullmatch(one.name) and one.is_dir())
    except FileNotFoundError:
        raise MissingFile(f"{path} does not exist; it should be a folder of models.") from None
    except OSError as error:
        raise InvalidPackage(f"{path} cannot be read: {error}.") from error


def _age(path: Path) -> tuple[bool, list[tuple[int, str]]]:
    """Greater for newer versions: numbers count as such (v10 is newer than v9), and a version that
    is nothing but a number is newer than any other."""
    parts = re.split(r"(\d+)", path.name)
    return path.name.isdecimal(), [
        (int(part), "") if part.isdecimal() else (-1, part) for part in parts
    ]
