"""How well does a model directory translate a test set? Through the service's own engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest

from model_export.errors import InvalidTestSet
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair
from service.runtime.seq2seq import OnnxSeq2Seq
from service.settings import RuntimeSettings
from service.text.languages import Languages
from service.text.pipeline import TextPipeline
from service.text.tokenizer import Tokenizer

BATCH = 32
"""Sentences translated together; it changes the speed and nothing else."""


@dataclass(frozen=True, slots=True)
class TestSet:
    """Sentences and their reference translations."""

    __test__ = False  # its name is not meant for pytest

    name: str
    sources: tuple[str, ...]
    references: tuple[str, ...]

    @classmethod
    def read(cls, source: Path, reference: Path) -> TestSet:
        """Read two files with one sentence a line.

        Raises:
            InvalidTestSet: they are empty or do not have equally many lines.
        """
        sources, references = _lines(source), _lines(reference)
        if len(sources) != len(references) or not sources:
            raise InvalidTestSet(
                f"{source} has {len(sources)} lines and {reference} has {len(references)}; they "
                "must be as many, and at least one."
            )
        return cls(source.stem, sources, references)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a variant made of a test set."""

    model: str
    test_set: TestSet
    translations: tuple[str, ...]
    target_tokens: int
    seconds: float
    """Spent in the engine, text left out."""

    @property
    def bleu(self) -> float:
        """Corpus BLEU (Papineni et al. 2002) with sacrebleu's default settings."""
        return float(BLEU().corpus_score(self.translations, [self.test_set.references]).score)

    @property
    def chrf(self) -> float:
        """Corpus chrF2 (Popović 2015) with sacrebleu's default settings."""
        return float(CHRF().corpus_score(self.translations, [self.test_set.references]).score)

    @property
    def length_ratio(self) -> float:
        """Characters of the translations / characters of the references."""
        return sum(map(len, self.translations)) / sum(map(len, self.test_set.references))

    @property
    def tokens_per_second(self) -> float:
        """Target tokens of the best hypotheses."""
        return self.target_tokens / self.seconds

    def worst(self, count: int) -> list[tuple[float, str, str, str]]:
        """(sentence chrF, source, translation, reference) of the worst sentences, worst first."""
        metric = CHRF()
        rows = zip(self.test_set.sources, self.translations, self.test_set.references, strict=True)
        scored = [
            (
                float(metric.sentence_score(translation, [reference]).score),
                source,
                translation,
                reference,
            )
            for source, translation, reference in rows
        ]
        return sorted(scored)[:count]


@dataclass(frozen=True, slots=True)
class LoadedVariant:
    """A variant in memory, on the CPU, with its text handling."""

    model: OnnxSeq2Seq
    text: TextPipeline
    pair: LanguagePair
    """What is translated."""

    @classmethod
    def load(
        cls, directory: ModelDirectory, variant: str, pair: LanguagePair | None = None
    ) -> LoadedVariant:
        """pair: the model's first one by default.

        Raises:
            InvalidPackage: the directory has no such variant, or it can't be loaded.
            UnsupportedLanguage: the model does not translate this pair.
        """
        manifest = directory.manifest
        pair = pair or manifest.first_pair
        known = Languages(manifest.pairs, manifest.sources, manifest.targets, manifest.languages)
        pair = known.resolve(pair.source, pair.target)
        model = OnnxSeq2Seq.load(directory, directory.variant(variant), RuntimeSettings(replicas=1))
        tokenizer = Tokenizer.load(
            directory.file(manifest.tokenizers.source), directory.file(manifest.tokenizers.target)
        )
        longest = manifest.limits.max_source_tokens
        text = TextPipeline(tokenizer, longest, manifest.conditioning, manifest.languages)
        return cls(model, text, pair)


def evaluate(
    directory: ModelDirectory,
    variant: str,
    test_set: TestSet,
    beam_size: int,
    done: Callable[[int], None] = lambda sentences: None,
    pair: LanguagePair | None = None,
) -> Evaluation:
    """Translate a test set as the service does; longer sentences than the model takes are split.

    done: told how many pieces were translated, batch by batch. pair: its languages, the model's
    first ones by default.

    Raises:
        InvalidPackage: the directory has no such variant, or it can't be loaded.
        UnsupportedLanguage: the model does not translate this pair.
    """
    loaded = LoadedVariant.load(directory, variant, pair)
    model, text, pair = loaded.model, loaded.text, loaded.pair
    options = DecodingOptions(beam_size=beam_size, start=text.start(pair))
    pieces = [text.encode(sentence, pair) for sentence in test_set.sources]
    sources = [ids for some in pieces for segment, ids in some if segment.translatable]
    started = time.perf_counter()
    targets = _translate(model, sources, options, done)
    seconds = time.perf_counter() - started
    found = iter(text.decode(targets))
    translations = tuple(
        "".join(next(found) if segment.translatable else segment.text for segment, _ in some)
        for some in pieces
    )
    tokens = sum(map(len, targets))
    name = f"{directory.manifest.name} {variant}"
    return Evaluation(name, test_set, translations, tokens, seconds)


def compare(first: Evaluation, second: Evaluation) -> Iterator[tuple[str, float, float, float]]:
    """(metric, score of the first, score of the second, p) by paired bootstrap resampling.

    p: how likely a difference as large would be if both were equally good (Koehn 2004).
    """
    scores = PairedTest(
        [(one.model, list(one.translations)) for one in (first, second)],
        {
            "BLEU": BLEU(references=[first.test_set.references]),
            "chrF": CHRF(references=[first.test_set.references]),
        },
        references=None,
        test_type="bs",
    )()[1]
    for metric, (one, other) in scores.items():
        if metric != "System":
            yield metric, float(one.score), float(other.score), float(other.p_value)


def _translate(
    model: OnnxSeq2Seq,
    sources: Sequence[tuple[int, ...]],
    options: DecodingOptions,
    done: Callable[[int], None],
) -> list[tuple[int, ...]]:
    """Best hypothesis of each source, in order; translated by length, so that little is padded."""
    order = sorted(range(len(sources)), key=lambda index: -len(sources[index]))
    found: dict[int, tuple[int, ...]] = {}
    for start in range(0, len(order), BATCH):
        some = order[start : start + BATCH]
        results = decode(
            model, [sources[index] for index in some], [options] * len(some), model.target
        )
        found |= {index: best.target_ids for index, (best, *_) in zip(some, results, strict=True)}
        done(len(some))
    return [found[index] for index in range(len(sources))]


def _lines(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidTestSet(f"{path} can't be read: {error}.") from error
    return tuple(text.removesuffix("\n").split("\n")) if text else ()
