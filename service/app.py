"""The composition root: with service.engine, the only place that names concrete classes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from service import __version__
from service.access.doors import Doors
from service.access.usage import Usage
from service.api import doors, operations
from service.api.dependencies import ModelDescription, Service
from service.api.dialect import Dialects
from service.api.dialects.deepl import routes as deepl
from service.api.dialects.libretranslate import routes as libretranslate
from service.api.documentation import add_documentation
from service.api.middleware import PROBES, BodyLimit, RequestLog
from service.api.page import add_page
from service.api.tracing import Tracing, telemetry_of
from service.decoding.model import Target
from service.document_jobs import DocumentJobs
from service.document_store import DocumentStore
from service.document_translator import DocumentTranslator
from service.documents.isolation import DocumentReader
from service.domain import DecodingOptions
from service.engine import launch
from service.engine.messages import Loaded
from service.errors import InvalidPackage, ServiceError
from service.glossaries import Glossaries
from service.metrics import Load, Metrics
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair
from service.scheduling.addressed import AddressedDecoder
from service.scheduling.admission import Admission
from service.scheduling.cache import CachingDecoder
from service.scheduling.job import Decoder, Job
from service.scheduling.timing import TimedDecoder
from service.scorer import ScorableText, Scorer
from service.settings import GlossarySettings, Settings, SuggestionSettings
from service.source_language import SourceLanguages
from service.suggestions import Suggestions
from service.text.language_detection import LanguageDetector
from service.text.languages import Languages
from service.text.pipeline import TextPipeline
from service.text.tokenizer import Tokenizer
from service.translator import Text, Translator

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

MODEL = "model"
"""What the engine calls the one that is served."""
WARM_UP = "1, 2, 3."
WARM_UP_SECONDS = 60.0


class ModelText(Text, ScorableText, Protocol):
    """All that is asked of a model's text."""


class WatchedDecoder(Decoder, Protocol):
    """A decoder that can be watched; an engine is one."""

    @property
    def alive(self) -> bool:
        """Whether it answers."""

    @property
    def steps(self) -> int:
        """Decoder steps so far."""

    @property
    def rows(self) -> int:
        """Rows that these steps computed, added up."""

    @property
    def waiting(self) -> int:
        """Sentences that it has not begun."""


class ModelEngine(WatchedDecoder, Protocol):
    """An engine; see service.engine."""

    def load(self, name: str, directory: Path, variant: str | None) -> Loaded:
        """Load a model, which takes seconds."""

    def unload(self, name: str) -> None:
        """Let go of a model."""


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A model that is loaded, warm and decoding."""

    engine: WatchedDecoder
    text: ModelText
    languages: Languages
    description: ModelDescription
    target: Target
    name: str = ""
    """The engine's name of it."""


OpenModel = Callable[[Settings], AbstractContextManager[RunningModel]]


@contextmanager
def open_model_directory(settings: Settings) -> Iterator[RunningModel]:
    """Check, load and warm up the model directory of the settings.

    Raises:
        InvalidPackage: the directory breaks its contract, or its model cannot translate.
        ProviderUnavailable: the device that was asked for cannot be used.
    """
    with _engine(settings) as engine:
        loaded = engine.load(MODEL, settings.model.directory, settings.model.variant)
        directory = ModelDirectory.open(settings.model.directory)
        manifest = directory.manifest
        languages = manifest.languages
        name = settings.model.variant or directory.fastest(settings.runtime.device)
        tokenizer = Tokenizer.load(
            directory.file(manifest.tokenizers.source), directory.file(manifest.tokenizers.target)
        )
        longest = manifest.limits.max_source_tokens
        text = TextPipeline(tokenizer, longest, manifest.conditioning, languages)
        _warm_up(
            AddressedDecoder(engine, MODEL), text, manifest.first_pair, settings.decoding.options()
        )
        yield RunningModel(
            engine=engine,
            text=text,
            languages=Languages(manifest.pairs, manifest.sources, manifest.targets, languages),
            description=ModelDescription(
                name=manifest.name,
                variant=name,
                precision=directory.variant(name).precision,
                device=settings.runtime.device,
                provider=loaded.provider,
            ),
            target=Target.of(manifest),
            name=MODEL,
        )


@contextmanager
def running_service(
    settings: Settings,
    open_model: OpenModel = open_model_directory,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
) -> Iterator[Service]:
    """All of the service but HTTP.

    Raises:
        StartupError: the model can't be loaded, or what the settings name is not there.
    """
    with Usage(settings.access.usage_file) as usage:
        access = Doors(settings.access, usage)  # before the model, which takes its time
        with open_model(settings) as model:
            yield _service(settings, model, metrics or Metrics(), access, tracing)


