"""What POST /translate tells besides translations, and how long it may take."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.service.api.reversing import DESCRIPTION, ReversingEngine
from tests.service.api.test_libretranslate import FR_EN, refusal, translate

pytestmark = pytest.mark.anyio


async def test_alignments(client: httpx.AsyncClient) -> None:
    assert await translate(client, q=" a bc", return_alignments=True) == {
        "translatedText": " bc a",
        "finish_reason": "eos",
        "sentences": [
            {
                "source": "a bc",
                "source_range": [1, 5],
                "target_range": [1, 5],
                "translations": [{"text": "bc a", "finish_reason": "eos"}],
            }
        ],
        "alignments": [
            {"source": [3, 5], "target": [1, 3]},
            {"source": [1, 2], "target": [4, 5]},
        ],
    }


async def test_a_list_has_a_list_of_alignments(client: httpx.AsyncClient) -> None:
    found = await translate(client, q=["a", "1"], return_alignments=True)
    assert found["alignments"] == [[{"source": [0, 1], "target": [0, 1]}]] * 2


async def test_ranges_count_code_points(client: httpx.AsyncClient) -> None:
    found = await translate(client, q="😀 a", return_alignments=True)
    assert [pair["source"] for pair in found["alignments"]] == [[0, 1], [2, 3]]


async def test_details_name_the_model_and_the_request(client: httpx.AsyncClient) -> None:
    reply = await client.post(
        "/translate",
        json=FR_EN | {"q": ["a"], "return_details": True},
        headers={"X-Request-ID": "order-1234"},
    )
    assert reply.json()["details"] == {
        "request_id": "order-1234",
        "model": DESCRIPTION.name,
        "version": DESCRIPTION.version,
        "variant": DESCRIPTION.variant,
        "precision": DESCRIPTION.precision,
        "device": DESCRIPTION.device,
        "provider": DESCRIPTION.provider,
        "models": [{"model": "reversing", "version": "1", "variant": "fp32"}],
    }
    assert reply.headers["X-Request-ID"] == "order-1234"


@pytest.mark.parametrize(
    ("seconds", "wrong"),
    [
        (0, "must be >= 0.001"),
        (-1, "must be >= 0.001"),
        (31, "must be <= 30.0"),
        ("soon", "is not a number"),
        (True, "is not a number"),
    ],
)
async def test_a_deadline_within_bounds(
    client: httpx.AsyncClient, seconds: Any, wrong: str
) -> None:
    expected = f"Invalid request: deadline_seconds parameter {wrong}"
    assert await refusal(client, q="a", deadline_seconds=seconds) == expected


async def test_a_deadline_is_that_of_every_sentence(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    before = time.monotonic()
    await translate(client, q="a\nb", deadline_seconds=7)
    after = time.monotonic()
    assert len(engine.jobs) == 2
    assert all(before + 7 <= job.deadline <= after + 7 for job in engine.jobs)


async def test_work_is_dropped_at_its_deadline(
    app: FastAPI, client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    engine.hold()
    reply = await client.post(
        "/translate", data=FR_EN | {"q": "a\nb"}, params={"deadline_seconds": "0.05"}
    )
    assert reply.status_code == 504
    assert reply.json() == {"error": "The translation did not end before its deadline."}
    assert all(job.abandoned for job in engine.jobs)
    assert "seq2seq_waiting_items 0.0" in (await client.get("/metrics")).text
    engine.release()


async def test_a_deadline_that_has_passed_is_seen_before_any_work(
    app: FastAPI, client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    async def slowly() -> Any:
        yield b'{"q":"a","source":"fr","target":"en",'
        arrived = time.monotonic()
        while time.monotonic() < arrived + 0.002:
            yield b" "
        yield b'"deadline_seconds":0.001}'

    reply = await client.post(
        "/translate", content=slowly(), headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 504
    assert engine.jobs == []


async def test_by_default_nothing_is_told(client: httpx.AsyncClient) -> None:
    assert await translate(client, q="a b", api_key="k") == {"translatedText": "b a"}
