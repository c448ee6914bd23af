"""Same translations as CTranslate2 under every decoding option? Our engine in fp32 against
CTranslate2 float32: for each option the share of sentences of which all hypotheses are equal, and
the greatest difference of their scores and of their attention."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import Marian, Ours, ctranslate2_model, lines
from service.domain import DecodingOptions, Hypothesis

LONGEST = 64
BATCH = 32
PREFIX_TOKENS = 3
ATTENTION = {"return_attention", "coverage_penalty"}
"""In batches of more than one sentence, CTranslate2 4.8.5 gives the first step of a beam search
another sentence's attention; with these options it gets one sentence at a time."""

Tokens = tuple[int, ...]
Ids = list[Tokens]


@dataclass(frozen=True, slots=True)
class Case:
    """An option as both engines take it."""

    options: dict[str, Any]
    words: dict[str, Any] = field(default_factory=dict)
    """Options that are token ids here and tokens there."""
    prefixed: bool = False
    """Whether every sentence gets a target_prefix."""

    @property
    def name(self) -> str:
        given = [f"{name} {value}" for name, value in self.options.items()]
        given += [f"{name} {value!r}" for name, value in self.words.items()]
        return ", ".join(given + ["target_prefix"] * self.prefixed)


CASES = [
    Case({"beam_size": 4, "num_hypotheses": 4}),
    Case({"beam_size": 4, "patience": 2.0, "num_hypotheses": 8}),
    Case({"beam_size": 4, "patience": 0.5, "num_hypotheses": 2}),
    Case({"beam_size": 1, "repetition_penalty": 1.3}),
    Case({"beam_size": 4, "num_hypotheses": 4, "repetition_penalty": 1.3}),
    Case({"beam_size": 1, "no_repeat_ngram_size": 1}),
    Case({"beam_size": 4, "num_hypotheses": 4, "no_repeat_ngram_size": 2}),
    Case({"beam_size": 4, "num_hypotheses": 4, "disable_unk": True}),
    Case({"beam_size": 4}, {"suppress_sequences": [["▁the"], ["▁I", "▁don"], ["'"]]}),
    Case({"beam_size": 1}, {"end_token": ["▁the", "."]}),
    Case({"beam_size": 4, "num_hypotheses": 4}, {"end_token": ["."]}),
    Case({"beam_size": 1}, prefixed=True),
    Case({"beam_size": 4, "num_hypotheses": 2}, prefixed=True),
    Case({"beam_size": 4, "length_penalty": 0.0}, prefixed=True),
    Case({"beam_size": 4, "prefix_bias_beta": 0.1}, prefixed=True),
    Case({"beam_size": 4, "prefix_bias_beta": 0.5}, prefixed=True),
    Case({"beam_size": 4, "prefix_bias_beta": 0.9}, prefixed=True),
    Case({"beam_size": 1, "num_hypotheses": 5, "return_alternatives": True}),
    Case({"beam_size": 4, "num_hypotheses": 5, "return_alternatives": True}),
    Case(
        {
            "beam_size": 4,
            "num_hypotheses": 5,
            "return_alternatives": True,
            "min_alternative_expansion_prob": 0.01,  # CTranslate2 crashes where none has it
        }
    ),
    Case({"beam_size": 4, "num_hypotheses": 4, "coverage_penalty": 0.2}),
    Case({"beam_size": 4, "num_hypotheses": 2, "return_attention": True}),
    Case({"beam_size": 1, "return_attention": True}, prefixed=True),
    Case({"beam_size": 1, "sampling_topk": 5, "sampling_temperature": 1e-6}),
    Case({"beam_size": 1, "sampling_topk": 5, "sampling_topp": 1e-6}),
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="Hugging Face Marian directory")
    parser.add_argument("directory", type=Path, help="model directory made from it, with fp32")
    parser.add_argument("source", type=Path, help="source text, one sentence a line")
    parser.add_argument("--limit", type=int, default=300, help="sentences")
    parser.add_argument("--only", default="", help="cases whose name contains this")


