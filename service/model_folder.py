"""What the settings make of a folder of models: which are served, and what is known of each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.catalogue.model import KnownModel
from service.errors import InvalidPackage, InvalidSettings, ModelNotFound
from service.package.directory import ModelDirectory
from service.package.manifest import MANIFEST_NAME
from service.package.repository import Repository
from service.settings import Settings
from service.text.languages import Languages

MEMORY_FACTOR = 2.0
"""Memory of a loaded model as a multiple of its files. DECISIONS.md has the figures."""


class ModelFolder:
    """A folder of models, looked at anew each time."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._repository = Repository(path)
        self.settings = settings

    def at_start(self) -> Sequence[KnownModel]:
        """What the settings name.

        Raises:
            InvalidSettings: it is not there.
            InvalidPackage: it can't be loaded.
        """
        names = self.settings.models.names
        if not names:
            self._repository.require_models()
            names = list(self._repository.versions())
        asked = [name.partition("/") for name in names]
        if len({name for name, _, _ in asked}) < len(asked):
            raise InvalidSettings("SEQ2SEQ_MODELS__LOAD names a model twice.")
        try:
            return [self.find(name, version or None) for name, _, version in asked]
        except ModelNotFound as error:
            raise InvalidSettings(f"SEQ2SEQ_MODELS__LOAD: {error}") from None

    def versions(self) -> Mapping[str, Sequence[str]]:
        """All that is there now."""
        return self._repository.versions()

    def find(self, name: str, version: str | None, variant: str | None = None) -> KnownModel:
        """A model as it is there now.

        version: None is the newest; variant: None is that of the settings, or the fastest.

        Raises:
            ModelNotFound: there is no such model, or no such version of it.
            InvalidPackage: it can't be loaded.
        """
        found, directory = self._repository.open(name, version)
        device = self.settings.runtime.device
        asked = variant or self.settings.model.variant
        chosen = asked or directory.fastest(device)
        described = directory.variant(chosen, device)
        files = directory.manifest.files
        size = sum(files[one].bytes for one in directory.files_of(described) if one in files)
        return KnownModel(
            name=name,
            version=found,
            variant=chosen,
            precision=described.precision,
            device=device,
            languages=languages_of(directory),
            attention=directory.manifest.attention,
            bytes=round(size * MEMORY_FACTOR),
            fingerprint=fingerprint(directory.path),
            chosen_variant=variant,
        )

    def directory(self, known: KnownModel) -> ModelDirectory:
        """Where a model is.

        Raises:
            InvalidPackage: it is there no more, or is another one than that which is known.
        """
        try:
            _, directory = self._repository.open(known.name, known.version)
        except ModelNotFound as error:
            raise InvalidPackage(str(error)) from None
        if fingerprint(directory.path) != known.fingerprint:
            raise InvalidPackage(
                f"{directory.path} is another model than before; reload {known.name!r} to serve it."
            )
        return directory


def languages_of(directory: ModelDirectory) -> Languages:
    """The languages of a model directory."""
    manifest = directory.manifest
    return Languages(manifest.pairs, manifest.sources, manifest.targets, manifest.languages)


def fingerprint(directory: Path) -> str:
    """What tells the manifest of a model directory, and so all its files, from any other."""
    return hashlib.sha256((directory / MANIFEST_NAME).read_bytes()).hexdigest()
