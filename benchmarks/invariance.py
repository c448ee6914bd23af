"""Does a sentence's translation depend on its company? Each sentence alone, in batches of 8 and of
64, shuffled, and through the running engine with random arrivals, priorities and beams: tokens and
scores, to the last digit."""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

from benchmarks.models import Ours, lines
from service.domain import DecodingOptions, Priority
from service.package.directory import ModelDirectory
from service.scheduling.engine import Engine
from service.scheduling.job import Job
from service.settings import SchedulingSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, help="model directory")
    parser.add_argument("source", type=Path, help="source text, one sentence a line")
    parser.add_argument("--limit", type=int, default=1000, help="sentences")
    parser.add_argument("--arrivals", type=int, default=2000, help="sentences for the engine")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--replicas", type=int, default=2, help="of the engine, in random arrivals")


def run(arguments: argparse.Namespace) -> None:
    sentences = lines(arguments.source, arguments.limit)
    for variant in ModelDirectory.open(arguments.directory).manifest.variants:
        ours = Ours.load(arguments.directory, variant, arguments.threads)
        sources = ours.tokenizer.encode(sentences)
        for beam_size in (1, 4):
            _compare(ours, sources, beam_size, f"{variant}, beam {beam_size}")
        _arrive(ours, sources, arguments, variant)


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


def _arrive(
    ours: Ours, sources: list[tuple[int, ...]], arguments: argparse.Namespace, title: str
) -> None:
    """Submit sentences at random moments with random beams and priorities."""
    draw = random.Random(2)
    everything = [DecodingOptions(beam_size=size, num_hypotheses=size) for size in (1, 2, 4)]
    asked = [(draw.choice(sources), draw.choice(everything)) for _ in range(arguments.arrivals)]
    jobs = [
        Job(ids, options, time.monotonic() + 3600, draw.choice(list(Priority)))
        for ids, options in asked
    ]
    target, replicas = ours.model.target, arguments.replicas
    with Engine(SchedulingSettings(), replicas).running() as engine:
        engine.add("", ours.model, target)
        for job in jobs:
            time.sleep(draw.expovariate(300))  # a Poisson process
            engine.submit([job])
        found = [job.result.result() for job in jobs]
        rows = engine.rows / engine.steps
    same = sum(
        ours.translate([ids], options, 1)[0] == hypotheses
        for (ids, options), hypotheses in zip(asked, found, strict=True)
    )
    print(f"{title}: random arrivals ({rows:.0f} rows a step): {same} of {len(jobs)} identical")
