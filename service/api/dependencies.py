"""What the handlers share, and how a handler waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, Request

from service.domain import ModelDescription
from service.errors import ClientClosedRequest
from service.scheduling.watchdog import DEAD

if TYPE_CHECKING:
    from service.access.doors import Doors
    from service.catalogue.catalogue import Catalogue
    from service.catalogue.scorer import CatalogueScorer
    from service.catalogue.translator import Translator
    from service.document_jobs import DocumentJobs
    from service.document_store import DocumentStore
    from service.document_translator import DocumentTranslator
    from service.glossaries import Glossaries
    from service.metrics import Metrics
    from service.scheduling.watchdog import Pulse
    from service.settings import Settings
    from service.source_language import CurrentLanguages, SourceLanguages
    from service.suggestions import Suggestions
    from service.text.languages import Languages

T = TypeVar("T")
ARRIVED = "arrived"
"""In the scope of a request: monotonic seconds (time.monotonic) of its arrival."""


@dataclass(slots=True, kw_only=True)
class Service:
    """A running service, as the handlers see it. Used on the event loop only."""

    settings: Settings
    doors: Doors
    translator: Translator
    scorer: CatalogueScorer
    catalogue: Catalogue
    current_languages: CurrentLanguages
    suggestions: Suggestions | None
    """None where none are taken."""
    documents: DocumentTranslator
    document_jobs: DocumentJobs
    document_store: DocumentStore
    glossaries: Glossaries | None
    """None where none are kept."""
    metrics: Metrics
    engine_pulse: Callable[[], Pulse]
    """Any thread may call it."""
    draining: bool = field(default=False)
    fault: str | None = field(default=None)
    """Why the engine was given up."""
    deepl_characters: int = field(default=0)
    """Translated for clients of DeepL's API, with whatever key."""

    @property
    def languages(self) -> Languages:
        """What can be translated now."""
        return self.current_languages.all().languages

    @property
    def source_languages(self) -> SourceLanguages | None:
        """What detects languages; None where nothing does."""
        return self.current_languages.all().source_languages

    @property
    def model(self) -> ModelDescription:
        """The default model, or if it is not in memory, the first one that is."""
        return self.catalogue.default

    def drain(self) -> None:
        """Accept nothing new. What was accepted goes on."""
        self.draining = True
        self.translator.close()
        self.documents.close()

    async def drained(self, seconds: float) -> bool:
        """Wait until what was accepted is answered; False if it took longer."""
        return await self.translator.drained(seconds)

    @property
    def unready_because(self) -> str | None:
        """Why no request should be sent here; None when ready."""
        if self.broken_because:
            return self.broken_because
        if self.draining:
            return "The service is shutting down."
        return None

    @property
    def broken_because(self) -> str | None:
        """Why nothing but a restart helps; None when the engine works."""
        return self.fault or (None if self.engine_pulse().alive else DEAD)


async def service_of(request: Request) -> Service:  # not async, it would be called in a thread
    """The service of the app that got this request."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(service_of)]


def arrival_of(request: Request) -> float:
    """When the head of the request arrived (time.monotonic). Deadlines count from then on."""
    arrived: float = request.scope[ARRIVED]
    return arrived


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work, which is cancelled if the client leaves. Read the body before this.

    Raises:
        ClientClosedRequest: the client left.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientClosedRequest("The client left before its answer was ready.")
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
