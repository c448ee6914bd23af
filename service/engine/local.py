"""The engine with its model, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.package.directory import ModelDirectory
from service.runtime import providers
from service.runtime.seq2seq import OnnxSeq2Seq
from service.scheduling.engine import Engine
from service.settings import Settings


@contextmanager
def running(settings: Settings) -> Iterator[tuple[Engine, str]]:
    """Check and load the model of the settings, and start its engine.

    Yields the engine and the execution provider.

    Raises:
        InvalidPackage: the model directory breaks its contract.
        ProviderUnavailable: the device that was asked for can't be used.
    """
    providers.require(settings.runtime)
    directory = ModelDirectory.open(settings.model.directory)
    variant = directory.variant(
        settings.model.variant or directory.fastest(settings.runtime.device),
        settings.runtime.device,
    )
    directory.check(directory.files_of(variant))
    model = OnnxSeq2Seq.load(directory, variant, settings.runtime)
    replicas = providers.replicas(settings.runtime)
    with Engine.running(model, model.target, settings.scheduling, replicas) as engine:
        yield engine, model.provider
