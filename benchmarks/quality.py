"""BLEU and chrF of every variant, beside CTranslate2's int8 on the same weights.

Ours go through the service's text pipeline, which splits sentences that are longer than the model
directory's max_source_tokens.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import sacrebleu

from benchmarks.models import ctranslate2_model, lines
from model_export.evaluation import TestSet, evaluate
from service.package.directory import ModelDirectory

BEAMS = (1, 2, 4)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="Hugging Face Marian directory")
    parser.add_argument("directory", type=Path, help="model directory made from it")
    parser.add_argument(
        "sets", type=Path, nargs="+", help="PREFIX of a test set: PREFIX.fr and PREFIX.en"
    )
    parser.add_argument("--limit", type=int, help="sentences of each set")


def run(arguments: argparse.Namespace) -> None:
    directory = ModelDirectory.open(arguments.directory)
    pair = directory.manifest.pairs[0]
    print("| set | engine | beam | BLEU | chrF |\n|---|---|---|---|---|")
    for prefix in arguments.sets:
        test_set = TestSet(
            prefix.name,
            tuple(lines(Path(f"{prefix}.{pair.source}"), arguments.limit)),
            tuple(lines(Path(f"{prefix}.{pair.target}"), arguments.limit)),
        )
        for variant in directory.manifest.variants:
            for beam_size in BEAMS:
                found = evaluate(directory, variant, test_set, beam_size)
                _row(test_set, f"seq2serve {variant}", beam_size, found.translations)
        for beam_size, translations in _peer(arguments.checkpoint, test_set.sources):
            _row(test_set, "CTranslate2 int8", beam_size, translations)


def _row(test_set: TestSet, engine: str, beam_size: int, translations: Sequence[str]) -> None:
    references = [list(test_set.references)]
    bleu = sacrebleu.corpus_bleu(translations, references).score
    chrf = sacrebleu.corpus_chrf(translations, references).score
    print(f"| {test_set.name} | {engine} | {beam_size} | {bleu:.2f} | {chrf:.2f} |", flush=True)


def _peer(checkpoint: Path, sentences: Sequence[str]) -> list[tuple[int, list[str]]]:
    found = []
    with ctranslate2_model(checkpoint, "int8", threads=2) as marian:
        tokens = [marian.tokens(sentence) for sentence in sentences]
        for beam_size in BEAMS:
            results = marian.translator.translate_batch(tokens, beam_size=beam_size)
            best = [marian.target_pieces.decode(result.hypotheses[0]) for result in results]
            found.append((beam_size, best))
    return found
