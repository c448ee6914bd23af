from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from service.decoding.search import Search, Target, decode
from service.domain import DecodingOptions, FinishReason, Hypothesis
from service.runtime.seq2seq import OnnxSeq2Seq
from tests.conftest import golden
from tests.table_model import TableModel, log_softmax

TARGET = Target(start=4, end=0, vocabulary=4, max_length=100)
GOLDEN = golden("tiny")
GOLDEN_MAX_LENGTH = 40
SOURCES = [tuple(ids) for ids in GOLDEN["source_ids"]]


def every_hypothesis(
    model: TableModel, source: tuple[int, ...], options: DecodingOptions
) -> list[tuple[tuple[int, ...], float]]:
    """All sequences that options allow with their scores, best first."""
    found = []
    longest = options.max_decoding_length
    for length in range(longest + 1):
        for tokens in itertools.product(range(1, 4), repeat=length):
            ends = length < longest
            whole = (*tokens, TARGET.end) if ends else tokens
            if ends and length < options.min_decoding_length:
                continue
            total = 0.0
            for step, token in enumerate(whole):
                logits = model.logits(source, whole[:step])
                if step < options.min_decoding_length:
                    logits[TARGET.end] = -np.inf
                total += float(log_softmax(logits)[token])
            found.append((tokens, total / len(whole) ** options.length_penalty))
    return sorted(found, key=lambda item: -item[1])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("length_penalty", [0.5, 1.0])
def test_a_wide_beam_finds_the_best_of_all_sequences(seed: int, length_penalty: float) -> None:
    model = TableModel(TARGET)
    options = DecodingOptions(
        beam_size=400,
        num_hypotheses=5,
        length_penalty=length_penalty,
        min_decoding_length=1,
        max_decoding_length=5,
    )
    (found,) = decode(model, [(seed, 7)], [options], TARGET)
    expected = every_hypothesis(model, (seed, 7), options)[:5]
    assert [hypothesis.target_ids for hypothesis in found] == [tokens for tokens, _ in expected]
    assert [hypothesis.score for hypothesis in found] == pytest.approx(
        [score for _, score in expected], abs=1e-5
    )


@pytest.mark.parametrize("seed", range(20))
def test_beam_size_1_takes_the_best_token_at_each_step(seed: int) -> None:
    model = TableModel(TARGET)
    options = DecodingOptions(beam_size=1, max_decoding_length=12)
    ((found,),) = decode(model, [(seed,)], [options], TARGET)
    tokens: tuple[int, ...] = ()
    while len(tokens) < 12:
        logits = model.logits((seed,), tokens)
        logits[TARGET.end] -= np.inf if not tokens else 0
        best = int(logits.argmax())
        if best == TARGET.end:
            break
        tokens += (best,)
    assert found.target_ids == tokens
    reason = FinishReason.END if len(tokens) < 12 else FinishReason.LENGTH
    assert found.finish_reason == reason


@pytest.mark.parametrize(
    "expected", GOLDEN["ctranslate2"], ids=lambda expected: str(expected["options"])
)
def test_hypotheses_and_scores_are_ctranslate2s(
    tiny_fp32: OnnxSeq2Seq, expected: dict[str, Any]
) -> None:
    options = DecodingOptions(**{"max_decoding_length": GOLDEN_MAX_LENGTH, **expected["options"]})
    found = decode(tiny_fp32, SOURCES, [options] * len(SOURCES), tiny_fp32.target)
    for hypotheses, results in zip(found, expected["results"], strict=True):
        assert [list(one.target_ids) for one in hypotheses] == [one["tokens"] for one in results]
        scores = [one["score"] for one in results]
        assert [one.score for one in hypotheses] == pytest.approx(scores, abs=1e-4)


def test_greedy_tokens_are_transformers(tiny_fp32: OnnxSeq2Seq) -> None:
    options = DecodingOptions(beam_size=1, max_decoding_length=GOLDEN_MAX_LENGTH)
    found = decode(tiny_fp32, SOURCES, [options] * len(SOURCES), tiny_fp32.target)
    for (best,), expected in zip(found, GOLDEN["transformers"], strict=True):
        tokens = [token for token in expected["tokens"] if token != tiny_fp32.target.end]
        assert list(best.target_ids) == tokens


