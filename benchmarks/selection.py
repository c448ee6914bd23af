"""The hypothesis with the best score, or the one of minimum Bayes risk? BLEU and chrF of both.

Expected utility is chrF2 against all hypotheses of the beam, weighing all the same, or as much as
the model's probabilities, or as these would be if all were of the same length, as the service does.
p: how likely a difference as large to the first row would be by chance (paired bootstrap).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.models import Ours, batched, lines
from model_export.evaluation import BATCH, Evaluation, TestSet, compare
from service.domain import DecodingOptions, Hypothesis
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair
from service.text.minimum_bayes_risk import by_expected_utility, log_probs_at_mean_length
from service.text.pipeline import TextPipeline

Nbest = tuple[Hypothesis, ...]
Weigh = Callable[[Nbest], list[float]]
"""Logarithms of the weights."""


def _uniform(found: Nbest) -> list[float]:
    return [0.0] * len(found)


def _probabilities(found: Nbest) -> list[float]:
    # The end token counts; length_penalty is 1 here.
    return [one.score * (len(one.target_ids) + 1) for one in found]


def _at_mean_length(found: Nbest) -> list[float]:
    return log_probs_at_mean_length(found, length_penalty=1)


WEIGHTS: dict[str, Weigh] = {
    "uniform": _uniform,
    "probabilities": _probabilities,
    "probabilities at mean length": _at_mean_length,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, help="model directory")
    parser.add_argument("variant", help="such as int8")
    parser.add_argument("sets", type=Path, nargs="+", help="PREFIX of a test set, as of quality")
    parser.add_argument("--limit", type=int, help="sentences of each set")
    parser.add_argument("--beams", type=int, nargs="+", default=[8, 16])


def run(arguments: argparse.Namespace) -> None:
    directory = ModelDirectory.open(arguments.directory)
    pair = directory.manifest.first_pair
    ours = Ours.load(arguments.directory, arguments.variant, threads=0)
    print("| set | selection | BLEU (p) | chrF (p) | ms a sentence |\n|---|---|---|---|---|")
    for prefix in arguments.sets:
        test_set = TestSet(
            prefix.name,
            tuple(lines(Path(f"{prefix}.{pair.source}"), arguments.limit)),
            tuple(lines(Path(f"{prefix}.{pair.target}"), arguments.limit)),
        )
        text = TextPipeline(ours.tokenizer, directory.manifest.limits.max_source_tokens)
        _compare(Sentences(ours, text, pair, test_set), arguments.beams)


class Sentences:
    """A test set, cut as the service does."""

    def __init__(
        self, ours: Ours, text: TextPipeline, pair: LanguagePair, test_set: TestSet
    ) -> None:
        self.test_set = test_set
        self._ours = ours
        self._text = text
        self._pieces = [text.encode(sentence, pair) for sentence in test_set.sources]

    def decode(self, beam_size: int) -> tuple[list[Nbest], float]:
        """All hypotheses of every piece, and the seconds it took."""
        options = DecodingOptions(beam_size=beam_size, num_hypotheses=beam_size)
        sources = [ids for some in self._pieces for piece, ids in some if piece.translatable]
        order = sorted(range(len(sources)), key=lambda place: -len(sources[place]))
        found: dict[int, Nbest] = {}
        started = time.perf_counter()
        for places in batched(order, BATCH):
            batch = [sources[place] for place in places]
            results = self._ours.translate(batch, options, BATCH)
            found |= dict(zip(places, results, strict=True))
        return [found[place] for place in range(len(sources))], time.perf_counter() - started

    def evaluation(
        self, name: str, found: Sequence[Nbest], choose: Callable[[Nbest, list[str]], int]
    ) -> Evaluation:
        """What the chosen hypothesis of each piece is worth; seconds: of the choice."""
        started = time.perf_counter()
        texts = [self._text.decode([one.target_ids for one in some]) for some in found]
        chosen = iter([some[choose(nbest, some)] for nbest, some in zip(found, texts, strict=True)])
        seconds = time.perf_counter() - started
        translations = tuple(
            "".join(next(chosen) if piece.translatable else piece.text for piece, _ in some)
            for some in self._pieces
        )
        return Evaluation(name, self.test_set, translations, 0, seconds)


def _compare(sentences: Sentences, beams: Sequence[int]) -> None:
    found, seconds = sentences.decode(4)
    first = sentences.evaluation("score, beam 4", found, lambda nbest, texts: 0)
    _row(first, first, seconds)
    for beam_size in beams:
        found, seconds = sentences.decode(beam_size)
        name = f"score, beam {beam_size}"
        _row(first, sentences.evaluation(name, found, lambda nbest, texts: 0), seconds)
        for weights, weigh in WEIGHTS.items():
            name = f"mbr, beam {beam_size}, weights: {weights}"
            _row(first, sentences.evaluation(name, found, _mbr(weigh)), seconds)


def _mbr(weigh: Weigh) -> Callable[[Nbest, list[str]], int]:
    return lambda nbest, texts: by_expected_utility(texts, weigh(nbest))[0]


def _row(first: Evaluation, one: Evaluation, seconds: float) -> None:
    figures = [f"{one.bleu:.2f}", f"{one.chrf:.2f}"]
    if one is not first:
        chances = [p for *_, p in compare(first, one)]
        figures = [f"{figure} ({p:.2f})" for figure, p in zip(figures, chances, strict=True)]
    count = len(one.test_set.sources)
    times = f"{seconds / count * 1e3:.1f} + {one.seconds / count * 1e3:.1f}"
    print(f"| {one.test_set.name} | {one.model} | {' | '.join(figures)} | {times} |", flush=True)
