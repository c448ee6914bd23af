"""Replicas that die under load, replicas that follow the load, and updates."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from benchmarks.fixed_time_model import open_fixed_time_model
from benchmarks.ray_cluster import Nodes, kill, until
from benchmarks.retrying_clients import Outcome, clients
from service.cluster.options import ENGINE, INGRESS, of_engine
from service.settings import Settings
from tests.cluster.conftest import FIXED
from tests.cluster.hanging_model import open_hanging_model

CLIENTS = 12
AT_LEAST = 30
"""Answers to wait for before and after what happens."""


@pytest.fixture(autouse=True)
def two_of_each(nodes: Nodes, settings: Settings) -> None:
    nodes.run(settings, open_fixed_time_model, {**FIXED, "num_replicas": 2}, {"num_replicas": 2})
    until(lambda: nodes.replicas(ENGINE) == nodes.replicas(INGRESS) == 2)


@pytest.fixture
def load(nodes: Nodes) -> Iterator[Outcome]:
    with clients(nodes.url, CLIENTS, beam_size=1) as outcome:
        answered(outcome)
        yield outcome


def answered(outcome: Outcome) -> None:
    """Wait for some more answers."""
    before = len(outcome.ended)
    until(lambda: len(outcome.ended) >= before + AT_LEAST)


def test_sentences_of_a_killed_engine_are_decoded_by_another_one(
    nodes: Nodes, load: Outcome
) -> None:
    victim, _ = nodes.processes(ENGINE)
    kill(victim)
    until(lambda: len(set(nodes.processes(ENGINE)) - {victim}) == 2)
    until(lambda: nodes.replicas(ENGINE) == 2)
    answered(load)
    assert not load.failures  # nobody had to send anything again


def test_sentences_of_a_hung_engine_are_decoded_by_another_one(
    nodes: Nodes, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "hang"
    runtime = settings.runtime.model_copy(update={"stuck_seconds": 5})
    scheduling = settings.scheduling.model_copy(update={"deadline_seconds": 120})
    watched = settings.model_copy(update={"runtime": runtime, "scheduling": scheduling})
    hanging = partial(open_hanging_model, file=file)
    before = set(nodes.processes(ENGINE))
    nodes.run(watched, hanging, {**FIXED, "num_replicas": 2}, {"num_replicas": 2})
    until(lambda: before.isdisjoint(nodes.processes(ENGINE)) and nodes.replicas(ENGINE) == 2)
    before = set(nodes.processes(ENGINE))
    with clients(nodes.url, CLIENTS, beam_size=1) as load:
        answered(load)
        file.touch()
        until(lambda: not file.exists())
        until(lambda: len(before & set(nodes.processes(ENGINE))) == 1)
        until(lambda: nodes.replicas(ENGINE) == 2)
        answered(load)
    assert not load.failures


def test_requests_of_a_killed_ingress_may_be_sent_again(nodes: Nodes, load: Outcome) -> None:
    victim, _ = nodes.processes(INGRESS)
    kill(victim)
    until(lambda: len(set(nodes.processes(INGRESS)) - {victim}) == 2)
    until(lambda: nodes.replicas(INGRESS) == 2)
    answered(load)
    assert not load.lost
    assert sum(load.failures.values()) <= CLIENTS


def test_an_update_loses_nothing(nodes: Nodes, settings: Settings, load: Outcome) -> None:
    before = {*nodes.processes(ENGINE), *nodes.processes(INGRESS)}
    slower = partial(open_fixed_time_model, steps=12)
    decoding = settings.decoding.model_copy(update={"length_penalty": 0.9})
    changed = settings.model_copy(update={"decoding": decoding})
    nodes.run(changed, slower, {**FIXED, "num_replicas": 2}, {"num_replicas": 2})
    until(lambda: before.isdisjoint({*nodes.processes(ENGINE), *nodes.processes(INGRESS)}))
    answered(load)
    assert not load.failures


def test_replicas_follow_the_load(nodes: Nodes, settings: Settings) -> None:
    """400 clients have three times the tokens that are one replica's share."""
    scaling = {
        **of_engine(settings)["autoscaling_config"],
        "max_replicas": 3,
        "upscale_delay_s": 0.5,
        "downscale_delay_s": 2,
        "look_back_period_s": 2,
    }
    few_rows = settings.scheduling.model_copy(update={"max_batch_rows": 16})
    slow = settings.model_copy(update={"scheduling": few_rows})
    nodes.run(slow, open_fixed_time_model, {"autoscaling_config": scaling})
    until(lambda: nodes.replicas(ENGINE) == 1)
    with clients(nodes.url, 400, beam_size=1) as load:
        until(lambda: nodes.replicas(ENGINE) == 3)
    until(lambda: nodes.replicas(ENGINE) == 1)
    assert not load.lost
