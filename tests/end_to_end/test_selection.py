"""Minimum Bayes risk over HTTP against sacrebleu, with a real model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sacrebleu.metrics.chrf import CHRF

from service.opening import open_model_directory
from service.settings import DecodingSettings, ModelSettings, RuntimeSettings, Settings
from tests.conftest import golden
from tests.end_to_end.conftest import FR_EN, live_server

SENTENCES = golden("tiny")["sentences"]
BEAM = {"beam_size": 6, "length_penalty": 0}
"""Without length_penalty, the weights are the exponentials of the scores."""


@pytest.fixture
def client(tiny_directory: Path) -> Iterator[httpx.Client]:
    settings = Settings(
        model=ModelSettings(directory=tiny_directory, variant="fp32"),
        runtime=RuntimeSettings(threads=1),
        decoding=DecodingSettings(max_decoding_length=20),
    )
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def sentences(client: httpx.Client, **options: Any) -> list[list[dict[str, Any]]]:
    """The hypotheses of every sentence, best first."""
    body = FR_EN | {"q": SENTENCES, "return_scores": True, **BEAM, **options}
    reply = client.post("/translate", json=body).raise_for_status().json()
    return [one["translations"] for text in reply["sentences"] for one in text]


def utility(text: str, hypotheses: list[dict[str, Any]]) -> float:
    metric = CHRF()
    return sum(
        math.exp(one["score"] - hypotheses[0]["score"])
        * float(metric.sentence_score(text, [one["text"]]).score)
        for one in hypotheses
    )


def test_the_hypothesis_most_like_all_is_the_translation(client: httpx.Client) -> None:
    by_score = sentences(client, num_hypotheses=6)
    best = sentences(client, selection="mbr")
    for hypotheses, (chosen,) in zip(by_score, best, strict=True):
        assert chosen in hypotheses
        greatest = max(utility(one["text"], hypotheses) for one in hypotheses)
        assert utility(chosen["text"], hypotheses) == pytest.approx(greatest, rel=1e-12)
    assert any(
        chosen != hypotheses[0] for hypotheses, (chosen,) in zip(by_score, best, strict=True)
    )


def test_all_hypotheses_come_by_utility(client: httpx.Client) -> None:
    by_score = sentences(client, num_hypotheses=6)
    by_utility = sentences(client, num_hypotheses=6, selection="mbr")
    for some, others in zip(by_score, by_utility, strict=True):
        assert sorted(some, key=str) == sorted(others, key=str)
        utilities = [utility(one["text"], some) for one in others]
        assert utilities == pytest.approx(sorted(utilities, reverse=True), rel=1e-12)
