"""A folder of models on Ray Serve, beside the same folder on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.ray_cluster import Nodes, until
from benchmarks.retrying_clients import clients
from service.access.keys import Key, digest, new_secret, write
from service.cluster.options import ENGINE, INGRESS
from service.settings import (
    AccessSettings,
    CacheSettings,
    DecodingSettings,
    ModelsSettings,
    Settings,
)
from tests.cluster.conftest import TWO
from tests.repositories import convert, install

TEXTS = ["Où est la gare ?", "Je voudrais un café. Merci !"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models that are told apart by what they say."""
    folder = tmp_path_factory.mktemp("made")
    return {name: convert(name, folder / name) for name in ("tiny", "untied")}


@pytest.fixture(scope="module")
def folder(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fr-en in two versions, and en-de."""
    folder = tmp_path_factory.mktemp("models")
    install(made["untied"], folder / "french" / "1", "fr-en")
    install(made["tiny"], folder / "french" / "2", "fr-en")
    install(made["untied"], folder / "german" / "1", "en-de")
    return folder


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A secret, and the file of keys that has it."""
    path = tmp_path_factory.mktemp("keys") / "keys"
    secret = new_secret()
    write(path, [Key(name="admin", sha256=digest(secret), admin=True)])
    return secret, path


@pytest.fixture(scope="module")
def settings(folder: Path, admin: tuple[str, Path]) -> Settings:
    return Settings(
        models=ModelsSettings(directory=folder),
        cache=CacheSettings(max_mb=0),
        decoding=DecodingSettings(max_decoding_length=12),
        access=AccessSettings(keys_file=admin[1], keys_required=False),
    )


@pytest.mark.parametrize(
    "body",
    [
        {"source": "fr", "target": "en"},
        {"source": "en", "target": "de"},
        {"source": "fr", "target": "de", "align": True, "details": True},
        {"source": "fr", "target": "en", "model": "french"},
        {"source": "fr", "target": "de", "model": "french"},
        {"source": "de", "target": "fr"},
    ],
    ids=str,
)
def test_answers_are_those_of_one_machine(
    cluster: httpx.Client, one_machine: httpx.Client, body: dict[str, Any]
) -> None:
    ours, expected = (
        one.post("/translate", json={"q": TEXTS} | body) for one in (cluster, one_machine)
    )
    assert ours.status_code == expected.status_code
    assert ours.json() == expected.json()


def test_models_are_changed_by_an_update_only(
    cluster: httpx.Client, admin: tuple[str, Path]
) -> None:
    headers = {"X-API-Key": admin[0]}
    listed = cluster.get("/models", headers=headers).json()["models"]
    assert [(one["name"], one["version"]) for one in listed] == [("french", "2"), ("german", "1")]
    for refused in (
        cluster.post("/models/french/load", json={"version": "1"}, headers=headers),
        cluster.post("/models/french/reload", headers=headers),
        cluster.post("/models/french/unload", headers=headers),
    ):
        assert refused.status_code == 403
        assert "update of the application" in refused.json()["error"]


def test_an_update_to_another_version_loses_nothing(
    nodes: Nodes, cluster: httpx.Client, settings: Settings
) -> None:
    """Ingresses of both versions ask replicas of both."""
    body = {"q": TEXTS, "source": "fr", "target": "en"}
    before = cluster.post("/translate", json=body).json()
    old = {*nodes.processes(ENGINE), *nodes.processes(INGRESS)}
    chosen = settings.models.model_copy(update={"load": "french/1,german"})
    with clients(nodes.url, 6, beam_size=1) as load:
        nodes.run(settings.model_copy(update={"models": chosen}), **TWO)
        until(lambda: old.isdisjoint({*nodes.processes(ENGINE), *nodes.processes(INGRESS)}))
    assert not load.failures
    assert cluster.post("/translate", json=body).json() != before
