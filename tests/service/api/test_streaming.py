"""POST /translate as Server-Sent Events; see tests/end_to_end/test_streaming.py for connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.domain import FinishReason, Hypothesis
from service.errors import ModelFailure
from tests.service.api.reversing import ReversingEngine
from tests.service.api.test_libretranslate import FR_EN, refusal, translate

pytestmark = pytest.mark.anyio


def events(text: str) -> list[tuple[str, Any]]:
    """Event and data of each, read as browsers do it."""
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields["event"], json.loads(fields["data"])))
    return found


async def stream(client: httpx.AsyncClient, **parameters: Any) -> list[tuple[str, Any]]:
    reply = await client.post("/translate", json=FR_EN | {"stream": True} | parameters)
    assert reply.status_code == 200, reply.text
    assert reply.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-store"
    return events(reply.text)


async def test_sentences_and_then_the_reply(client: httpx.AsyncClient) -> None:
    found = await stream(client, q="a b\n\nc")
    assert found[:2] == [
        (
            "sentence",
            {
                "source": "a b",
                "source_range": [0, 3],
                "target_range": [0, 3],
                "translations": [{"text": "b a", "finish_reason": "eos"}],
            },
        ),
        (
            "sentence",
            {
                "source": "c",
                "source_range": [5, 6],
                "target_range": [5, 6],
                "translations": [{"text": "c", "finish_reason": "eos"}],
            },
        ),
    ]
    name, reply = found[2]
    assert name == "done"
    assert reply == await translate(client, q="a b\n\nc", return_scores=False)


async def test_everything_that_can_be_asked_for_is_in_events(client: httpx.AsyncClient) -> None:
    *told, (_, reply) = await stream(
        client,
        q="a b",
        source="auto",
        alternatives=1,
        return_alignments=True,
        return_details=True,
        return_scores=True,
        return_attention=True,
    )
    ((_, sentence),) = told
    assert sentence["alignments"] == reply["alignments"]
    assert sentence["translations"] == reply["sentences"][0]["translations"]
    assert set(sentence["translations"][0]) >= {"score", "tokens", "attention"}
    assert set(reply) >= {"detectedLanguage", "alternatives", "details"}


@pytest.mark.parametrize("text", ["😀\n", "1"])
async def test_text_without_sentences(client: httpx.AsyncClient, text: str) -> None:
    ((name, reply),) = await stream(client, q=text)
    assert (name, reply["translatedText"]) == ("done", text)


async def test_line_breaks_in_texts_do_not_end_events(client: httpx.AsyncClient) -> None:
    *_, (name, reply) = await stream(client, q="a\r\n\n\rb\u2028c\x85d\ne")
    assert name == "done"
    assert reply["translatedText"] == "a\r\n\n\rb\u2028c\x85d\ne"


async def test_a_form_can_ask_for_it(client: httpx.AsyncClient) -> None:
    reply = await client.post("/translate", data=FR_EN | {"q": "a b", "stream": "true"})
    assert [name for name, _ in events(reply.text)] == ["sentence", "done"]


async def test_one_text_at_a_time(client: httpx.AsyncClient) -> None:
    expected = "Invalid request: q parameter must be a string when stream is true"
    assert await refusal(client, q=["a"], stream=True) == expected
    expected = "Invalid request: stream parameter must be true or false"
    assert await refusal(client, q="a", stream="sometimes") == expected


async def test_what_fails_before_the_first_sentence_has_its_status(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    assert await refusal(client, q="a", stream=True, target="zz") == "zz is not supported"
    engine.failure = ModelFailure("The model could not translate this text.")
    reply = await client.post("/translate", json=FR_EN | {"q": "a", "stream": True})
    assert reply.status_code == 500
    assert reply.json() == {"error": "The model could not translate this text."}
    engine.hold()
    reply = await client.post(
        "/translate", json=FR_EN | {"q": "a", "stream": True, "deadline_seconds": 0.01}
    )
    assert reply.status_code == 504


async def test_what_fails_later_is_an_event_counted_and_logged(
    client: httpx.AsyncClient,
    engine: ReversingEngine,
    logged: Callable[[], list[dict[str, Any]]],
) -> None:
    engine.hold()
    body = FR_EN | {"q": "a\nb\nc", "stream": True}
    asking = asyncio.create_task(client.post("/translate", json=body))
    while len(engine.jobs) < 2:  # noqa: ASYNC110 (the service answers in this thread)
        await asyncio.sleep(0)
    engine.jobs[0].finish((Hypothesis((), 0.0, FinishReason.END),))
    engine.jobs[1].fail(ModelFailure("The model could not translate this text."))
    assert [name for name, _ in events((await asking).text)] == ["sentence", "error"]
    (line,) = logged()
    assert (line["status"], line["error"]) == (200, "ModelFailure")
    assert 'seq2seq_errors_total{kind="ModelFailure"} 1.0' in (await client.get("/metrics")).text