def create_app(settings: Settings, open_model: OpenModel = open_model_directory) -> FastAPI:
    """The app. Its lifespan loads the model, and raises StartupError where it cannot.

    Args:
        open_model: opens what is served.

    Raises:
        InvalidSettings: traces were asked for, and what sends them is not installed.
    """
    metrics = Metrics()
    tracing = Tracing.configured() if settings.telemetry.traces else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            with running_service(settings, open_model, metrics, tracing) as service:
                app.state.service = service
                try:
                    yield
                finally:
                    await service.document_jobs.stop()
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
    app.include_router(libretranslate.open_router())
    app.include_router(operations.router(libretranslate.DIALECT))
    add_documentation(app)
    add_page(app, settings.page)
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


def _engine(settings: Settings) -> AbstractContextManager[ModelEngine]:
    if settings.runtime.engine == "process":
        return launch.running(settings)
    from service.engine import local  # ONNX Runtime takes memory: only where it runs

    return local.running(settings)


def _warm_up(
    engine: Decoder, text: TextPipeline, pair: LanguagePair, options: DecodingOptions
) -> None:
    """Translate once, so that the first request does not pay for what is set up on first use."""
    options = replace(options, start=text.start(pair))
    jobs = [
        Job(ids, options, time.monotonic() + WARM_UP_SECONDS)
        for _, ids in text.encode(WARM_UP, pair)
    ]
    engine.submit(jobs)
    try:
        for job in jobs:
            job.result.result(WARM_UP_SECONDS)
    except (ServiceError, TimeoutError) as error:
        raise InvalidPackage(f"The model cannot translate: {error}") from error


def _service(
    settings: Settings,
    model: RunningModel,
    metrics: Metrics,
    access: Doors,
    tracing: Tracing | None,
) -> Service:
    admission = Admission(settings.scheduling)
    timed = TimedDecoder(model.engine, metrics, tracing.begin if tracing else None)
    cache = CachingDecoder(timed, settings.cache.max_mb * 2**20)
    metrics.model.info(asdict(model.description))
    metrics.read_load = lambda: Load(
        waiting_items=admission.items,
        waiting_characters=admission.characters,
        waiting_sentences=model.engine.waiting,
        engine_steps=model.engine.steps,
        engine_rows=model.engine.rows,
        cache_hits=cache.hits,
        cache_joined=cache.joined,
        cache_misses=cache.misses,
        cache_entries=cache.entries,
        cache_bytes=cache.bytes,
    )
    translator = Translator(
        text=model.text,
        languages=model.languages,
        decoder=AddressedDecoder(cache if settings.cache.max_mb else timed, model.name),
        admission=admission,
        metrics=metrics,
        bulk_from_sentences=settings.scheduling.bulk_from_sentences,
        attention=model.target.attention,
    )
    source_languages = _source_languages(settings, model.languages)
    documents = DocumentTranslator(
        translator=translator,
        languages=model.languages,
        source_languages=source_languages,
        reader=DocumentReader(settings.documents, settings.limits),
        settings=settings.documents,
        decoding=settings.decoding,
    )
    store = DocumentStore(settings.documents)
    return Service(
        settings=settings,
        doors=access,
        translator=translator,
        scorer=Scorer(
            text=model.text,
            languages=model.languages,
            decoder=AddressedDecoder(timed, model.name),
            admission=admission,
            target=model.target,
        ),
        languages=model.languages,
        source_languages=source_languages,
        documents=documents,
        document_jobs=DocumentJobs(documents, store, settings.documents),
        document_store=store,
        suggestions=_suggestions(settings.suggestions),
        glossaries=_glossaries(settings.glossaries),
        model=model.description,
        metrics=metrics,
        engine_alive=lambda: model.engine.alive,
    )


def _source_languages(settings: Settings, languages: Languages) -> SourceLanguages | None:
    if not settings.detection.enabled:
        return None
    return SourceLanguages(languages, LanguageDetector.load())


def _suggestions(settings: SuggestionSettings) -> Suggestions | None:
    if settings.file is None:
        return None
    return Suggestions(settings.file, settings.max_mb * 2**20)


def _glossaries(settings: GlossarySettings) -> Glossaries | None:
    if settings.directory is None:
        return None
    return Glossaries(settings.directory, settings.max_mb * 2**20)
