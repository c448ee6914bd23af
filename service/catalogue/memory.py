"""Models in memory: loading, unloading, and making room within a budget."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Sequence
from enum import StrEnum

import structlog

from service.catalogue.entries import Entry
from service.catalogue.model import KnownModel, Models, ServedModel
from service.errors import ModelNotLoaded, StartupError
from service.metrics import Metrics

log = structlog.stdlib.get_logger(__name__)


class Reason(StrEnum):
    """Why a model left."""

    ASKED = "asked"
    REPLACED = "replaced"
    BUDGET = "budget"


class Memory:
    """Loads and unloads. Whoever calls makes one change at a time. Used on the event loop only, but
    for load_now()."""

    def __init__(self, models: Models, budget_bytes: int | None, metrics: Metrics) -> None:
        """budget_bytes: most that models may take together, by estimate; None is without bounds."""
        self._models = models
        self._budget = budget_bytes
        self._metrics = metrics
        self._leaving: list[ServedModel] = []

    @property
    def leaving(self) -> Sequence[ServedModel]:
        """Models that are served no more, until the requests that use them have ended."""
        return tuple(self._leaving)

    def load_now(self, known: KnownModel, others: Collection[Entry]) -> ServedModel | None:
        """Load a model and wait for it; None if there is no room beside the others.

        Raises:
            StartupError: it can't be loaded.
        """
        self._require_within_budget(known)
        if self._excess(known, others) > 0:
            return None
        model = self._models.load(known)
        self._metrics.model_loads.labels("loaded").inc()
        return model

    async def load(self, known: KnownModel, others: Collection[Entry]) -> ServedModel:
        """Load a model, with room made for it among the others.

        Raises:
            ModelNotLoaded: it can't be loaded.
        """
        try:
            self._require_within_budget(known)
            await self._make_room(known, others)
            model = await asyncio.to_thread(self._models.load, known)
        except StartupError as error:
            self._metrics.model_loads.labels("failed").inc()
            raise ModelNotLoaded(str(error)) from error
        self._metrics.model_loads.labels("loaded").inc()
        log.info("a model is loaded", model=known.name, version=known.version)
        return model

    async def unload(self, model: ServedModel, reason: Reason) -> None:
        """Unload a model that is served no more, when the last request that uses it has ended."""
        self._leaving.append(model)
        await model.unused()
        await asyncio.to_thread(self._models.unload, model)
        self._leaving.remove(model)
        self._metrics.model_unloads.labels(reason).inc()
        log.info("a model is unloaded", model=model.known.name, version=model.known.version)

    async def _make_room(self, known: KnownModel, others: Collection[Entry]) -> None:
        """Unload models until there is room: those that nobody uses first, and then the least
        recently used.

        One that is in use is waited for: it is served no more until it is loaded again, so that the
        wait ends.
        """
        while self._excess(known, others) > 0:
            victim = min((one for one in others if one.model), key=_usefulness)
            model, victim.model = victim.model, None
            assert model is not None
            await self.unload(model, Reason.BUDGET)

    def _excess(self, known: KnownModel, others: Collection[Entry]) -> int:
        """Bytes that are missing for a model beside the others."""
        taken = sum(one.model.known.bytes for one in others if one.model)
        return 0 if self._budget is None else taken + known.bytes - self._budget

    def _require_within_budget(self, known: KnownModel) -> None:
        if self._excess(known, ()) > 0:
            raise TooLarge(known)


class TooLarge(StartupError):
    """A model needs more memory than all models may take."""

    def __init__(self, known: KnownModel) -> None:
        size = math.ceil(known.bytes / 2**20)
        super().__init__(
            f"The model {known.name!r}, version {known.version}, takes some {size} MiB, which is "
            "more than SEQ2SEQ_MODELS__MEMORY_MB allows for all of them."
        )


def _usefulness(entry: Entry) -> tuple[bool, float]:
    assert entry.model is not None
    return entry.model.leases > 0, entry.used
