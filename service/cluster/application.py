"""The Serve application: the app as ingress, and behind it the replicas of the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from service import logs
from service.app import create_app
from service.cluster import options
from service.cluster.calls import calls_to
from service.cluster.decoder import ClusterDecoder
from service.cluster.options import ENGINE, INGRESS
from service.cluster.replica import EngineReplica
from service.errors import InvalidSettings
from service.opening import MODEL, OpenModel, RunningModel, model_behind, open_model_directory
from service.package.directory import ModelDirectory
from service.settings import Settings

ONE_MODEL = (
    "On a cluster SEQ2SEQ_MODELS__DIRECTORY can't be used: each model is an application of its own "
    "there, with its SEQ2SEQ_MODEL__DIRECTORY."
)


def build(
    settings: Settings,
    open_model: OpenModel = open_model_directory,
    engine: Mapping[str, Any] | None = None,
    ingress: Mapping[str, Any] | None = None,
) -> serve.Application:
    """The application. Nothing is loaded until Serve runs it.

    Args:
        open_model: what the engine's replicas open. Their answers are token ids of the settings'
            model directory, whose text side the ingress has.
        engine, ingress: options of the two deployments in place of ours.

    Raises:
        InvalidSettings: there is a folder of models.
    """
    if settings.models.directory is not None:
        raise InvalidSettings(ONE_MODEL)
    of_engine = {**options.of_engine(settings), **(engine or {})}
    of_ingress = {**options.of_ingress(settings), **(ingress or {})}
    replicas = serve.deployment(EngineReplica, name=ENGINE).options(**of_engine)
    front = serve.deployment(serve.ingress()(Ingress), name=INGRESS).options(**of_ingress)
    settings = options.with_whole_path(settings)
    return front.bind(options.without_documents(settings), replicas.bind(settings, open_model))


class Ingress:
    """A replica of the app."""

    def __init__(self, settings: Settings, engine: DeploymentHandle) -> None:
        logs.configure(settings.server)
        self._settings = settings
        self._engine = engine

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Ray asks for the app, and runs it."""
        return create_app(self._settings, opener(self._engine))


def opener(engine: DeploymentHandle) -> OpenModel:
    """What opens the model directory of the settings with its engine elsewhere."""

    @contextmanager
    def open_model(settings: Settings) -> Iterator[RunningModel]:
        decoder = ClusterDecoder(calls_to(engine))
        directory = ModelDirectory.open(settings.model.directory)
        yield model_behind(decoder, directory, options.described(settings, directory), MODEL)

    return open_model
