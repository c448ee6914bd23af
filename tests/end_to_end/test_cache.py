"""The same answers with a cache and without, from a real model over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from service.opening import open_model_directory
from service.settings import (
    CacheSettings,
    DecodingSettings,
    ModelSettings,
    RuntimeSettings,
    Settings,
)
from tests.conftest import golden
from tests.end_to_end.conftest import FR_EN, live_server

SENTENCES = golden("tiny")["sentences"]
OPTIONS: list[dict[str, float]] = [
    {"beam_size": 1},
    {"beam_size": 4, "num_hypotheses": 3},
    {"length_penalty": 0.3},
]


@contextmanager
def client_of(directory: Path, max_mb: int) -> Iterator[httpx.Client]:
    settings = Settings(
        model=ModelSettings(directory=directory, variant="fp32"),
        runtime=RuntimeSettings(threads=1),
        # Second tries would be counted as well.
        decoding=DecodingSettings(max_decoding_length=20, retry_repetitions=False),
        cache=CacheSettings(max_mb=max_mb),
    )
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def answers(client: httpx.Client) -> list[Any]:
    """Every sentence with every option, twice, many at a time."""
    bodies = [
        FR_EN | {"q": sentence, "return_scores": True, **options}
        for sentence in SENTENCES
        for options in OPTIONS
    ]
    with ThreadPoolExecutor(8) as pool:
        replies = pool.map(lambda body: client.post("/translate", json=body), bodies * 2)
        return [reply.raise_for_status().json() for reply in replies]


def metrics(client: httpx.Client) -> dict[str, float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {one.name: one.value for family in families for one in family.samples}


def test_a_cache_changes_no_answer(tiny_directory: Path) -> None:
    with client_of(tiny_directory, 0) as client:
        expected = answers(client)
        off = metrics(client)
    with client_of(tiny_directory, 8) as client:
        assert answers(client) == expected
        on = metrics(client)
    asked = on["seq2seq_sentences_total"]
    assert asked == off["seq2seq_sentences_total"] == len(expected)
    assert on["seq2seq_cache_misses_total"] == on["seq2seq_cache_entries"] == asked / 2
    assert on["seq2seq_cache_hits_total"] + on["seq2seq_cache_joined_total"] == asked / 2
    assert off["seq2seq_cache_misses_total"] == off["seq2seq_cache_bytes"] == 0


def test_what_is_known_needs_no_step_of_the_decoder(tiny_directory: Path) -> None:
    with client_of(tiny_directory, 8) as client:
        first = client.post("/translate", json=FR_EN | {"q": SENTENCES}).json()
        steps = metrics(client)["seq2seq_engine_steps_total"]
        assert client.post("/translate", json=FR_EN | {"q": SENTENCES}).json() == first
        assert metrics(client)["seq2seq_engine_steps_total"] == steps
