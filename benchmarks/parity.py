"""Same weights, same translations? Our engine in fp32 against CTranslate2 float32 (greedy and
beam 4) and transformers' generate (greedy). Every difference is printed with both scores."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import MarianMTModel

from benchmarks.models import Marian, Ours, batched, ctranslate2_model, lines
from service.domain import DecodingOptions, Hypothesis

LONGEST = 256
Scored = tuple[tuple[int, ...], float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="Hugging Face Marian directory")
    parser.add_argument("directory", type=Path, help="model directory made from it, with fp32")
    parser.add_argument("source", type=Path, help="source text, one sentence a line")
    parser.add_argument("--limit", type=int, default=1000, help="sentences")


def run(arguments: argparse.Namespace) -> None:
    sentences = lines(arguments.source, arguments.limit)
    ours = Ours.load(arguments.directory, "fp32", threads=2)
    sources = ours.tokenizer.encode(sentences)
    with ctranslate2_model(arguments.checkpoint, "float32", threads=2) as marian:
        tokens = [marian.tokens(sentence) for sentence in sentences]
        same = sum(marian.ids(one) == ids for one, ids in zip(tokens, sources, strict=True))
        print(f"source ids equal to sentencepiece's: {same} of {len(sentences)}")
        for beam_size in (1, 4):
            found = ours.translate(sources, DecodingOptions(beam_size=beam_size), batch=32)
            expected = _ctranslate2(marian, tokens, beam_size)
            _report(f"CTranslate2 float32, beam {beam_size}", sentences, found, expected)
    found = ours.translate(sources, DecodingOptions(beam_size=1), batch=32)
    _report("transformers, greedy", sentences, found, _transformers(arguments.checkpoint, sources))


def _ctranslate2(marian: Marian, tokens: list[list[str]], beam_size: int) -> list[Scored]:
    results = marian.translator.translate_batch(
        tokens, beam_size=beam_size, return_scores=True, max_decoding_length=LONGEST
    )
    return [(marian.ids(result.hypotheses[0]), result.scores[0]) for result in results]


def _transformers(checkpoint: Path, sources: Sequence[tuple[int, ...]]) -> list[Scored]:
    model = MarianMTModel.from_pretrained(checkpoint).eval()
    padding, end = model.config.pad_token_id, model.config.eos_token_id
    # <pad> only stands for the decoder's start; Marian itself does not have it.
    model.final_logits_bias[0, padding] = -torch.inf
    results: list[Scored] = []
    for some in batched(sources, 16):  # generate() computes no gradients
        longest = max(map(len, some))
        padded = torch.tensor([[*ids, *[padding] * (longest - len(ids))] for ids in some])
        output = model.generate(
            padded,
            attention_mask=(padded != padding).long(),
            num_beams=1,
            do_sample=False,
            min_new_tokens=1,
            max_new_tokens=LONGEST,
            forced_eos_token_id=None,  # no end is forced at LONGEST
            output_scores=True,
            return_dict_in_generate=True,
        )
        scores = model.compute_transition_scores(
            output.sequences, output.scores, normalize_logits=True
        )
        for row, row_scores in zip(output.sequences[:, 1:].tolist(), scores.tolist(), strict=True):
            whole = row[: row.index(end) + 1] if end in row else row
            mean = sum(row_scores[: len(whole)]) / len(whole)
            results.append((tuple(token for token in whole if token != end), mean))
    return results


def _report(
    peer: str,
    sentences: Sequence[str],
    found: Sequence[tuple[Hypothesis, ...]],
    expected: Sequence[Scored],
) -> None:
    best = [hypotheses[0] for hypotheses in found]
    different = [
        index
        for index, (one, (tokens, _)) in enumerate(zip(best, expected, strict=True))
        if one.target_ids != tokens
    ]
    scores = [
        abs(one.score - score)
        for index, (one, (_, score)) in enumerate(zip(best, expected, strict=True))
        if index not in different
    ]
    equal = len(best) - len(different)
    print(
        f"{peer}: {equal} of {len(best)} equal ({equal / len(best):.1%}); "
        f"scores of those differ by at most {max(scores):.1e}"
    )
    for index in different:
        ours, theirs = best[index].score, expected[index][1]
        print(f"  {sentences[index]!r}: score {ours:.6f} here, {theirs:.6f} there")
