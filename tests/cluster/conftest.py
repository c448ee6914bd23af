"""Ray on this machine, as several nodes, and the service on it. `make test-cluster` runs these."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from benchmarks import ray_cluster
from benchmarks.ray_cluster import Nodes
from service.settings import CacheSettings, ModelSettings, Settings
from tests.conftest import DEFAULT_MODEL

FIXED: dict[str, object] = {"autoscaling_config": None}


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
