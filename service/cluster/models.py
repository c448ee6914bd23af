"""The models of a folder on a cluster: every replica of the engine has all of them.

Which versions these are is decided when the application is built. A version that only an ingress of
another time knows, older or newer, is loaded when it is asked for, so that updates lose nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from service.catalogue.model import KnownModel, ServedModel
from service.cluster.options import PROVIDERS
from service.engine.interface import ModelEngine, WatchedDecoder
from service.errors import Disabled, InvalidSettings, ModelFailure, ModelNotFound, StartupError
from service.model_folder import ModelFolder
from service.opening import Serve, loaded, model_behind
from service.settings import Settings

log = structlog.get_logger(__name__)

FIXED = (
    "On a cluster models are loaded and unloaded by an update of the application, which chooses "
    "them by SEQ2SEQ_MODELS__LOAD."
)
NO_BUDGET = (
    "On a cluster every replica of the engine has all models: SEQ2SEQ_MODELS__MEMORY_MB can't be "
    "used. Models that don't fit together are applications of their own."
)


def pinned(settings: Settings) -> Settings:
    """The settings with the versions that the folder of models has now.

    Raises:
        StartupError: a model is not there, or they are to share a memory budget.
    """
    if settings.models.directory is None:
        return settings
    if settings.models.memory_mb is not None:
        raise InvalidSettings(NO_BUDGET)
    there = ModelFolder(settings.models.directory, settings).at_start()
    names = ",".join(map(key_of, there))
    return settings.model_copy(
        update={"models": settings.models.model_copy(update={"load": names})}
    )


def key_of(known: KnownModel) -> str:
    """What sentences for a model call it, on every machine."""
    return f"{known.name}/{known.version}"


class IngressModels:
    """The models whose text side an ingress has. They do not change while it runs."""

    fixed = FIXED

    def __init__(
        self, path: Path, settings: Settings, decoder: WatchedDecoder, serve: Serve
    ) -> None:
        """Raises StartupError if one is not there."""
        self._folder = ModelFolder(path, settings)
        self._known = self._folder.at_start()
        self._provider = PROVIDERS[settings.runtime.device]
        self._decoder = decoder
        self._serve = serve

    def at_start(self) -> Sequence[KnownModel]:
        """All of them."""
        return self._known

    def versions(self) -> Mapping[str, Sequence[str]]:
        """None that could be loaded, whatever the folder has."""
        return {}

    def find(self, name: str, version: str | None, variant: str | None) -> KnownModel:
        """Nothing.

        Raises:
            Disabled: always.
        """
        raise Disabled(FIXED)

    def load(self, known: KnownModel) -> ServedModel:
        """Its text side.

        Raises:
            InvalidPackage: it is not there any more, or is another one.
        """
        directory = self._folder.directory(known)
        described = known.described(self._provider)
        return self._serve(known, model_behind(self._decoder, directory, described, key_of(known)))

    def unload(self, model: ServedModel) -> None:
        """Nothing: replicas have what they have."""


class ReplicaModels:
    """The models that a replica has. Used on the event loop only, but for start()."""

    def __init__(self, path: Path, settings: Settings, engine: ModelEngine) -> None:
        self._folder = ModelFolder(path, settings)
        self._engine = engine
        self._there: set[str] = set()
        self._loading = asyncio.Lock()

    def start(self) -> None:
        """Load those of the settings.

        Raises:
            StartupError: one can't be loaded.
        """
        for known in self._folder.at_start():
            self._load(known)

    async def require(self, key: str) -> None:
        """Load a model of the folder, if it is not there yet.

        Raises:
            ModelFailure: it can't be loaded.
        """
        if key not in self._there:
            # To its end, also if whoever asked leaves: others wait for the same model.
            await asyncio.shield(self._load_once(key))

    async def _load_once(self, key: str) -> None:
        async with self._loading:
            if key not in self._there:
                await asyncio.to_thread(self._load_by_key, key)

    def _load_by_key(self, key: str) -> None:
        name, _, version = key.partition("/")
        try:
            self._load(self._folder.find(name, version))
        except (StartupError, ModelNotFound) as error:
            log.error("a model can't be loaded", reason=str(error))  # noqa: TRY400
            raise ModelFailure("The model could not be loaded.") from None

    def _load(self, known: KnownModel) -> None:
        directory = self._folder.directory(known)
        loaded(self._engine, key_of(known), known, directory, self._folder.settings)
        self._there.add(key_of(known))
        log.info("a replica has a model", model=known.name, version=known.version)
