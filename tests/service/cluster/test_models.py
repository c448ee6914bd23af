"""The models of a replica, without Ray."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.cluster.models import ReplicaModels
from service.engine.local import LocalEngine
from service.settings import ModelsSettings, RuntimeSettings, Settings
from tests.repositories import install

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tiny_directory: Path, tmp_path: Path) -> Settings:
    """A model in two versions, of which the older one is served from the start."""
    for version in ("1", "2"):
        install(tiny_directory, tmp_path / "french" / version, "fr-en")
    return Settings(
        models=ModelsSettings(directory=tmp_path, load="french/1"),
        runtime=RuntimeSettings(engine="thread", threads=1),
    )


async def test_a_client_that_leaves_stops_no_load_that_others_wait_for(settings: Settings) -> None:
    assert settings.models.directory is not None
    with LocalEngine(settings).running() as engine:
        models = ReplicaModels(settings.models.directory, settings, engine)
        models.start()
        leaving = asyncio.create_task(models.require("french/2"))
        await asyncio.sleep(0)
        leaving.cancel()
        staying = [asyncio.create_task(models.require("french/2")) for _ in range(2)]
        assert await asyncio.gather(*staying) == [None, None]
        with pytest.raises(asyncio.CancelledError):
            await leaving
