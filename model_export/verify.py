"""Does a model directory compute what its checkpoint computes?

Two comparisons with the plain numpy reference, on sentences of random tokens: log-probabilities
step by step along the reference's own translations, and the greedy translations of the service's
own search, in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from model_export import reference
from model_export.errors import VerificationFailed
from model_export.spec import Array, Checkpoint, parameters
from service.decoding.model import StepInput
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.package.manifest import Parity
from service.runtime.seq2seq import OnnxSeq2Seq
from service.settings import RuntimeSettings

SENTENCES = 8
LONGEST = 20
"""Tokens of a probe sentence, and steps of its translation."""
FEWER = ((200_000_000, 2, 6), (20_000_000, 4, 10))
"""Networks of more weights get so many sentences, which are so short: the reference keeps no cache,
and reads every weight at every step."""
LIKELY = 16
"""Log-probabilities are compared for this many of the reference's best continuations."""

TOLERANCE = {"fp32": 1e-3, "fp16": 0.1, "int8": 2.0, "int4": 8.0}
"""Largest accepted difference of a log-probability. For int8 and int4 it only catches what is
broken; their quality is measured on translations."""
SAME_TOKENS = {"fp32": 0.99, "fp16": 0.0, "int8": 0.0, "int4": 0.0}
"""Least share of probe sentences with the reference's greedy translation."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A source sentence and what the reference makes of it."""

    source_ids: tuple[int, ...]
    target_ids: tuple[int, ...]
    """Greedy translation, at most longest tokens."""
    log_probs: Array
    """(len(target_ids), vocabulary), of each target token given those before it."""
    longest: int


def probes(checkpoint: Checkpoint, done: Callable[[], None] = lambda: None) -> list[Probe]:
    """Make the probe sentences, the same every time; done() is called after each.

    Raises:
        VerificationFailed: the reference computes values that are not finite.
    """
    random = np.random.default_rng(0)
    size = parameters(checkpoint.network)
    sentences, longest = next(
        ((few, short) for least, few, short in FEWER if size > least), (SENTENCES, LONGEST)
    )
    made = []
    for _ in range(sentences):
        made.append(_probe(checkpoint, _random_source(checkpoint, random, longest), longest))
        done()
    return made


def require_vocabularies(directory: ModelDirectory, checkpoint: Checkpoint) -> None:
    """Check that a directory has as many tokens as the checkpoint, without which nothing compares.

    Raises:
        VerificationFailed: it has others.
    """
    manifest = directory.manifest
    source = Tokenizer.from_file(str(directory.file(manifest.tokenizers.source)))
    there = source.get_vocab_size(), manifest.limits.target_vocabulary
    tokenizer, limits = checkpoint.source_tokenizer, checkpoint.limits
    here = tokenizer.get_vocab_size(), limits.target_vocabulary
    if there != here:
        raise VerificationFailed(
            f"{directory.path} was made from another checkpoint: it has {there[0]} source and "
            f"{there[1]} target tokens, and not {here[0]} and {here[1]}."
        )


def compare(directory: ModelDirectory, name: str, expected: Sequence[Probe]) -> Parity:
    """Compare a variant with the probes.

    Raises:
        VerificationFailed: it differs more than rounding can explain, or computes values that are
            not finite.
    """
    variant = directory.variant(name)
    model = OnnxSeq2Seq.load(directory, variant, RuntimeSettings(replicas=1))
    # Of NaN and a number, max() gives either one.
    difference = float(np.max([_difference(model, probe) for probe in expected]))
    if not np.isfinite(difference):
        raise VerificationFailed(
            f"Variant {name} computes values that are not finite: numbers of this network are too "
            f"large for {variant.precision}."
        )
    parity = Parity(
        max_log_prob_difference=difference,
        same_tokens=_same_tokens(model, expected),
        sentences=len(expected),
    )
    tolerance, share = TOLERANCE[variant.precision], SAME_TOKENS[variant.precision]
    if not (parity.max_log_prob_difference <= tolerance and parity.same_tokens >= share):
        raise VerificationFailed(
            f"Variant {name}: log-probabilities differ by up to "
            f"{parity.max_log_prob_difference:.2g} (accepted: {tolerance:g}) and "
            f"{parity.same_tokens:.0%} of the probe sentences are translated as by the reference "
            f"(accepted: {share:.0%})."
        )
    return parity


def _random_source(
    checkpoint: Checkpoint, random: np.random.Generator, longest: int
) -> tuple[int, ...]:
    tokens = checkpoint.tokens
    special = {tokens.start, tokens.end, tokens.padding, tokens.unknown}
    known = range(checkpoint.network.source_vocabulary)
    ordinary = [token for token in known if token not in special]
    length = random.integers(1, min(longest, checkpoint.limits.max_source_tokens))
    chosen = random.choice(ordinary, size=length).tolist()
    return (*chosen, tokens.end) if tokens.end in known else tuple(chosen)


def _probe(checkpoint: Checkpoint, source_ids: tuple[int, ...], longest: int) -> Probe:
    network, tokens = checkpoint.network, checkpoint.tokens
    longest = min(longest, checkpoint.limits.max_target_tokens)
    target = reference.greedy(network, source_ids, tokens.start, tokens.end, longest)
    memory = reference.encode(network, source_ids)
    log_probs = reference.log_probs(network, memory, [tokens.start, *target[:-1]])
    if np.isnan(log_probs).any():
        raise VerificationFailed("The checkpoint itself computes values that are not finite.")
    return Probe(source_ids, tuple(target), log_probs, longest)


def _difference(model: OnnxSeq2Seq, probe: Probe) -> float:
    """Largest difference of a likely log-probability along the reference's translation; NaN or
    infinite where a log-probability is."""
    decoding = model.encode([probe.source_ids])
    worst = 0.0
    previous = model.target.start
    for position, (token, expected) in enumerate(
        zip(probe.target_ids, probe.log_probs, strict=True)
    ):
        step = _single_row(previous, position, model.target.vocabulary)
        candidates = decoding.step(step)
        found = np.empty_like(expected)
        found[candidates.ids[0]] = candidates.log_probs[0]
        likely = np.argsort(-expected)[:LIKELY]
        likely = likely[np.isfinite(expected[likely])]
        worst = float(np.maximum(worst, np.abs(found[likely] - expected[likely]).max()))
        previous = token
    return worst


def _single_row(last_id: int, position: int, candidates: int) -> StepInput:
    return StepInput(
        last_ids=np.array([last_id]),
        positions=np.array([position]),
        parents=np.array([0]),
        sentences=np.array([0]),
        biased=np.empty((0, 2), np.int64),
        biases=np.empty(0, np.float32),
        candidates=candidates,
    )


def _same_tokens(model: OnnxSeq2Seq, expected: Sequence[Probe]) -> float:
    options = [
        DecodingOptions(beam_size=1, max_decoding_length=probe.longest) for probe in expected
    ]
    results = decode(
        model,
        [probe.source_ids for probe in expected],
        options,
        model.target,
    )
    same = [
        best.target_ids == probe.target_ids
        for (best,), probe in zip(results, expected, strict=True)
    ]
    return sum(same) / len(same)
