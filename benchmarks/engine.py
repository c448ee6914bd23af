"""Our engine against CTranslate2: the same weights in the same precision, the same beam, batch and
number of threads, by turns in one run. A ratio above 1 means that ours is faster.

Lengths are forced, so that both do the same work whatever the weights. With the default model's
checkpoint the sentences are translated freely, and the share of equal translations is shown; with
`--device cuda` also the share of those that are equal to ours in fp32 on the CPU.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import numpy as np

from benchmarks import ctranslate2_weights, random_transformer
from benchmarks.models import lines
from model_export import calibration, graph, package, sources
from model_export.spec import Transformer
from service.decoding.search import Search, Target
from service.domain import DecodingOptions
from service.runtime.batch import LEAST_ROWS
from service.runtime.seq2seq import OnnxSeq2Seq
from service.runtime.session import Graph
from service.settings import RuntimeSettings

PRECISIONS = {
    "cpu": {"int8": "int8", "fp32": "float32", "int4": "int8"},
    "cuda": {"fp16": "float16", "fp32-cuda": "float32"},
}
"""Our name of a variant → CTranslate2's compute type, by device; 4 bits, which it has not on a CPU,
are compared with its 8."""
DEFAULT_PRECISIONS = {"cpu": ("int8", "fp32"), "cuda": ("fp16", "fp32-cuda")}
FORCED = 20
"""Tokens of a translation of the random model."""
FREE = 256
Sources = Sequence[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Contest:
    """Both engines with the same weights. Ours keeps a running batch, as in the service."""

    ours: Search
    theirs: ctranslate2.Translator
    reference: Search | None
    """Ours in fp32 on the CPU, unless that is where the contest is."""
    forced: bool

    def run_ours(
        self, some: Sources, beam_size: int, search: Search | None = None
    ) -> list[tuple[int, ...]]:
        longest = FORCED if self.forced else FREE
        options = DecodingOptions(beam_size=beam_size, max_decoding_length=longest)
        found = (search or self.ours).run(some, [options] * len(some))
        return [hypotheses[0].target_ids for hypotheses in found]

    def run_theirs(self, some: Sources, beam_size: int) -> list[tuple[int, ...]]:
        longest = FORCED if self.forced else FREE
        found = self.theirs.translate_batch(
            [[str(token) for token in ids] for ids in some],
            beam_size=beam_size,
            max_decoding_length=longest,
            return_scores=True,
        )
        return [tuple(map(int, result.hypotheses[0])) for result in found]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="the default model's checkpoint")
    parser.add_argument("source", type=Path, help="source text, one sentence a line")
    parser.add_argument("--models", nargs="+", default=["default", "opus-mt"])
    parser.add_argument("--device", default="cpu", choices=PRECISIONS)
    parser.add_argument(
        "--precisions",
        nargs="+",
        help="variants, by default all but int4 for the device: "
        + "; ".join(f"{device}: {', '.join(names)}" for device, names in PRECISIONS.items()),
    )
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 32, 64])
    parser.add_argument("--beams", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each engine")
    parser.add_argument("--sentences", type=int, default=64, help="in each turn")


def run(arguments: argparse.Namespace) -> None:
    checkpoint = sources.load(arguments.checkpoint)
    tokenizer = checkpoint.source_tokenizer
    text = lines(arguments.source, arguments.sentences)
    encoded = [tuple(tokenizer.encode(sentence).ids) for sentence in text]
    print(
        "| model | precision | batch | beam | ours ms/sentence | CTranslate2 ms/sentence "
        "| ratio (min–max) | equal |\n|---|---|---|---|---|---|---|---|"
    )
    for model in arguments.models:
        network = (
            checkpoint.network
            if model == "default"
            else random_transformer.make(random_transformer.OPUS_MT)
        )
        assert isinstance(network, Transformer)
        for precision in _variants(arguments):
            with tempfile.TemporaryDirectory() as folder:
                contest = _contest(
                    network, precision, Path(folder), arguments, encoded, model != "default"
                )
                for batch in arguments.batches:
                    for beam_size in arguments.beams:
                        row = _measure(contest, encoded, batch, beam_size, arguments.rounds)
                        print(
                            f"| {model} | {precision} | {batch} | {beam_size} | {row} |", flush=True
                        )


def _variants(arguments: argparse.Namespace) -> Sequence[str]:
    known = PRECISIONS[arguments.device]
    wanted = arguments.precisions or DEFAULT_PRECISIONS[arguments.device]
    if not {*wanted} <= {*known}:
        raise SystemExit(f"--precisions for {arguments.device} are {', '.join(known)}.")
    return wanted


def _contest(
    network: Transformer,
    precision: str,
    folder: Path,
    arguments: argparse.Namespace,
    sample: Sources,
    forced: bool,
) -> Contest:
    settings = RuntimeSettings(device=arguments.device, threads=arguments.threads, replicas=1)
    compute_type = PRECISIONS[arguments.device][precision]
    start = len(network.source_embedding.table) - 1
    target = Target(start, 0, network.projection.bias.size, network.longest_source)
    ranges = calibration.observe_ids(network, sample, target) if precision == "int8" else None

    def load(variant: str, settings: RuntimeSettings) -> Search:
        files = package.write_graphs(folder, variant, graph.build(network, variant, ranges))
        encoder, decoder = (Graph(folder / file, settings) for file in files)
        least_rows = LEAST_ROWS.get(variant, 1)
        return Search(OnnxSeq2Seq(encoder, decoder, start, target, least_rows).begin(), target)

    ours = load(precision, settings)
    reference = load("fp32", RuntimeSettings()) if settings.device == "cuda" else None
    ctranslate2_weights.write(network, folder / "peer", compute_type)
    theirs = ctranslate2.Translator(
        str(folder / "peer"),
        device=arguments.device,
        compute_type=compute_type,
        inter_threads=1,
        intra_threads=arguments.threads,
    )
    return Contest(ours, theirs, reference, forced)


def _measure(contest: Contest, encoded: Sources, batch: int, beam_size: int, rounds: int) -> str:
    some = encoded[: max(batch, len(encoded) // (1 if batch >= 8 else 4))]
    batches = [some[start : start + batch] for start in range(0, len(some), batch)]

    def turn(engine: Callable[[Sources, int], list[tuple[int, ...]]]) -> tuple[float, list[object]]:
        started = time.perf_counter()
        found: list[object] = [ids for one in batches for ids in engine(one, beam_size)]
        return 1000 * (time.perf_counter() - started) / len(some), found

    (_, ours), (_, theirs) = turn(contest.run_ours), turn(contest.run_theirs)  # warm-up
    equal = f"{_share_of_equal(ours, theirs):.0%}"
    if contest.reference is not None:
        on_cpu = [
            ids for one in batches for ids in contest.run_ours(one, beam_size, contest.reference)
        ]
        equal += f", fp32 on CPU {_share_of_equal(ours, on_cpu):.0%}"
    times = [(turn(contest.run_ours)[0], turn(contest.run_theirs)[0]) for _ in range(rounds)]
    ratios = [theirs / ours for ours, theirs in times]
    return (
        f"{statistics.median(ours for ours, _ in times):.2f} | "
        f"{statistics.median(theirs for _, theirs in times):.2f} | "
        f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}–{max(ratios):.2f}) | {equal}"
    )


def _share_of_equal(some: Sequence[object], others: Sequence[object]) -> float:
    return float(np.mean([a == b for a, b in zip(some, others, strict=True)]))
