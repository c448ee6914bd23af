"""The engine with its models, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.engine.messages import Loaded
from service.package.directory import ModelDirectory
from service.runtime import providers
from service.runtime.freed_memory import give_back
from service.runtime.seq2seq import OnnxSeq2Seq
from service.scheduling.engine import Engine
from service.settings import RuntimeSettings, Settings


class LocalEngine(Engine):
    """An engine that loads its models itself."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.scheduling, providers.replicas(settings.runtime))
        self._runtime: RuntimeSettings = settings.runtime

    def load(self, name: str, directory: Path, variant: str | None = None) -> Loaded:
        """Check and load a model, while those that are there go on.

        Args:
            name: what its jobs call it; none that was ever used.
            variant: by default the fastest one for the device.

        Raises:
            InvalidPackage: the model directory breaks its contract.
            ProviderUnavailable: the device that was asked for can't be used.
        """
        package = ModelDirectory.open(directory)
        device = self._runtime.device
        chosen = package.variant(variant or package.fastest(device), device)
        package.check(package.files_of(chosen))
        model = OnnxSeq2Seq.load(package, chosen, self._runtime)
        self.add(name, model, model.target)
        give_back()  # what models had that have left since the last time
        return Loaded(name, model.provider)

    def unload(self, name: str) -> None:
        """Let go of a model, after the current steps. Its jobs that are left fail."""
        self.remove(name)
        give_back()


@contextmanager
def running(settings: Settings) -> Iterator[LocalEngine]:
    """Start an engine that has no model yet.

    Raises:
        ProviderUnavailable: the device that was asked for can't be used.
    """
    providers.require(settings.runtime)
    with LocalEngine(settings).running() as engine:
        yield engine
