from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from service.errors import ModelFailure
from tests.service.api.reversing import ReversingEngine

pytestmark = pytest.mark.anyio

BODY = {"q": ["a b c", "d\ne"], "source": "fr", "target": "en"}


async def samples(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    reply = await client.get("/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


async def test_a_service_is_alive_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).json() == {"status": "ok"}
    assert (await client.get("/health/live")).json() == {"status": "alive"}
    assert (await client.get("/health/ready")).json() == {
        "status": "ready",
        "model": "reversing",
        "variant": "fp32",
        "precision": "fp32",
        "device": "cpu",
        "provider": "CPUExecutionProvider",
        "models": ["reversing"],
    }


async def test_without_its_engine_a_service_is_neither(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    engine.alive = False
    for path in ("/health", "/health/live", "/health/ready"):
        reply = await client.get(path)
        assert reply.status_code == 503
        assert reply.json() == {"error": "The engine has stopped."}


async def test_a_draining_service_is_alive_and_refuses(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    app.state.service.drain()
    assert (await client.get("/health/live")).status_code == 200
    for path in ("/health", "/health/ready"):
        reply = await client.get(path)
        assert reply.status_code == 503
        assert reply.json() == {"error": "The service is shutting down."}
    refused = await client.post("/translate", json=BODY)
    assert refused.status_code == 503
    assert refused.json() == {"error": "The service is shutting down."}
    assert int(refused.headers["Retry-After"]) >= 1


async def test_metrics(client: httpx.AsyncClient, engine: ReversingEngine) -> None:
    await client.post("/translate", json=BODY)
    await client.post("/translate", json=BODY | {"q": 5})
    await client.get("/user-text")
    found = await samples(client)
    assert found["seq2seq_requests_total", "/translate", "200"] == 1
    assert found["seq2seq_requests_total", "/translate", "400"] == 1
    assert found["seq2seq_requests_total", "none", "404"] == 1
    assert found["seq2seq_request_seconds_count", "/translate"] == 2
    assert found["seq2seq_sentences_total",] == 3
    assert found["seq2seq_source_tokens_total",] == 5
    assert found["seq2seq_target_tokens_total",] == 5
    assert found["seq2seq_finished_total", "eos"] == 3
    assert found["seq2seq_finished_total", "length"] == 0
    assert found["seq2seq_engine_steps_total",] == engine.steps
    assert found["seq2seq_engine_rows_total",] == engine.rows
    assert found["seq2seq_errors_total", "InvalidRequest"] == 1
    assert found["seq2seq_requests_in_progress",] == 1  # this one
    assert found["seq2seq_waiting_items",] == 0
    assert found["seq2seq_waiting_characters",] == 0


async def test_what_comes_from_the_cache_counts_as_translated(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    for _ in range(2):
        await client.post("/translate", json=BODY | {"q": "a b\na b\nc"})
    found = await samples(client)
    assert found["seq2seq_sentences_total",] == 6
    assert found["seq2seq_cache_misses_total",] == len(engine.jobs) == 2
    assert found["seq2seq_cache_hits_total",] + found["seq2seq_cache_joined_total",] == 4
    assert found["seq2seq_cache_entries",] == 2
    assert 0 < found["seq2seq_cache_bytes",] < 10_000


async def test_what_is_served_is_a_metric(client: httpx.AsyncClient) -> None:
    (info,) = (labels for name, *labels in await samples(client) if name == "seq2seq_model_info")
    assert sorted(info) == ["1", "CPUExecutionProvider", "cpu", "fp32", "fp32", "reversing"]


async def test_two_apps_do_not_share_metrics(client: httpx.AsyncClient) -> None:
    assert ("seq2seq_requests_total", "/translate", "200") not in await samples(client)


async def test_times_of_sentences(client: httpx.AsyncClient, engine: ReversingEngine) -> None:
    await client.post("/translate", json=BODY)
    engine.failure = ModelFailure("broken")
    await client.post("/translate", json=BODY | {"q": "z"})
    found = await samples(client)
    for name in ("queue", "decode"):
        assert found[f"seq2seq_{name}_seconds_count",] == 4
        assert 0 <= found[f"seq2seq_{name}_seconds_sum",] < 60
    assert found["seq2seq_errors_total", "ModelFailure"] == 1
