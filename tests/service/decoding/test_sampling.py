from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from service.decoding.model import Target
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.runtime.seq2seq import OnnxSeq2Seq
from tests.conftest import golden
from tests.table_model import TableModel, log_softmax

TARGET = Target(start=6, end=0, vocabulary=6, max_length=100)
MODEL = TableModel(TARGET)
DRAWS = 4000
CHI_SQUARE = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52}
"""Degrees of freedom → what is exceeded once in 1,000 times."""
SOURCES = [tuple(ids) for ids in golden("tiny")["source_ids"][:6]]


def distribution(topk: int, topp: float, temperature: float) -> dict[int, float]:
    """The first token's, by the definition of each option, in this order: k, temperature, p."""
    logits = MODEL.logits((7,), ())
    logits[TARGET.end] = -np.inf
    order = np.argsort(-logits)[: topk or None]
    order = order[np.isfinite(logits[order])]
    probabilities = np.exp(log_softmax(logits[order] / np.float32(temperature)))
    kept = [i for i in range(len(order)) if probabilities[:i].sum() < topp]
    total = probabilities[kept].sum()
    return {int(order[i]): float(probabilities[i] / total) for i in kept}


@pytest.mark.parametrize(
    ("topk", "topp", "temperature"),
    [(0, 1, 1), (3, 1, 1), (0, 0.7, 1), (0, 1, 0.4), (0, 1, 3), (4, 0.8, 2), (40, 1, 1)],
)
def test_draws_follow_the_distribution(topk: int, topp: float, temperature: float) -> None:
    options = [
        DecodingOptions(
            beam_size=1,
            sampling_topk=topk,
            sampling_topp=topp,
            sampling_temperature=temperature,
            sampling_seed=seed,
            max_decoding_length=1,
        )
        for seed in range(DRAWS)
    ]
    found = decode(MODEL, [(7,)] * DRAWS, options, TARGET)
    counts = Counter(best.target_ids[0] for best, *_ in found)
    expected = distribution(topk, topp, temperature)
    assert counts.keys() <= expected.keys()
    if len(expected) > 1:
        distance = sum(
            (counts[token] - DRAWS * share) ** 2 / (DRAWS * share)
            for token, share in expected.items()
        )
        assert distance < CHI_SQUARE[len(expected) - 1]


def test_hypotheses_of_one_sentence_are_independent_draws() -> None:
    options = DecodingOptions(
        beam_size=1, num_hypotheses=DRAWS, sampling_topk=0, max_decoding_length=1
    )
    ((*found,),) = decode(MODEL, [(7,)], [options], TARGET)
    counts = Counter(one.target_ids[0] for one in found)
    expected = distribution(0, 1, 1)
    distance = sum(
        (counts[token] - DRAWS * share) ** 2 / (DRAWS * share) for token, share in expected.items()
    )
    assert distance < CHI_SQUARE[len(expected) - 1]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_scores_are_those_of_the_model_whatever_the_temperature() -> None:
    options = DecodingOptions(
        beam_size=1, sampling_topk=0, sampling_temperature=5, max_decoding_length=4
    )
    ((found,),) = decode(MODEL, [(7,)], [options], TARGET)
    tokens = (*found.target_ids, TARGET.end)[:4]
    total = 0.0
    for step, token in enumerate(tokens):
        logits = MODEL.logits((7,), tokens[:step])
        logits[TARGET.end] -= np.inf if step == 0 else 0
        total += float(log_softmax(logits)[token])
    assert found.score == pytest.approx(total / len(tokens), abs=1e-5)


SAMPLED: list[dict[str, Any]] = [
    {"beam_size": 1, "sampling_topk": 0},
    {"beam_size": 1, "sampling_topk": 12, "num_hypotheses": 3},
    {"beam_size": 3, "sampling_topk": 0, "num_hypotheses": 3},
    {"beam_size": 2, "sampling_topk": 20, "sampling_topp": 0.9},
    {"beam_size": 1, "sampling_topk": 0, "num_hypotheses": 2, "return_alternatives": True},
]


@pytest.mark.parametrize("given", SAMPLED, ids=str)
def test_a_seed_gives_the_same_draws_in_any_company(
    tiny: OnnxSeq2Seq, given: dict[str, Any]
) -> None:
    def options(seed: int) -> DecodingOptions:
        return DecodingOptions(sampling_seed=seed, max_decoding_length=12, **given)

    def found(sources: list[tuple[int, ...]], seeds: list[int]) -> list[Any]:
        return decode(tiny, sources, [options(seed) for seed in seeds], tiny.target)

    alone = [found([source], [3])[0] for source in SOURCES]
    company = SOURCES[::-1]
    mixed = found(SOURCES + company, [3] * len(SOURCES) + list(range(10, 10 + len(company))))
    assert mixed[: len(SOURCES)] == alone
    other = found(SOURCES, [4] * len(SOURCES))
    assert other != alone


def test_a_beam_draws_without_replacement() -> None:
    for seed in range(50):
        options = DecodingOptions(
            beam_size=2,
            num_hypotheses=2,
            sampling_topk=0,
            sampling_seed=seed,
            max_decoding_length=1,
        )
        ((first, second),) = decode(MODEL, [(7,)], [options], TARGET)
        assert first.target_ids != second.target_ids


@pytest.mark.parametrize(
    "given", [{"sampling_topk": 0, "sampling_temperature": 0}, {"sampling_topk": 1}], ids=str
)
def test_temperature_0_and_topk_1_are_the_best_translation(given: dict[str, Any]) -> None:
    plain, other = (
        decode(MODEL, [(7,)], [DecodingOptions(beam_size=3, **one)], TARGET) for one in ({}, given)
    )
    assert other == plain
