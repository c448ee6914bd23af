"""Which models are served, and which of these are in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog

from service.catalogue.entries import Entry, Listed, State, listed
from service.catalogue.memory import Memory, Reason
from service.catalogue.model import KnownModel, Models, ServedModel
from service.catalogue.routes import Routes, Step
from service.domain import ModelDescription
from service.errors import (
    Disabled,
    InvalidRequest,
    ModelFailure,
    ModelNotFound,
    ModelNotLoaded,
    Overloaded,
    ServiceError,
    StartupError,
)
from service.logs import failure
from service.metrics import Metrics
from service.settings import ModelsSettings

log = structlog.stdlib.get_logger(__name__)

RETRY_AFTER_SECONDS = 1
T = TypeVar("T")


class Catalogue:
    """The models of a service. Used on the event loop only, but for start().

    One change is made at a time, and is made to its end even if nobody waits for it any more. A
    request holds a lease of the model that it uses; what replaces the model serves the next request
    at once, and the old one is unloaded when its last lease has ended.
    """

    def __init__(self, models: Models, settings: ModelsSettings, metrics: Metrics) -> None:
        self._models = models
        budget = None if settings.memory_mb is None else settings.memory_mb * 2**20
        self._memory = Memory(models, budget, metrics)
        self._pivots = settings.pivot_languages if settings.directory else []
        self._metrics = metrics
        self._entries: dict[str, Entry] = {}
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.routes = Routes([])
        """As of now; another object whenever they change."""

    def start(self) -> None:
        """Load what is served from the start, as far as the budget goes.

        Raises:
            StartupError: something can't be loaded.
        """
        for known in self._models.at_start():
            model = self._memory.load_now(known, self._entries.values())
            self._entries[known.name] = Entry(known, model)
        self._publish()

    async def stop(self) -> None:
        """Leave changes under way as they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def loaded(self) -> list[ServedModel]:
        """Models in memory that are served, the default one first."""
        return [entry.model for entry in self._entries.values() if entry.model is not None]

    @property
    def default(self) -> ModelDescription:
        """The default model, or if it is not in memory, the first one that is."""
        if loaded := self.loaded:
            return loaded[0].description
        return next(iter(self._entries.values())).known.described()

    @asynccontextmanager
    async def lease(self, step: Step) -> AsyncIterator[ServedModel]:
        """The model of a step, which stays as it is until the lease ends. Loads it if need be.

        Raises:
            Overloaded: it is served no more, and the request should be routed again.
            ModelFailure: it can't be loaded any more.
        """
        entry = self._entries.get(step.model.name)
        if entry is None:
            raise _gone(step)
        model = entry.model
        if model is not None:
            model.lease()
        else:
            model = await self._awaited(entry)
        try:
            if model.known.languages.own(step.pair) is None:
                raise _gone(step)
            yield model
        finally:
            entry.used = time.monotonic()
            model.release()

    async def load(
        self, name: str, version: str | None = None, variant: str | None = None
    ) -> Listed:
        """Serve a version of a model from now on, instead of the one that is served, if any.

        version: None is the newest one.

        Raises:
            ModelNotFound: there is none.
            ModelNotLoaded: it can't be loaded. What was served still is.
        """
        return await self._to_the_end(self._load(name, version, variant))

    async def reload(self, name: str) -> Listed:
        """Serve the newest version of a model that is served, from the files as they are now.

        Raises:
            ModelNotFound: it is not served.
            ModelNotLoaded: as load().
        """
        entry = self._served(name)
        return await self.load(name, None, entry.known.chosen_variant)

    async def unload(self, name: str) -> Listed:
        """Serve a model no more. Requests that use it go on.

        Raises:
            ModelNotFound: it is not served.
            InvalidRequest: nothing would be served any more.
            Disabled: models are not unloaded while the service runs.
        """
        if self._models.fixed:
            raise Disabled(self._models.fixed)
        return await self._to_the_end(self._unload(name))

    async def listing(self) -> list[Listed]:
        """Every version of every model that is there or is served, by name, the newest first.

        Raises:
            ModelNotLoaded: it can't be found out what is there.
        """
        try:
            there = await asyncio.to_thread(lambda: list(self._all_found()))
        except StartupError as error:
            raise ModelNotLoaded(str(error)) from error
        served = {(one.name, one.version): one for one in self._all_served()}
        found = {(one.name, one.version): one for one in there}
        return sorted((found | served).values(), key=lambda one: one.name)

    async def _load(self, name: str, version: str | None, variant: str | None) -> Listed:
        known = await self._found(name, version, variant)
        async with self._changing:
            entry = self._entries.get(name)
            model = await self._memory.load(known, self._others(entry))
            if entry is None:
                entry = self._entries[name] = Entry(known)
            old, entry.known, entry.model = entry.model, known, model
            entry.used = time.monotonic()
            self._publish()
        if old is not None:
            self._task(self._memory.unload(old, Reason.REPLACED))
        return listed(entry)

    async def _unload(self, name: str) -> Listed:
        async with self._changing:
            entry = self._served(name)
            if len(self._entries) == 1:
                raise InvalidRequest("Invalid request: this is the only model that is served")
            del self._entries[name]
            self._publish()
        state = State.UNLOADED
        if entry.model is not None:
            state = State.LEAVING if entry.model.leases else state
            self._task(self._memory.unload(entry.model, Reason.ASKED))
        return Listed(name, entry.known.version, state, entry.known)

    async def _awaited(self, entry: Entry) -> ServedModel:
        """A lease of a model that has to be loaded first; all that wait share one load."""
        if entry.loading is None:
            entry.loading = self._task(self._load_again(entry))
        loading = entry.loading
        entry.waiting += 1
        try:
            return await asyncio.shield(loading)
        except BaseException:
            if loading.done() and not loading.cancelled() and loading.exception() is None:
                loading.result().release()  # it was given a lease, and left all the same
            else:
                entry.waiting -= 1
            raise

    async def _load_again(self, entry: Entry) -> ServedModel:
        """Load a model that was unloaded for want of room; with a lease for each that waits."""
        try:
            async with self._changing:
                if self._entries.get(entry.known.name) is not entry:
                    raise _gone_by_name(entry.known.name)
                if entry.model is None:
                    entry.model = await self._memory.load(entry.known, self._others(entry))
                    entry.used = time.monotonic()
                entry.model.lease(entry.waiting)
                entry.waiting = 0
                return entry.model
        except ModelNotLoaded as error:
            log.error("a model can't be loaded any more", reason=str(error))  # noqa: TRY400
            raise ModelFailure("The model could not be loaded.") from None
        finally:
            entry.loading = None

    def _others(self, entry: Entry | None) -> list[Entry]:
        """What takes room beside it. A model that is about to be replaced does not count."""
        return [one for one in self._entries.values() if one is not entry]

    def _publish(self) -> None:
        self.routes = Routes([one.known for one in self._entries.values()], self._pivots)

    def _served(self, name: str) -> Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise ModelNotFound(f"No model {name[:64]!r} is served.")
        return entry

    async def _found(self, name: str, version: str | None, variant: str | None) -> KnownModel:
        try:
            return await asyncio.to_thread(self._models.find, name, version, variant)
        except StartupError as error:
            self._metrics.model_loads.labels("failed").inc()
            raise ModelNotLoaded(str(error)) from error

    def _all_found(self) -> Iterator[Listed]:
        for name, versions in self._models.versions().items():
            for version in versions:
                try:
                    known = self._models.find(name, version, None)
                except StartupError as error:
                    yield Listed(name, version, State.BROKEN, None, reason=str(error))
                else:
                    yield Listed(name, version, State.UNLOADED, known)

    def _all_served(self) -> Iterator[Listed]:
        for model in self._memory.leaving:
            known = model.known
            yield Listed(known.name, known.version, State.LEAVING, known, model)
        yield from map(listed, self._entries.values())

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ServiceError):
            log.error("unexpected error", **failure(error))

    async def _to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.shield(self._task(work))


def _gone(step: Step) -> Overloaded:
    return _gone_by_name(step.model.name)


def _gone_by_name(name: str) -> Overloaded:
    return Overloaded(f"The model {name!r} was unloaded; try again.", RETRY_AFTER_SECONDS)
