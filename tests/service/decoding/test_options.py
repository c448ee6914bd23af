"""Each decoding option against CTranslate2, or against its definition on a table model."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.decoding.model import Target
from service.decoding.search import decode
from service.domain import DecodingOptions, FinishReason, Hypothesis
from service.runtime.seq2seq import OnnxSeq2Seq
from tests.conftest import golden
from tests.table_model import TableModel, log_softmax

GOLDEN = golden("tiny-options")
SOURCES = [tuple(ids) for ids in golden("tiny")["source_ids"][: len(GOLDEN["scored"])]]
IDS = {"end_token", "suppress_sequences"}
TARGET = Target(start=12, end=0, vocabulary=12, max_length=100, unknown=1)
MODEL = TableModel(TARGET)


def options_of(case: dict[str, Any]) -> list[DecodingOptions]:
    given = dict(case["options"])
    if "end_token" in given:
        given["end_token"] = tuple(given["end_token"])
    if "suppress_sequences" in given:
        given["suppress_sequences"] = tuple(map(tuple, given["suppress_sequences"]))
    return [
        DecodingOptions(max_decoding_length=GOLDEN["longest"], target_prefix=tuple(prefix), **given)
        for prefix in case["prefixes"]
    ]


def one(source: tuple[int, ...], **options: Any) -> tuple[Hypothesis, ...]:
    (found,) = decode(MODEL, [source], [DecodingOptions(**options)], TARGET)
    return found


@pytest.mark.parametrize(
    "case",
    GOLDEN["cases"],
    ids=lambda case: str(case["options"] | ({"prefixed": True} if case["prefixes"][0] else {})),
)
def test_hypotheses_scores_and_attention_are_ctranslate2s(
    tiny_fp32: OnnxSeq2Seq, case: dict[str, Any]
) -> None:
    found = decode(tiny_fp32, SOURCES, options_of(case), tiny_fp32.target)
    for hypotheses, results in zip(found, case["results"], strict=True):
        assert [list(one.target_ids) for one in hypotheses] == [one["tokens"] for one in results]
        scores = [one["score"] for one in results]
        assert [one.score for one in hypotheses] == pytest.approx(scores, abs=1e-4)
        for ours, theirs in zip(hypotheses, results, strict=True):
            expected = theirs.get("attention", [])
            assert len(ours.attention) == len(expected)
            np.testing.assert_allclose(ours.attention, expected, atol=1e-4)


def test_scores_of_a_given_target_are_ctranslate2s(tiny_fp32: OnnxSeq2Seq) -> None:
    targets = [tuple(scored["tokens"]) for scored in GOLDEN["scored"]]
    options = [DecodingOptions(scored_target=target) for target in targets]
    found = decode(tiny_fp32, SOURCES, options, tiny_fp32.target)
    for (hypothesis,), target, scored in zip(found, targets, GOLDEN["scored"], strict=True):
        assert hypothesis.target_ids == target
        assert hypothesis.log_probs == pytest.approx(scored["log_probs"], abs=1e-4)
        assert hypothesis.score == pytest.approx(sum(scored["log_probs"]), abs=1e-3)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("beam_size", [1, 4])
def test_nothing_forbidden_is_generated(seed: int, beam_size: int) -> None:
    banned = ((3,), (5, 6), (7, 8, 9))
    found = one(
        (seed,),
        beam_size=beam_size,
        num_hypotheses=beam_size,
        suppress_sequences=banned,
        disable_unk=True,
        no_repeat_ngram_size=2,
        min_decoding_length=18,
        max_decoding_length=20,
    )
    for hypothesis in found:
        tokens = hypothesis.target_ids
        assert TARGET.unknown not in tokens
        for sequence in banned:
            windows = zip(*(tokens[start:] for start in range(len(sequence))), strict=False)
            assert sequence not in windows
        pairs = list(itertools.pairwise(tokens))
        assert len(pairs) == len(set(pairs)) >= 17


@pytest.mark.parametrize("seed", range(10))
def test_greedy_search_with_a_repetition_penalty_is_its_definition(seed: int) -> None:
    (found,) = one((seed,), beam_size=1, repetition_penalty=1.7, max_decoding_length=12)
    tokens: list[int] = []
    total = 0.0
    while len(tokens) < 12 and TARGET.end not in tokens:
        logits = MODEL.logits((seed,), tuple(tokens))
        for token in set(tokens):
            logits[token] *= 1.7 if logits[token] < 0 else 1 / 1.7
        logits[TARGET.end] -= np.inf if not tokens else 0
        log_probs = log_softmax(logits)
        tokens.append(int(log_probs.argmax()))
        total += float(log_probs.max())
    assert found.target_ids == tuple(token for token in tokens if token != TARGET.end)
    assert found.score == pytest.approx(total / len(tokens), abs=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_a_bias_of_the_prefix_holds_as_long_as_a_hypothesis_agrees_with_it(seed: int) -> None:
    prefix, beta = (4, 2, 9), 0.2
    (found,) = one(
        (seed,), beam_size=1, target_prefix=prefix, prefix_bias_beta=beta, max_decoding_length=6
    )
    tokens: tuple[int, ...] = ()
    while len(tokens) < 6 and TARGET.end not in tokens:
        logits = MODEL.logits((seed,), tokens)
        logits[TARGET.end] -= np.inf if not tokens else 0
        probabilities = np.exp(log_softmax(logits))
        if len(tokens) < len(prefix) and tokens == prefix[: len(tokens)]:
            probabilities = (1 - beta) * probabilities
            probabilities[prefix[len(tokens)]] += beta
        tokens += (int(probabilities.argmax()),)
    assert found.target_ids == tuple(token for token in tokens if token != TARGET.end)


@pytest.mark.parametrize("seed", range(10))
def test_alternatives_continue_the_best_tokens_behind_the_prefix(seed: int) -> None:
    """CTranslate2 4.8.5 forgets the prefix here with models that start from a zero embedding."""
    prefix = (4, 2)
    found = one(
        (seed,),
        beam_size=1,
        num_hypotheses=4,
        return_alternatives=True,
        target_prefix=prefix,
        max_decoding_length=9,
    )
    logits = MODEL.logits((seed,), prefix)
    logits[TARGET.end] = -np.inf
    first = log_softmax(logits)
    best = np.argsort(-first)[:4].tolist()
    assert [one.target_ids[: len(prefix) + 1] for one in found] == [(*prefix, t) for t in best]
    for hypothesis, token in zip(found, best, strict=True):
        (forced,) = one((seed,), beam_size=1, target_prefix=(*prefix, token), max_decoding_length=9)
        assert hypothesis.target_ids == forced.target_ids
        length = len(forced.target_ids) + (forced.finish_reason is FinishReason.END)
        rest = forced.score * length / (length - len(prefix) - 1)
        assert hypothesis.score == pytest.approx(float(first[token]) + rest, abs=1e-4)


def test_an_improbable_alternative_is_left_out_but_never_the_best_one() -> None:
    options: dict[str, Any] = {
        "beam_size": 1,
        "num_hypotheses": 5,
        "return_alternatives": True,
    }
    every = one((3,), **options)
    logits = MODEL.logits((3,), ())
    logits[TARGET.end] = -np.inf
    probabilities = np.sort(np.exp(log_softmax(logits)))[::-1]
    for count in range(1, 5):
        least = float(probabilities[count] + probabilities[count - 1]) / 2
        assert one((3,), **options, min_alternative_expansion_prob=least) == every[:count]
    assert one((3,), **options, min_alternative_expansion_prob=1) == every[:1]


@pytest.mark.parametrize("num_hypotheses", [11, 12, 40])
def test_alternatives_are_as_many_as_there_are_tokens(num_hypotheses: int) -> None:
    """The end token and suppressed ones are none of them."""
    found = one(
        (3,),
        beam_size=1,
        num_hypotheses=num_hypotheses,
        return_alternatives=True,
        suppress_sequences=((5,), (7,)),
        max_decoding_length=4,
    )
    assert {one.target_ids[0] for one in found} == set(range(TARGET.vocabulary)) - {0, 5, 7}
    assert all(math.isfinite(one.score) for one in found)


@pytest.mark.parametrize("prefix", [(), (4, 2)])
def test_alternatives_of_more_tokens_than_the_model_can_do_have_as_many_as_it_can(
    prefix: tuple[int, ...],
) -> None:
    short = replace(TARGET, max_length=10)
    asked = DecodingOptions(
        beam_size=2,
        num_hypotheses=3,
        return_alternatives=True,
        target_prefix=prefix,
        min_decoding_length=30,
    )
    (found,) = decode(TableModel(short), [(3,)], [asked], short)
    assert [len(one.target_ids) for one in found] == [10, 10, 10]


@pytest.mark.parametrize("longest", [1, 2, 3, 4])
def test_a_prefix_as_long_as_the_longest_hypothesis_is_all_of_it(longest: int) -> None:
    for alternatives in (False, True):
        (found,) = one(
            (3,),
            beam_size=2,
            target_prefix=(4, 0, 9, 3, 5),  # an end token in a prefix ends nothing
            return_alternatives=alternatives,
            max_decoding_length=longest,
        )
        assert found.target_ids == (4, 0, 9, 3, 5)[:longest]
        assert found.finish_reason is FinishReason.LENGTH


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_hypothesis_ends_with_any_of_the_end_tokens_and_with_no_other(beam_size: int) -> None:
    for seed in range(10):
        for hypothesis in one(
            (seed,), beam_size=beam_size, num_hypotheses=beam_size, end_token=(3, 7, 8, 5)
        ):
            assert not {3, 7, 8, 5} & {*hypothesis.target_ids}
            assert hypothesis.finish_reason is FinishReason.END


@pytest.mark.parametrize(("ratio", "longest"), [(0.5, 2), (1.0, 3), (1.5, 5), (100.0, 50)])
def test_the_longest_hypothesis_follows_the_source(ratio: float, longest: int) -> None:
    options = DecodingOptions(max_decoding_length=50, max_decoding_length_ratio=ratio)
    assert options.for_source(3).max_decoding_length == longest
    assert options.for_source(3).for_source(9).max_decoding_length == longest
    least = DecodingOptions(max_decoding_length_ratio=0.1, min_decoding_length=4).for_source(3)
    assert least.max_decoding_length == 4


def test_coverage_is_part_of_the_score() -> None:
    source = (5, 6, 7)
    (found,) = one(source, beam_size=1, coverage_penalty=0.3, return_attention=True)
    (plain,) = one(source, beam_size=1)
    tokens = (*found.target_ids, TARGET.end)[:256]
    attention = [MODEL.attention(source, tokens[:step]) for step in range(len(tokens))]
    np.testing.assert_allclose(found.attention, attention[: len(found.target_ids)], atol=1e-6)
    penalty = sum(math.log(min(1, got)) for got in np.sum(attention, axis=0))
    assert found.score == pytest.approx(plain.score + 0.3 * penalty, abs=1e-5)


CHOICES: dict[str, st.SearchStrategy[Any]] = {
    "patience": st.sampled_from([1.0, 2.0]),
    "length_penalty": st.sampled_from([0.0, 1.0]),
    "repetition_penalty": st.sampled_from([1.0, 1.5]),
    "no_repeat_ngram_size": st.sampled_from([0, 1, 3]),
    "suppress_sequences": st.sampled_from([(), ((57,), (124, 124)), ((52, 52),)]),
    "disable_unk": st.booleans(),
    "end_token": st.sampled_from([(), (124,), (52, 57)]),
    "target_prefix": st.sampled_from([(), (57,), (124, 52, 119)]),
    "prefix_bias_beta": st.sampled_from([0.0, 0.3]),
    "coverage_penalty": st.sampled_from([0.0, 0.2]),
    "return_attention": st.booleans(),
    "sampling_topk": st.sampled_from([1, 10, 0]),
    "sampling_topp": st.sampled_from([1.0, 0.8]),
    "sampling_temperature": st.sampled_from([0.0, 0.7]),
    "sampling_seed": st.integers(0, 3),
    "max_decoding_length": st.sampled_from([3, 12]),
}


@st.composite
def mixed_options(draw: st.DrawFn) -> DecodingOptions:
    names = draw(st.sets(st.sampled_from(sorted(CHOICES)), max_size=5))
    given: dict[str, Any] = {name: draw(CHOICES[name]) for name in sorted(names)}
    given["beam_size"] = draw(st.sampled_from([1, 2, 4]))
    kind = draw(st.sampled_from(["one", "all", "alternatives", "score"]))
    if kind == "score":
        return DecodingOptions(scored_target=tuple(draw(st.lists(st.integers(2, 120)))))
    if kind == "alternatives":
        given |= {"num_hypotheses": 3, "return_alternatives": True, "prefix_bias_beta": 0.0}
    options = DecodingOptions(**given)
    if kind == "all" and options.beam_size > 1:
        return DecodingOptions(**given | {"num_hypotheses": options.beam_size})
    if kind == "all" and options.samples:
        return DecodingOptions(**given | {"num_hypotheses": 3})
    return options


@settings(max_examples=40, deadline=None)
@given(st.lists(mixed_options(), min_size=2, max_size=len(SOURCES)))
def test_mixed_options_in_one_batch_give_what_each_gives_alone(
    tiny_fp32: OnnxSeq2Seq, options: list[DecodingOptions]
) -> None:
    sources = SOURCES[: len(options)]
    expected = [
        decode(tiny_fp32, [source], [option], tiny_fp32.target)[0]
        for source, option in zip(sources, options, strict=True)
    ]
    assert decode(tiny_fp32, sources, options, tiny_fp32.target) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience must be greater than 0"),
        ({"patience": 0.5, "beam_size": 4, "num_hypotheses": 3}, "beam_size \\* patience"),
        ({"repetition_penalty": 0}, "repetition_penalty must be greater than 0"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size must be at least 0"),
        ({"prefix_bias_beta": 1}, "prefix_bias_beta must be at least 0 and less than 1"),
        ({"prefix_bias_beta": 0.5, "return_alternatives": True}, "can't be combined"),
        ({"min_alternative_expansion_prob": 1.1}, "must not be greater than 1"),
        ({"sampling_topk": -1}, "sampling_topk must be at least 0"),
        ({"sampling_topp": 0}, "sampling_topp must be greater than 0"),
        ({"sampling_topp": 1.1}, "sampling_topp must not be greater than 1"),
        ({"sampling_temperature": -1}, "sampling_temperature must be at least 0"),
        ({"sampling_topk": 5, "beam_size": 3}, "sampling_topk must be 0 or at least 2"),
        ({"max_decoding_length_ratio": 0}, "max_decoding_length_ratio must be greater than 0"),
    ],
)
def test_options_out_of_bounds_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DecodingOptions(**options)
