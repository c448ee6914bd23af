"""A machine that is gone from one moment to the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import ray_cluster
from benchmarks.fixed_time_model import open_fixed_time_model
from benchmarks.ray_cluster import Nodes, until
from benchmarks.retrying_clients import clients
from service.cluster.options import ENGINE, INGRESS
from service.settings import Settings
from tests.cluster.conftest import FIXED

AT_LEAST = 30


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """Two machines besides the first one, which has none of the replicas."""
    with ray_cluster.nodes(cpus=0) as nodes:
        for _ in range(2):
            nodes.add(cpus=4)
        yield nodes


def test_a_node_may_go(nodes: Nodes, settings: Settings) -> None:
    nodes.run(settings, open_fixed_time_model, {**FIXED, "num_replicas": 2}, {"num_replicas": 2})
    gone = nodes.last_processes()
    assert gone & {*nodes.processes(ENGINE), *nodes.processes(INGRESS)}
    with clients(nodes.url, 12, beam_size=1) as load:
        until(lambda: len(load.ended) >= AT_LEAST)
        nodes.kill_last()
        until(lambda: gone.isdisjoint({*nodes.processes(ENGINE), *nodes.processes(INGRESS)}))
        until(lambda: len(nodes.processes(ENGINE)) == len(nodes.processes(INGRESS)) == 2)
        until(lambda: nodes.replicas(ENGINE) == nodes.replicas(INGRESS) == 2)
        before = len(load.ended)
        until(lambda: len(load.ended) >= before + AT_LEAST)
    assert not load.lost
