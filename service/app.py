"""The composition root: with service.engine, the only place that names concrete classes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from service import __version__
from service.access.doors import Doors
from service.access.usage import Usage
from service.api import doors, models, operations
from service.api.dependencies import Service
from service.api.dialect import Dialects
from service.api.dialects.deepl import routes as deepl
from service.api.dialects.libretranslate import routes as libretranslate
from service.api.documentation import add_documentation
from service.api.middleware import PROBES, BodyLimit, HeadAsGet, RequestLog
from service.api.page import add_page
from service.api.tracing import Tracing, telemetry_of
from service.catalogue.catalogue import Catalogue
from service.catalogue.model import KnownModel, Models, ServedModel
from service.catalogue.scorer import CatalogueScorer
from service.catalogue.translator import Translator
from service.document_jobs import DocumentJobs
from service.document_store import DocumentStore
from service.document_translator import DocumentTranslator
from service.documents.isolation import DocumentReader
from service.engine.interface import WatchedDecoder
from service.glossaries import Glossaries
from service.metrics import Load, Metrics
from service.opening import (
    OpenModel,
    OpenModels,
    RunningModel,
    Serve,
    open_model_directory,
    open_models,
)
from service.scheduling.addressed import AddressedDecoder
from service.scheduling.admission import Admission
from service.scheduling.cache import CachingDecoder
from service.scheduling.timing import TimedDecoder
from service.scheduling.watchdog import Pulse
from service.scorer import Scorer
from service.settings import GlossarySettings, Settings, SuggestionSettings
from service.source_language import CurrentLanguages
from service.suggestions import Suggestions
from service.text.language_detection import LanguageDetector
from service.translator import ModelTranslator

DESCRIPTION = (
    "Translate text with a sequence-to-sequence model. POST /translate is a superset of "
    "LibreTranslate's, so its clients work here; so do DeepL's for texts, documents and "
    "glossaries, with /v2 and /v3."
)

UPLOADS = ("/translate_file", "/translate_file/", "/v2/document")
FORM_BYTES = 64 << 10
"""Of an upload, besides the document."""
CORS: dict[str, Any] = {
    "allow_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
    "allow_headers": ["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
    "expose_headers": ["Retry-After", "X-Request-ID", "X-Trace-ID"],
}
"""What pages elsewhere may do. A key is sent by their script, so nothing needs cookies."""


@contextmanager
def running_service(
    settings: Settings,
    open_model: OpenModel = open_model_directory,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
    open_models: OpenModels = open_models,
) -> Iterator[Service]:
    """All of the service but HTTP.

    Raises:
        StartupError: a model can't be loaded, or what the settings name is not there.
    """
    with Usage(settings.access.usage_file) as usage:
        access = Doors(settings.access, usage)  # before the model, which takes its time
        with open_models(settings, open_model) as (engine, models_of):
            yield _service(settings, engine, models_of, metrics or Metrics(), access, tracing)


def create_app(
    settings: Settings,
    open_model: OpenModel = open_model_directory,
    open_models: OpenModels = open_models,
) -> FastAPI:
    """The app. Its lifespan loads the model, and raises StartupError where it cannot.

    Args:
        open_model: opens what is served where there is no folder of models.
        open_models: opens all of it.

    Raises:
        InvalidSettings: traces were asked for, and what sends them is not installed.
    """
    metrics = Metrics()
    tracing = Tracing.configured() if settings.telemetry.traces else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            with running_service(settings, open_model, metrics, tracing, open_models) as service:
                app.state.service = service
                try:
                    yield
                finally:
                    await service.document_jobs.stop()
                    await service.catalogue.stop()
        finally:
            if tracing is not None:
                await asyncio.to_thread(tracing.close)

    app = FastAPI(
        title="seq2serve",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=telemetry_of(tracing, PROBES),
        generate_unique_id_function=lambda route: route.name,
    )
    dialects = Dialects(libretranslate.DIALECT, *deepl.DIALECTS)
    dialects.word_errors(app)
    for router, dialect in (
        (libretranslate.router(settings), libretranslate.DIALECT),
        (deepl.router(), deepl.DIALECTS[0]),
    ):
        app.include_router(
            router,
            dependencies=doors.dependencies(settings.access),
            responses=doors.documented(settings.access, dialect),
        )
    app.include_router(models.router(libretranslate.DIALECT))
    app.include_router(libretranslate.open_router())
    app.include_router(operations.router(libretranslate.DIALECT))
    add_documentation(app)
    add_page(app, settings.page)
    app.add_middleware(HeadAsGet)
    upload_bytes = (settings.documents.max_mb << 20) + FORM_BYTES
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.limits.max_body_bytes,
        uploads=dict.fromkeys(UPLOADS, upload_bytes),
    )
    app.add_middleware(RequestLog, dialects=dialects, metrics=metrics)
    if origins := settings.access.origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, **CORS)  # the outermost
    return app


def _service(
    settings: Settings,
    engine: WatchedDecoder,
    models_of: Callable[[Serve], Models],
    metrics: Metrics,
    access: Doors,
    tracing: Tracing | None,
) -> Service:
    admission = Admission(settings.scheduling, metrics)
    timed = TimedDecoder(engine, metrics, tracing.begin if tracing else None)
    cache = CachingDecoder(timed, settings.cache.max_mb * 2**20)

    def serve(known: KnownModel, model: RunningModel) -> ServedModel:
        return ServedModel(
            known=known,
            description=model.description,
            key=model.name,
            translator=ModelTranslator(
                text=model.text,
                decoder=AddressedDecoder(cache if settings.cache.max_mb else timed, model.name),
                metrics=metrics,
                bulk_from_sentences=settings.scheduling.bulk_from_sentences,
                attention=model.target.attention,
            ),
            scorer=Scorer(
                text=model.text, decoder=AddressedDecoder(timed, model.name), target=model.target
            ),
        )

    catalogue = Catalogue(models_of(serve), settings.models, metrics)
    catalogue.start()
    metrics.read_load = lambda: Load(
        waiting_items=admission.items,
        waiting_characters=admission.characters,
        waiting_sentences=engine.waiting,
        engine_steps=engine.steps,
        engine_rows=engine.rows,
        cache_hits=cache.hits,
        cache_joined=cache.joined,
        cache_misses=cache.misses,
        cache_entries=cache.entries,
        cache_bytes=cache.bytes,
        models=[one.description for one in catalogue.loaded],
        model_bytes=sum(one.known.bytes for one in catalogue.loaded),
    )
    translator = Translator(catalogue, admission)
    detector = LanguageDetector.load() if settings.detection.enabled else None
    languages = CurrentLanguages(catalogue, detector)
    documents = DocumentTranslator(
        translator=translator,
        served=languages.all,
        reader=DocumentReader(settings.documents, settings.limits),
        settings=settings.documents,
        decoding=settings.decoding,
    )
    store = DocumentStore(settings.documents)
    return Service(
        settings=settings,
        doors=access,
        translator=translator,
        scorer=CatalogueScorer(catalogue, admission),
        catalogue=catalogue,
        current_languages=languages,
        documents=documents,
        document_jobs=DocumentJobs(documents, store, settings.documents),
        document_store=store,
        suggestions=_suggestions(settings.suggestions),
        glossaries=_glossaries(settings.glossaries),
        metrics=metrics,
        engine_pulse=lambda: Pulse(engine.alive, engine.steps, timed.under_way),
    )


def _suggestions(settings: SuggestionSettings) -> Suggestions | None:
    if settings.file is None:
        return None
    return Suggestions(settings.file, settings.max_mb * 2**20)


def _glossaries(settings: GlossarySettings) -> Glossaries | None:
    if settings.directory is None:
        return None
    return Glossaries(settings.directory, settings.max_mb * 2**20)