def run(arguments: argparse.Namespace) -> None:
    sentences = lines(arguments.source, arguments.limit)
    ours = Ours.load(arguments.directory, "fp32", threads=1)
    sources = ours.tokenizer.encode(sentences)
    print("| options | equal | scores differ by | attention differs by |\n|---|---|---|---|")
    with ctranslate2_model(arguments.checkpoint, "float32", threads=1) as marian:
        tokens = [marian.tokens(sentence) for sentence in sentences]
        prefixes = _prefixes(ours, sources)
        for case in CASES:
            if arguments.only in case.name:
                found = _ours(ours, marian, sources, case, prefixes)
                print(_row(case, found, _theirs(marian, tokens, case, prefixes)), flush=True)
        print(_scoring(ours, marian, sources, tokens))


def _prefixes(ours: Ours, sources: Ids) -> Ids:
    """The beginning of each sentence's second best translation."""
    options = DecodingOptions(beam_size=4, num_hypotheses=2, max_decoding_length=LONGEST)
    found = ours.translate(sources, options, BATCH)
    return [hypotheses[-1].target_ids[:PREFIX_TOKENS] for hypotheses in found]


def _ours(
    ours: Ours, marian: Marian, sources: Ids, case: Case, prefixes: Ids
) -> list[tuple[Hypothesis, ...]]:
    given: dict[str, Any] = dict(case.options)
    for name, value in case.words.items():
        given[name] = (
            marian.ids(value) if name == "end_token" else tuple(marian.ids(one) for one in value)
        )
    options = [
        DecodingOptions(
            max_decoding_length=LONGEST, target_prefix=prefix if case.prefixed else (), **given
        )
        for prefix in prefixes
    ]
    return ours.translate_each(sources, options, BATCH)


def _theirs(
    marian: Marian, tokens: list[list[str]], case: Case, prefixes: Ids
) -> list[list[tuple[Tokens, float, Any]]]:
    given = {**case.options, **case.words}
    if case.prefixed:
        given["target_prefix"] = [marian.names(prefix) for prefix in prefixes]
    results = marian.translator.translate_batch(
        tokens,
        max_batch_size=1 if ATTENTION & given.keys() else 0,
        return_scores=True,
        max_decoding_length=LONGEST,
        **given,
    )
    return [
        [
            (marian.ids(hypothesis), score, result.attention[rank] if result.attention else [])
            for rank, (hypothesis, score) in enumerate(
                zip(result.hypotheses, result.scores, strict=True)
            )
        ]
        for result in results
    ]


def _row(
    case: Case,
    found: Sequence[Sequence[Hypothesis]],
    expected: Sequence[Sequence[tuple[Tokens, float, Any]]],
) -> str:
    same = [
        (ours, theirs)
        for ours, theirs in zip(found, expected, strict=True)
        if [one.target_ids for one in ours] == [ids for ids, _, _ in theirs]
    ]
    pairs = [pair for ours, theirs in same for pair in zip(ours, theirs, strict=True)]
    scores = max((abs(one.score - score) for one, (_, score, _) in pairs), default=0)
    attention = [
        float(np.abs(np.array(one.attention) - np.array(weights)).max())
        for one, (_, _, weights) in pairs
        if one.attention
    ]
    shown = f"{max(attention):.0e}" if attention else ""
    return f"| {case.name} | {len(same)} of {len(found)} | {scores:.0e} | {shown} |"


def _scoring(ours: Ours, marian: Marian, sources: Ids, tokens: list[list[str]]) -> str:
    """Each translation scored as the translation of the sentence after it."""
    options = DecodingOptions(beam_size=1, max_decoding_length=LONGEST)
    targets = [best.target_ids for (best,) in ours.translate(sources, options, BATCH)]
    targets = targets[1:] + targets[:1]
    scored = [DecodingOptions(scored_target=target) for target in targets]
    found = ours.translate_each(sources, scored, BATCH)
    expected = marian.translator.score_batch(tokens, [marian.names(ids) for ids in targets])
    difference = max(
        float(np.abs(np.array(one.log_probs) - np.array(theirs.log_probs)).max())
        for (one,), theirs in zip(found, expected, strict=True)
    )
    return f"| score_batch, every token | | {difference:.0e} | |"
