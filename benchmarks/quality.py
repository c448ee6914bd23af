"""BLEU and chrF of every variant, beside CTranslate2's int8 on the same weights.

Ours go through the service's text pipeline, which splits sentences that are longer than the model
directory's max_source_tokens.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import sacrebleu

from benchmarks.models import Ours, ctranslate2_model, lines
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.text.pipeline import TextPipeline

BEAMS = (1, 2, 4)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="Hugging Face Marian directory")
    parser.add_argument("directory", type=Path, help="model directory made from it")
    parser.add_argument(
        "sets", type=Path, nargs="+", help="PREFIX of a test set: PREFIX.fr and PREFIX.en"
    )
    parser.add_argument("--limit", type=int, help="sentences of each set")


def run(arguments: argparse.Namespace) -> None:
    pair = ModelDirectory.open(arguments.directory).manifest.pairs[0]
    print("| set | engine | beam | BLEU | chrF |\n|---|---|---|---|---|")
    for prefix in arguments.sets:
        source = lines(Path(f"{prefix}.{pair.source}"), arguments.limit)
        reference = lines(Path(f"{prefix}.{pair.target}"), arguments.limit)
        for engine, beam_size, translations in _translations(arguments, source):
            bleu = sacrebleu.corpus_bleu(translations, [reference]).score
            chrf = sacrebleu.corpus_chrf(translations, [reference]).score
            print(
                f"| {prefix.name} | {engine} | {beam_size} | {bleu:.2f} | {chrf:.2f} |", flush=True
            )


def _translations(
    arguments: argparse.Namespace, sentences: list[str]
) -> list[tuple[str, int, list[str]]]:
    found: list[tuple[str, int, list[str]]] = []
    manifest = ModelDirectory.open(arguments.directory).manifest
    limit = manifest.limits.max_source_tokens
    for variant in manifest.variants:
        ours = Ours.load(arguments.directory, variant, threads=2)
        found += [
            (f"seq2serve {variant}", beam_size, _served(ours, limit, sentences, beam_size))
            for beam_size in BEAMS
        ]
    return found + _peer(arguments.checkpoint, sentences)


def _served(ours: Ours, limit: int, sentences: list[str], beam_size: int) -> list[str]:
    pipeline = TextPipeline(ours.tokenizer, limit)
    pieces = [pipeline.encode(sentence) for sentence in sentences]
    sources = [ids for some in pieces for segment, ids in some if segment.translatable]
    found = iter(ours.text(ours.translate(sources, DecodingOptions(beam_size=beam_size), batch=32)))
    return [
        "".join(next(found) if segment.translatable else segment.text for segment, _ in some)
        for some in pieces
    ]


def _peer(checkpoint: Path, sentences: list[str]) -> list[tuple[str, int, list[str]]]:
    found = []
    with ctranslate2_model(checkpoint, "int8", threads=2) as marian:
        tokens = [marian.tokens(sentence) for sentence in sentences]
        for beam_size in BEAMS:
            results = marian.translator.translate_batch(tokens, beam_size=beam_size)
            best = [marian.target_pieces.decode(result.hypotheses[0]) for result in results]
            found.append(("CTranslate2 int8", beam_size, best))
    return found
