"""The Serve application: the app as ingress, and behind it the replicas of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from service import logs
from service.app import create_app
from service.catalogue.model import Models
from service.cluster import options
from service.cluster.calls import calls_to
from service.cluster.decoder import ClusterDecoder
from service.cluster.models import IngressModels, pinned
from service.cluster.options import ENGINE, INGRESS
from service.cluster.replica import EngineReplica
from service.engine.interface import WatchedDecoder
from service.opening import (
    MODEL,
    OneModel,
    OpenModel,
    OpenModels,
    Serve,
    model_behind,
    open_model_directory,
)
from service.package.directory import ModelDirectory
from service.settings import Settings


def build(
    settings: Settings,
    open_model: OpenModel = open_model_directory,
    engine: Mapping[str, Any] | None = None,
    ingress: Mapping[str, Any] | None = None,
) -> serve.Application:
    """The application. Nothing is loaded until Serve runs it.

    Args:
        open_model: what the engine's replicas open where there is no folder of models. Their
            answers are token ids of the settings' model directory, whose text side the ingress has.
        engine, ingress: options of the two deployments in place of ours.

    Raises:
        StartupError: a model of the folder of models is not there, or can't be had on a cluster.
    """
    of_engine = {**options.of_engine(settings), **(engine or {})}
    of_ingress = {**options.of_ingress(settings), **(ingress or {})}
    replicas = serve.deployment(EngineReplica, name=ENGINE).options(**of_engine)
    front = serve.deployment(serve.ingress()(Ingress), name=INGRESS).options(**of_ingress)
    settings = pinned(options.with_whole_paths(settings))
    return front.bind(options.without_documents(settings), replicas.bind(settings, open_model))


class Ingress:
    """A replica of the app."""

    def __init__(self, settings: Settings, engine: DeploymentHandle) -> None:
        logs.configure(settings.server)
        self._settings = settings
        self._engine = engine

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Ray asks for the app, and runs it."""
        return create_app(self._settings, open_models=opener(self._engine))


def opener(engine: DeploymentHandle) -> OpenModels:
    """What opens the models of the settings with their engine elsewhere."""

    @contextmanager
    def open_models(
        settings: Settings, _: OpenModel
    ) -> Iterator[tuple[WatchedDecoder, Callable[[Serve], Models]]]:
        decoder = ClusterDecoder(calls_to(engine))
        if (path := settings.models.directory) is not None:
            yield decoder, lambda serve: IngressModels(path, settings, decoder, serve)
            return
        directory = ModelDirectory.open(settings.model.directory)
        described = options.described(settings, directory)
        model = model_behind(decoder, directory, described, MODEL)
        yield decoder, lambda serve: OneModel(model, serve)

    return open_models
