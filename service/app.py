"""The composition root: the only file that names concrete classes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fastapi import FastAPI

from service import __version__
from service.api import operations
from service.api.dependencies import ModelDescription, Service
from service.api.dialect import Dialects
from service.api.dialects import libretranslate
from service.api.documentation import add_documentation
from service.api.middleware import BodyLimit, RequestLog
from service.metrics import Metrics
from service.package.directory import ModelDirectory
from service.scheduling.admission import Admission
from service.settings import Settings
from service.translator import Engine, TextPipeline, Translator

if TYPE_CHECKING:
    from service.text.languages import Languages

DESCRIPTION = (
    "Translate text with a sequence-to-sequence model. POST /translate is a superset of "
    "LibreTranslate's, so its clients work here."
)


class RunningEngine(Engine, Protocol):
    """An engine that can be watched."""

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


@dataclass(frozen=True, slots=True)
class RunningModel:
    """A model that is loaded, warm and decoding."""

    engine: RunningEngine
    text: TextPipeline
    languages: Languages
    description: ModelDescription


OpenModel = Callable[[Settings], AbstractContextManager[RunningModel]]


def create_app(settings: Settings, open_model: OpenModel | None = None) -> FastAPI:
    """The app. Its lifespan loads the model, and raises StartupError where it cannot.

    Args:
        open_model: opens what is served; by default the model directory of the settings.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with (open_model or open_model_directory)(settings) as model:
            app.state.service = _service(settings, model, metrics)
            yield

    app = FastAPI(
        title="seq2serve",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    dialects = Dialects(libretranslate.DIALECT)
    dialects.word_errors(app)
    app.include_router(libretranslate.router(settings))
    app.include_router(operations.router(libretranslate.DIALECT))
    add_documentation(app)
    app.add_middleware(BodyLimit, max_bytes=settings.limits.max_body_bytes)
    app.add_middleware(RequestLog, dialects=dialects, metrics=metrics)  # the outermost
    return app


@contextmanager
def open_model_directory(settings: Settings) -> Iterator[RunningModel]:
    """Check, load and warm up the model directory of the settings."""
    ModelDirectory.open(settings.model.directory)
    raise NotImplementedError
    yield


def _service(settings: Settings, model: RunningModel, metrics: Metrics) -> Service:
    admission = Admission(settings.scheduling)
    _observe(metrics, admission, model.engine)
    return Service(
        settings=settings,
        translator=Translator(
            text=model.text,
            languages=model.languages,
            engine=model.engine,
            admission=admission,
            metrics=metrics,
        ),
        languages=model.languages,
        model=model.description,
        metrics=metrics,
        engine_alive=lambda: model.engine.alive,
    )


def _observe(metrics: Metrics, admission: Admission, engine: RunningEngine) -> None:
    metrics.gauge(
        "seq2seq_waiting_items", "Texts accepted and not yet answered.", lambda: admission.items
    )
    metrics.gauge(
        "seq2seq_waiting_characters",
        "Characters accepted and not yet answered.",
        lambda: admission.characters,
    )
    metrics.gauge("seq2seq_waiting_sentences", "Sentences not begun yet.", lambda: engine.waiting)
    metrics.counter("seq2seq_engine_steps", "Decoder steps.", lambda: engine.steps)
    metrics.counter(
        "seq2seq_engine_rows",
        "Rows computed by the decoder steps; divided by the steps, the mean batch.",
        lambda: engine.rows,
    )
