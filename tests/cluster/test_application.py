"""The default model on Ray Serve, beside the same service on one machine."""

from __future__ import annotations

import json
import socket
from functools import partial
from typing import Any

import httpx
import pytest
from ray import serve

from benchmarks.fixed_time_model import open_fixed_time_model
from benchmarks.ray_cluster import NAME, Nodes, until
from service.cluster.autoscaling import TOKENS
from service.cluster.options import ENGINE
from service.settings import Settings
from tests.cluster.conftest import FIXED
from tests.conftest import DATA

TEXTS = (DATA / "text" / "tatoeba.fr").read_text(encoding="utf-8").splitlines()[:40]
PAIR = {"source": "fr", "target": "en"}
LONG = " ".join(TEXTS[:6])


@pytest.mark.parametrize(
    "body",
    [
        {"q": TEXTS},
        {"q": LONG, "alternatives": 2, "return_scores": True, "sentences": True},
        {"q": TEXTS[:5], "beam_size": 5, "num_hypotheses": 5, "return_scores": True},
        {"q": TEXTS[:5], "sampling_topk": 0, "sampling_seed": 7, "beam_size": 1},
        {"q": f"<p>{TEXTS[0]} <b>{TEXTS[1]}</b></p>", "format": "html"},
        {"q": TEXTS[:3], "return_attention": True, "align": True},
        {"q": "Le chat dort.", "source": "auto"},
        {"q": TEXTS[0], "target": "xx"},
        {"q": TEXTS[0], "beam_size": 1000},
        {"q": ["Bonjour."] * 1000},
        {},
    ],
    ids=str,
)
def test_answers_are_those_of_one_machine(
    cluster: httpx.Client, one_machine: httpx.Client, body: dict[str, Any]
) -> None:
    ours, expected = (one.post("/translate", json=PAIR | body) for one in (cluster, one_machine))
    assert ours.status_code == expected.status_code
    assert ours.json() == expected.json()


def test_scores_are_those_of_one_machine(cluster: httpx.Client, one_machine: httpx.Client) -> None:
    body = {"q": TEXTS[:3], "translations": ["The cat.", "A dog sleeps.", "Yes."], **PAIR}
    ours, expected = (one.post("/score", json=body).json() for one in (cluster, one_machine))
    assert ours == expected


def test_a_stream_is_one_of_sentences(cluster: httpx.Client, one_machine: httpx.Client) -> None:
    def events(client: httpx.Client) -> list[str]:
        with client.stream("POST", "/translate", json={"q": LONG, "stream": True} | PAIR) as reply:
            return list(reply.iter_lines())

    found = events(cluster)
    assert sum(line == "event: sentence" for line in found) == 6
    assert found == events(one_machine)


def test_probes_and_documents(cluster: httpx.Client) -> None:
    assert cluster.get("/health/ready").json()["provider"] == "CPUExecutionProvider"
    assert cluster.get("/health/live").status_code == 200
    assert "seq2seq_requests_total" in cluster.get("/metrics").text
    refused = cluster.post("/translate_file", files={"file": ("a.txt", b"Bonjour")}, data=PAIR)
    assert refused.status_code == 403


class TestLeaving:
    """With a model that takes an hour for a sentence."""

    @pytest.fixture(autouse=True)
    def endless(self, nodes: Nodes, settings: Settings) -> None:
        open_model = partial(open_fixed_time_model, steps=3600, step_seconds=0.1)
        limits = settings.scheduling.model_copy(update={"deadline_seconds": 4000.0})
        decoding = settings.decoding.model_copy(update={"max_decoding_length": 36000})
        changed = settings.model_copy(update={"scheduling": limits, "decoding": decoding})
        nodes.run(changed, open_model, engine={**FIXED, "num_replicas": 1})

    def test_a_client_that_leaves_frees_the_replica(self, nodes: Nodes) -> None:
        host, _, port = nodes.url.removeprefix("http://").partition(":")
        body = json.dumps({"q": TEXTS[0], **PAIR}).encode()
        head = f"POST /translate HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
            until(lambda: waiting_tokens() > 0)
        until(lambda: waiting_tokens() == 0)

    def test_a_deadline_frees_the_replica(self, nodes: Nodes) -> None:
        body = {"q": TEXTS[0], "deadline_seconds": 1.0, **PAIR}
        assert httpx.post(f"{nodes.url}/translate", json=body, timeout=60).status_code == 504
        until(lambda: waiting_tokens() == 0)


def waiting_tokens() -> float:
    """Of the replica that is asked."""
    engine = serve.get_deployment_handle(ENGINE, NAME)
    found: dict[str, float] = engine.record_autoscaling_stats.remote().result()
    return found[TOKENS]
