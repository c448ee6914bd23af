"""How the cost of a sentence grows with the batch, the source's length, the beam, the vocabulary
and the number of waiting requests, one at a time.

Networks have random weights and translations a forced length, so that nothing but what is varied
changes. The exponent says how the cost grew since the line before: at 0 a sentence costs the same,
at 1 twice as much when x is doubled, at -1 half as much.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import aiohttp
import numpy as np

from benchmarks import model_directories, plots, services, traffic
from benchmarks.models import lines
from benchmarks.random_transformer import Size
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.runtime.seq2seq import OnnxSeq2Seq
from service.settings import RuntimeSettings

SIZE = Size(6, 2, 384, 1536, 6, 8_001)
"""The default model's."""
TARGET_TOKENS = 20
SOURCE_TOKENS = 12
BATCH = 8
BEAM = 4
PRECISION = "int8"
AT_LEAST = 64
"""Requests of a measurement."""
Costs = dict[float, list[float]]
"""x → milliseconds a sentence, of each round."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="the default model's checkpoint")
    parser.add_argument("source", type=Path, help="source text, for the waiting requests")
    parser.add_argument("--only", nargs="+", choices=SERIES, default=list(SERIES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of a measurement, about")
    parser.add_argument("--plot", type=Path, default=Path("build/scaling.png"))


def run(arguments: argparse.Namespace) -> None:
    panels = []
    with tempfile.TemporaryDirectory() as folder:
        laboratory = Laboratory(arguments, Path(folder))
        for name in arguments.only:
            costs = SERIES[name](laboratory)
            _table(name, costs)
            line = [(x, statistics.median(found)) for x, found in costs.items()]
            panels.append(plots.Panel(name, name, "ms a sentence", {"": line}, True, True))
    plots.write(panels, arguments.plot, columns=3)


@dataclasses.dataclass(frozen=True, slots=True)
class Laboratory:
    """Makes random models, and measures them."""

    arguments: argparse.Namespace
    folder: Path

    def directory(self, vocabulary: int = SIZE.vocabulary) -> Path:
        """A model directory; made once for each vocabulary."""
        path = self.folder / str(vocabulary)
        if path.exists():
            return path
        size = dataclasses.replace(SIZE, vocabulary=vocabulary)
        checkpoint = model_directories.random_checkpoint(self.arguments.checkpoint, size)
        return model_directories.write(checkpoint, path, [PRECISION])

    def model(self, vocabulary: int = SIZE.vocabulary) -> OnnxSeq2Seq:
        """A model of the default model's size, but for this vocabulary."""
        directory = ModelDirectory.open(self.directory(vocabulary))
        settings = RuntimeSettings(threads=self.arguments.threads, replicas=1)
        return OnnxSeq2Seq.load(directory, directory.variant(PRECISION), settings)

    def costs(self, xs: Sequence[float], work: Callable[[float], Callable[[], int]]) -> Costs:
        """Measure work(x) for each x, by turns. It returns how many sentences it translated."""
        prepared = {x: work(x) for x in xs}
        for once in prepared.values():
            once()
        found: Costs = {x: [] for x in xs}
        for _ in range(self.arguments.rounds):
            for x, once in prepared.items():
                found[x].append(self._cost(once))
        return found

    def _cost(self, once: Callable[[], int]) -> float:
        sentences = 0
        started = time.perf_counter()
        while not sentences or time.perf_counter() - started < self.arguments.seconds:
            sentences += once()
        return 1000 * (time.perf_counter() - started) / sentences


def _batch(
    model: OnnxSeq2Seq,
    sentences: int = BATCH,
    source_tokens: int = SOURCE_TOKENS,
    beam_size: int = BEAM,
) -> Callable[[], int]:
    """Translates a batch of random tokens."""
    options = DecodingOptions(
        beam_size=beam_size,
        min_decoding_length=TARGET_TOKENS,
        max_decoding_length=TARGET_TOKENS,
    )
    drawn = np.random.default_rng(0).integers(
        2, model.target.vocabulary, (sentences, source_tokens - 1)
    )
    batch = [(*row, 0) for row in drawn.tolist()]  # token 0 ends a sentence
    return lambda: len(decode(model, batch, [options] * sentences, model.target))


def _by_batch(laboratory: Laboratory) -> Costs:
    model = laboratory.model()
    return laboratory.costs(
        [1, 2, 4, 8, 16, 32, 64, 128], lambda x: _batch(model, sentences=int(x), beam_size=1)
    )


def _by_source(laboratory: Laboratory) -> Costs:
    model = laboratory.model()
    return laboratory.costs(
        [4, 8, 16, 32, 64, 128, 256, 512], lambda x: _batch(model, source_tokens=int(x))
    )


def _by_beam(laboratory: Laboratory) -> Costs:
    model = laboratory.model()
    return laboratory.costs([1, 2, 4, 8, 16], lambda x: _batch(model, beam_size=int(x)))


def _by_vocabulary(laboratory: Laboratory) -> Costs:
    return laboratory.costs(
        [1_000, 4_000, 16_000, 64_000, 256_000], lambda x: _batch(laboratory.model(int(x) + 1))
    )


def _by_waiting(laboratory: Laboratory) -> Costs:
    """Requests that come at once, over HTTP, until all are answered."""
    sentences = lines(laboratory.arguments.source, 1000)
    forced = {"min_decoding_length": TARGET_TOKENS, "max_decoding_length": TARGET_TOKENS}
    requests = itertools.cycle(traffic.bodies(sentences, **forced))
    settings = {"RUNTIME__THREADS": laboratory.arguments.threads}
    with services.ours(laboratory.directory(), settings) as service:

        def at_once(x: float) -> Callable[[], int]:
            return lambda: traffic.on_client(
                service.url, lambda client: _at_once(client, requests, int(x))
            )

        return laboratory.costs([1, 4, 16, 64, 256, 512], at_once)


async def _at_once(client: aiohttp.ClientSession, requests: Iterator[bytes], count: int) -> int:
    """This many requests at once; the fewer, the more often, so that connecting costs little."""

    async def one(body: bytes) -> None:
        async with client.post("/translate", data=body, headers=traffic.JSON) as response:
            response.raise_for_status()
            await response.read()

    times = max(1, AT_LEAST // count)
    for _ in range(times):
        await asyncio.gather(*(one(body) for body in itertools.islice(requests, count)))
    return times * count


SERIES: dict[str, Callable[[Laboratory], Costs]] = {
    "sentences in a batch": _by_batch,
    "source tokens": _by_source,
    "beam size": _by_beam,
    "vocabulary": _by_vocabulary,
    "waiting requests": _by_waiting,
}


def _table(name: str, costs: Costs) -> None:
    print(f"\n| {name} | ms a sentence (min–max) | exponent |\n|---|---|---|")
    before: tuple[float, float] | None = None
    for x, found in costs.items():
        cost = statistics.median(found)
        exponent = ""
        if before is not None:
            exponent = f"{math.log(cost / before[1]) / math.log(x / before[0]):+.2f}"
        print(
            f"| {x:,.0f} | {cost:.2f} ({min(found):.2f}–{max(found):.2f}) | {exponent} |",
            flush=True,
        )
        before = x, cost
