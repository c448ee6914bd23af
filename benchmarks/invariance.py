"""Does a sentence's translation depend on its company? Each sentence alone, in batches of 8 and of
64, and shuffled: tokens and scores, to the last digit."""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from benchmarks.models import Ours, lines
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, help="model directory")
    parser.add_argument("source", type=Path, help="source text, one sentence a line")
    parser.add_argument("--limit", type=int, default=1000, help="sentences")
    parser.add_argument("--threads", type=int, default=2)


def run(arguments: argparse.Namespace) -> None:
    sentences = lines(arguments.source, arguments.limit)
    for variant in ModelDirectory.open(arguments.directory).manifest.variants:
        ours = Ours.load(arguments.directory, variant, arguments.threads)
        sources = ours.tokenizer.encode(sentences)
        for beam_size in (1, 4):
            _compare(ours, sources, beam_size, f"{variant}, beam {beam_size}")


def _compare(ours: Ours, sources: list[tuple[int, ...]], beam_size: int, title: str) -> None:
    options = DecodingOptions(beam_size=beam_size, num_hypotheses=beam_size)
    alone = ours.translate(sources, options, batch=1)
    order = list(range(len(sources)))
    for name, batch, shuffled in (
        ("batches of 8", 8, False),
        ("batches of 64", 64, False),
        ("batches of 64, shuffled", 64, True),
    ):
        if shuffled:
            random.Random(1).shuffle(order)
        found = ours.translate([sources[index] for index in order], options, batch)
        same = sum(
            alone[index] == hypotheses for index, hypotheses in zip(order, found, strict=True)
        )
        print(f"{title}: {name}: {same} of {len(sources)} identical to alone")
