"""Opens what is served, a model directory or a folder of models, and the engine for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Protocol, TypeAlias

from service.catalogue.model import KnownModel, Models, ServedModel
from service.decoding.model import Target
from service.domain import DecodingOptions, ModelDescription
from service.engine import launch
from service.engine.interface import ModelEngine, WatchedDecoder
from service.errors import Disabled, InvalidPackage, ServiceError
from service.model_folder import ModelFolder, fingerprint, languages_of
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair
from service.package.repository import ONLY_VERSION
from service.scheduling.addressed import AddressedDecoder
from service.scheduling.job import Job
from service.scorer import ScorableText
from service.settings import Settings
from service.text.languages import Languages
from service.text.pipeline import TextPipeline
from service.text.tokenizer import Tokenizer
from service.translator import Text

MODEL = "model"
"""What the engine calls the model of a model directory."""
ONE_MODEL = (
    "This service has one model, which changes when it is started again. SEQ2SEQ_MODELS__DIRECTORY "
    "names a folder of models that can be loaded, reloaded and unloaded."
)
WARM_UP = "1, 2, 3."
WARM_UP_SECONDS = 60.0


class ModelText(Text, ScorableText, Protocol):
    """All that is asked of a model's text."""


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
    fingerprint: str = ""
    """Another one whenever the model is another."""


OpenModel = Callable[[Settings], AbstractContextManager[RunningModel]]
Serve: TypeAlias = Callable[[KnownModel, RunningModel], ServedModel]
"""Makes of a model what serves requests."""
OpenModels: TypeAlias = Callable[
    [Settings, OpenModel],
    AbstractContextManager[tuple[WatchedDecoder, Callable[[Serve], Models]]],
]
"""Opens all models and the engine that decodes for them."""


@contextmanager
def open_model_directory(settings: Settings) -> Iterator[RunningModel]:
    """Check, load and warm up the model directory of the settings.

    Raises:
        InvalidPackage: the directory breaks its contract, or its model cannot translate.
        ProviderUnavailable: the device that was asked for cannot be used.
    """
    with running_engine(settings) as engine:
        loaded = engine.load(MODEL, settings.model.directory, settings.model.variant)
        directory = ModelDirectory.open(settings.model.directory)
        variant = settings.model.variant or directory.fastest(settings.runtime.device)
        description = ModelDescription(
            name=directory.manifest.name,
            version=ONLY_VERSION,
            variant=variant,
            precision=directory.variant(variant).precision,
            device=settings.runtime.device,
            provider=loaded.provider,
        )
        model = model_behind(engine, directory, description, MODEL)
        warm_up(model, directory.manifest.first_pair, settings.decoding.options())
        yield model


def model_behind(
    engine: WatchedDecoder, directory: ModelDirectory, description: ModelDescription, name: str
) -> RunningModel:
    """What a model directory holds besides the graphs, with an engine that runs those.

    name: the engine's of the model.

    Raises:
        InvalidPackage: the directory breaks its contract.
    """
    manifest = directory.manifest
    tokenizer = Tokenizer.load(
        directory.file(manifest.tokenizers.source), directory.file(manifest.tokenizers.target)
    )
    longest = manifest.limits.max_source_tokens
    return RunningModel(
        engine=engine,
        text=TextPipeline(tokenizer, longest, manifest.conditioning, manifest.languages),
        languages=languages_of(directory),
        description=description,
        target=Target.of(manifest),
        name=name,
        fingerprint=fingerprint(directory.path),
    )


def warm_up(model: RunningModel, pair: LanguagePair, options: DecodingOptions) -> None:
    """Translate once, so that the first request does not pay for what is set up on first use.

    Raises:
        InvalidPackage: the model can't translate.
    """
    options = replace(options, start=model.text.start(pair))
    jobs = [
        Job(ids, options, time.monotonic() + WARM_UP_SECONDS)
        for _, ids in model.text.encode(WARM_UP, pair)
    ]
    AddressedDecoder(model.engine, model.name).submit(jobs)
    try:
        for job in jobs:
            job.result.result(WARM_UP_SECONDS)
    except (ServiceError, TimeoutError, CancelledError) as error:
        raise InvalidPackage(f"The model cannot translate: {error}") from error


@contextmanager
def open_models(
    settings: Settings, open_model: OpenModel
) -> Iterator[tuple[WatchedDecoder, Callable[[Serve], Models]]]:
    """The engine, and where models come from.

    open_model: opens the only model where there is no folder of them.

    Raises:
        StartupError: the engine, or the only model, can't be started.
    """
    if settings.models.directory is None:
        with open_model(settings) as model:
            yield model.engine, lambda serve: OneModel(model, serve)
        return
    path = settings.models.directory
    with running_engine(settings) as engine:
        yield engine, lambda serve: FolderModels(path, settings, engine, serve)


def running_engine(settings: Settings) -> AbstractContextManager[ModelEngine]:
    """An engine without models."""
    if settings.runtime.engine == "process":
        return launch.running(settings)
    from service.engine import local  # ONNX Runtime takes memory: only where it runs

    return local.running(settings)


class OneModel:
    """A model that is there before and after all others could be."""

    fixed = ONE_MODEL

    def __init__(self, model: RunningModel, serve: Serve) -> None:
        self._model = model
        self._serve = serve
        described = model.description
        self._known = KnownModel(
            name=described.name,
            version=described.version,
            variant=described.variant,
            precision=described.precision,
            device=described.device,
            languages=model.languages,
            attention=model.target.attention,
            fingerprint=model.fingerprint,
        )

    def at_start(self) -> Sequence[KnownModel]:
        """The model."""
        return [self._known]

    def versions(self) -> Mapping[str, Sequence[str]]:
        """None that could be loaded."""
        return {}

    def find(self, name: str, version: str | None, variant: str | None) -> KnownModel:
        """Nothing.

        Raises:
            Disabled: always. Its files may be others by now, but it stays as it was loaded.
        """
        raise Disabled(ONE_MODEL)

    def load(self, known: KnownModel) -> ServedModel:
        """The model, which is loaded."""
        return self._serve(known, self._model)

    def unload(self, model: ServedModel) -> None:
        """Nothing: it stays."""


class FolderModels(ModelFolder):
    """The models of a folder, which an engine loads."""

    fixed = None

    def __init__(self, path: Path, settings: Settings, engine: ModelEngine, serve: Serve) -> None:
        super().__init__(path, settings)
        self._engine = engine
        self._serve = serve
        self._numbers = count(1)

    def load(self, known: KnownModel) -> ServedModel:
        """Load a model of the folder.

        Raises:
            InvalidPackage: it can't be loaded, or is another one than that which is known.
        """
        directory = self.directory(known)
        key = f"{known.name}/{known.version}#{next(self._numbers)}"
        return self._serve(known, loaded(self._engine, key, known, directory, self.settings))

    def unload(self, model: ServedModel) -> None:
        """Free the memory of a model."""
        self._engine.unload(model.key)


def loaded(
    engine: ModelEngine, key: str, known: KnownModel, directory: ModelDirectory, settings: Settings
) -> RunningModel:
    """A model of a folder, loaded into an engine and warm.

    key: the engine's name of it.

    Raises:
        InvalidPackage: it can't be loaded.
    """
    provider = engine.load(key, directory.path, known.variant).provider
    try:
        model = model_behind(engine, directory, known.described(provider), key)
        warm_up(model, directory.manifest.first_pair, settings.decoding.options())
    except BaseException:
        engine.unload(key)
        raise
    return model
