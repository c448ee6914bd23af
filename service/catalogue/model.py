"""Models that the service knows, and those that are in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from service.domain import ModelDescription
from service.scorer import Scorer
from service.text.languages import Languages
from service.translator import ModelTranslator


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A version of a model that can be loaded."""

    name: str
    version: str
    variant: str
    precision: str
    device: str
    languages: Languages
    attention: bool
    """Whether it can say what it attended to."""
    bytes: int = 0
    """Estimated memory."""
    fingerprint: str = ""
    """Another one whenever its files are others."""
    chosen_variant: str | None = None
    """The variant, if somebody asked for it by name."""

    def described(self, provider: str = "") -> ModelDescription:
        """The same for people, on this execution provider."""
        return ModelDescription(
            self.name, self.version, self.variant, self.precision, self.device, provider
        )


@dataclass(slots=True, eq=False)
class ServedModel:
    """A model in memory, and how many requests are using it. Used on the event loop only.

    Its key in the engine is its own: another one of the same version has another.
    """

    known: KnownModel
    description: ModelDescription
    key: str
    translator: ModelTranslator
    scorer: Scorer
    leases: int = 0
    """Requests that it may not be unloaded under."""
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def lease(self, count: int = 1) -> None:
        """Begin to use it."""
        self.leases += count
        self._idle.clear()

    def release(self) -> None:
        """End one lease."""
        self.leases -= 1
        if self.leases == 0:
            self._idle.set()

    async def unused(self) -> None:
        """Wait for the end of the last lease."""
        if self.leases:
            await self._idle.wait()


class Models(Protocol):
    """Where models come from. Its methods take their time, and any thread may call them."""

    @property
    def fixed(self) -> str | None:
        """Why none is loaded or unloaded while the service runs; None: they are."""

    def at_start(self) -> Sequence[KnownModel]:
        """What to serve from the start, at least one; the first one is the default."""

    def versions(self) -> Mapping[str, Sequence[str]]:
        """Every model that could be loaded, by name, with its versions, the newest first."""

    def find(self, name: str, version: str | None, variant: str | None) -> KnownModel:
        """A model.

        version: None is the newest; variant: None is the fastest, or that of the settings.

        Raises:
            ModelNotFound: there is no such model, or no such version of it.
            InvalidPackage: it can't be loaded.
            Disabled: models are not loaded while the service runs.
        """

    def load(self, known: KnownModel) -> ServedModel:
        """Load a model, until it has translated its first sentence.

        Raises:
            StartupError: it can't be loaded.
        """

    def unload(self, model: ServedModel) -> None:
        """Free the memory of a model that nobody uses."""
