"""Server-Sent Events over connections, with the engine in a thread and in a process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.domain import FinishReason, Hypothesis
from service.errors import ModelFailure
from service.opening import open_model_directory
from service.settings import ModelSettings, RuntimeSettings, Settings
from tests.end_to_end.conftest import FR_EN, live_server, until
from tests.service.api.reversing import ReversingEngine

STREAM = FR_EN | {"stream": True}


def events(reply: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in reply.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def answer(engine: ReversingEngine, number: int) -> None:
    until(lambda: len(engine.jobs) > number)
    job = engine.jobs[number]
    job.finish((Hypothesis(job.source_ids[::-1], 0.0, FinishReason.END),))


def waiting(client: httpx.Client) -> bool:
    return "seq2seq_waiting_items 1.0" in client.get("/metrics").text


def first_event(client: httpx.Client, engine: ReversingEngine, **more: Any) -> httpx.Response:
    """A stream of three sentences, of which one is done."""
    engine.hold()
    threading.Thread(target=answer, args=(engine, 0)).start()
    request = client.build_request("POST", "/translate", json=STREAM | {"q": "a\nb\nc"} | more)
    return client.send(request, stream=True)


def test_a_sentence_arrives_while_others_are_under_way(
    client: httpx.Client, engine: ReversingEngine
) -> None:
    found = events(first_event(client, engine))
    assert next(found)[1]["source"] == "a"
    assert waiting(client)
    answer(engine, 1)
    assert next(found)[1]["source_range"] == [2, 3]
    answer(engine, 2)
    assert [name for name, _ in found] == ["sentence", "done"]
    assert not waiting(client)


def test_a_failure_is_an_event(client: httpx.Client, engine: ReversingEngine) -> None:
    reply = first_event(client, engine)
    until(lambda: len(engine.jobs) == 3)
    engine.jobs[1].fail(ModelFailure("The model could not translate this text."))
    assert list(events(reply))[1:] == [
        ("error", {"error": "The model could not translate this text.", "status": 500})
    ]


def test_a_deadline_is_an_event(client: httpx.Client, engine: ReversingEngine) -> None:
    reply = first_event(client, engine, deadline_seconds=0.5)
    until(lambda: len(engine.jobs) == 3)
    *_, (name, error) = events(reply)
    assert (name, error["status"]) == ("error", 504)
    assert [job.abandoned for job in engine.jobs] == [False, True, True]


def test_work_ends_when_the_client_leaves(url: str, engine: ReversingEngine) -> None:
    with httpx.Client(base_url=url) as client:
        first_event(client, engine)
        until(lambda: len(engine.jobs) == 3)
        assert waiting(client)
    until(lambda: [job.abandoned for job in engine.jobs] == [False, True, True])
    with httpx.Client(base_url=url) as client:
        until(lambda: not waiting(client))


@pytest.mark.parametrize("place", ["thread", "process"])
def test_a_real_engine_streams(tiny_directory: Path, place: Any) -> None:
    settings = Settings(
        model=ModelSettings(directory=tiny_directory),
        runtime=RuntimeSettings(engine=place, threads=1),
    )
    text = "Bonjour.\n\nOù est la gare ? Le chat {nom} dort.\n" * 8
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        options = {"q": text, "return_alignments": True, "max_decoding_length": 12, "beam_size": 2}
        with client.stream("POST", "/translate", json=STREAM | options) as reply:
            *told, (name, whole) = events(reply)
        assert name == "done"
        assert whole == client.post("/translate", json=FR_EN | options).json()
        assert [one["source_range"] for _, one in told] == [
            one["source_range"] for one in whole["sentences"]
        ]
        with client.stream("POST", "/translate", json=STREAM | options | {"beam_size": 8}):
            pass  # and leaves
        until(lambda: not waiting(client))