MIXED = [
    DecodingOptions(beam_size=1),
    DecodingOptions(beam_size=4, num_hypotheses=2),
    DecodingOptions(beam_size=2, length_penalty=0.0, max_decoding_length=30),
    DecodingOptions(beam_size=5, num_hypotheses=5, min_decoding_length=8),
    DecodingOptions(beam_size=3, max_decoding_length=5),
]


def alone(served: OnnxSeq2Seq, options: list[DecodingOptions]) -> list[tuple[Hypothesis, ...]]:
    return [
        decode(served, [source], [option], served.target)[0]
        for source, option in zip(SOURCES, options, strict=True)
    ]


def test_company_and_order_change_nothing_not_even_the_last_digit(tiny: OnnxSeq2Seq) -> None:
    options = list(itertools.islice(itertools.cycle(MIXED), len(SOURCES)))
    expected = alone(tiny, options)
    assert decode(tiny, SOURCES, options, tiny.target) == expected
    order = np.random.default_rng(3).permutation(len(SOURCES)).tolist()
    shuffled = decode(tiny, [SOURCES[i] for i in order], [options[i] for i in order], tiny.target)
    assert shuffled == [expected[i] for i in order]


@pytest.mark.parametrize("seed", range(8))
def test_sentences_that_come_and_go_at_any_time_are_translated_as_alone(
    tiny: OnnxSeq2Seq, seed: int
) -> None:
    random = np.random.default_rng(seed)
    options = list(itertools.islice(itertools.cycle(MIXED), len(SOURCES)))
    expected = alone(tiny, options)
    search = Search(tiny.begin(), tiny.target)
    waiting = random.permutation(np.repeat(np.arange(len(SOURCES)), 3)).tolist()
    running: dict[int, int] = {}
    while waiting or running:
        joining = [waiting.pop() for _ in range(min(len(waiting), int(random.integers(0, 5))))]
        if joining:
            numbers = search.add([SOURCES[i] for i in joining], [options[i] for i in joining])
            running |= dict(zip(numbers, joining, strict=True))
        if len(running) > 1 and random.random() < 0.2:
            leaving = int(random.choice(list(running)))
            search.drop(leaving)
            waiting.insert(0, running.pop(leaving))
        if running:
            for number, hypotheses in search.step().items():
                assert hypotheses == expected[running.pop(number)]


def test_dropped_sentences_leave_the_others_as_they_are(tiny_fp32: OnnxSeq2Seq) -> None:
    options = [DecodingOptions(beam_size=3, max_decoding_length=20)] * len(SOURCES)
    expected = alone(tiny_fp32, options)
    search = Search(tiny_fp32.begin(), tiny_fp32.target)
    numbers = search.add(SOURCES, options)
    found = dict(search.step())
    for number in numbers[::2]:
        search.drop(number)
    while search.sentences:
        found |= search.step()
    kept = {numbers[index]: expected[index] for index in range(1, len(SOURCES), 2)}
    assert kept.items() <= found.items()
    assert len(found) < len(SOURCES)


def test_the_models_longest_target_bounds_max_decoding_length(tiny_fp32: OnnxSeq2Seq) -> None:
    options = DecodingOptions(beam_size=2, min_decoding_length=200, max_decoding_length=200)
    ((best,),) = decode(tiny_fp32, SOURCES[:1], [options], tiny_fp32.target)
    assert len(best.target_ids) == tiny_fp32.target.max_length == 64
    assert best.finish_reason == FinishReason.LENGTH


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size must be at least 1"),
        ({"num_hypotheses": 0}, "num_hypotheses must be at least 1"),
        ({"num_hypotheses": 3, "beam_size": 2}, "num_hypotheses must not be greater"),
        ({"max_decoding_length": 0}, "max_decoding_length must be at least 1"),
        ({"min_decoding_length": -1}, "min_decoding_length must be at least 0"),
        ({"min_decoding_length": 9, "max_decoding_length": 8}, "must not be greater"),
    ],
)
def test_options_out_of_bounds_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DecodingOptions(**options)
