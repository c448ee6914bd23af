"""Ray on this machine, as several nodes, and the service on it. `make test-cluster` runs these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from benchmarks import ray_cluster
from benchmarks.ray_cluster import Nodes
from service.opening import open_model_directory
from service.settings import CacheSettings, ModelSettings, Settings
from tests.conftest import DEFAULT_MODEL
from tests.end_to_end.conftest import live_server

FIXED: dict[str, object] = {"autoscaling_config": None}
TWO: dict[str, Any] = {"engine": {**FIXED, "num_replicas": 2}, "ingress": {"num_replicas": 2}}
"""Two replicas of each deployment."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """One node with Serve's proxy, room for eight replicas, and nothing on it yet."""
    with ray_cluster.nodes(cpus=8) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def client(nodes: Nodes) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=nodes.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Every sentence is to be decoded."""
    return Settings(
        model=ModelSettings(directory=DEFAULT_MODEL),
        cache=CacheSettings(max_mb=0),
    )


@pytest.fixture(scope="module")
def cluster(nodes: Nodes, client: httpx.Client, settings: Settings) -> httpx.Client:
    """A client of the service on Ray."""
    nodes.run(settings, **TWO)
    return client


@pytest.fixture(scope="module")
def one_machine(settings: Settings) -> Iterator[httpx.Client]:
    """A client of the same service without Ray."""
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client
