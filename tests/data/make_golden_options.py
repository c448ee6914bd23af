"""Make tests/data/golden/tiny-options.json: what CTranslate2's decoding options make of the
sentences of golden/tiny.json.

    python make_golden_options.py tiny-marian golden/tiny.json golden/tiny-options.json

Needs what make_golden.py needs. Token ids throughout; attention is [target][source].
CTranslate2 4.8.5 gives the first step of a beam search another sentence's attention where a batch
holds many, so that every sentence is translated alone.
"""

import itertools
import json
import sys
import tempfile
from pathlib import Path

import ctranslate2

LONGEST = 24
SENTENCES = 8
PLAIN = {"beam_size": 4, "num_hypotheses": 4}
CASES = (
    {**PLAIN, "patience": 2.0, "num_hypotheses": 8},
    {**PLAIN, "patience": 0.5, "num_hypotheses": 2},
    {**PLAIN, "repetition_penalty": 1.5},
    {"beam_size": 1, "repetition_penalty": 2.0},
    {**PLAIN, "no_repeat_ngram_size": 2},
    {"beam_size": 1, "no_repeat_ngram_size": 1},
    {**PLAIN, "disable_unk": True, "min_decoding_length": 10},
    {**PLAIN, "suppress_sequences": "common"},
    {**PLAIN, "end_token": "common"},
    {**PLAIN, "target_prefix": "second"},
    {"beam_size": 1, "target_prefix": "second"},
    {**PLAIN, "target_prefix": "second", "length_penalty": 0.0, "num_hypotheses": 1},
    {**PLAIN, "target_prefix": "second", "prefix_bias_beta": 0.5, "num_hypotheses": 1},
    {"beam_size": 1, "num_hypotheses": 3, "return_alternatives": True},
    {"beam_size": 3, "num_hypotheses": 3, "return_alternatives": True, "min_decoding_length": 6},
    {
        "beam_size": 3, "num_hypotheses": 3, "return_alternatives": True,
        "min_alternative_expansion_prob": 0.02,
    },
    {**PLAIN, "return_attention": True},
    {"beam_size": 1, "return_attention": True, "target_prefix": "second"},
    {**PLAIN, "coverage_penalty": 0.5},
    {**PLAIN, "coverage_penalty": 0.5, "length_penalty": 0.0},
)  # fmt: skip


def main(directory: Path, sentences: Path, destination: Path) -> None:
    vocabulary = json.loads((directory / "vocab.json").read_text())
    sources = json.loads(sentences.read_text(encoding="utf-8"))["source_ids"][:SENTENCES]
    with tempfile.TemporaryDirectory() as folder:
        converted = ctranslate2.converters.TransformersConverter(str(directory)).convert(
            f"{folder}/model"
        )
        peer = Peer(ctranslate2.Translator(converted, compute_type="float32"), vocabulary)
        golden = make(peer, sources)
    text = json.dumps(golden, separators=(",", ":"))
    destination.write_text(text.replace('{"options"', '\n{"options"') + "\n", encoding="utf-8")


class Peer:
    def __init__(self, translator: ctranslate2.Translator, vocabulary: dict[str, int]) -> None:
        self.translator, self.vocabulary = translator, vocabulary
        self.names = {number: token for token, number in vocabulary.items()}

    def tokens(self, ids: list[int]) -> list[str]:
        return [self.names[number] for number in ids]

    def search(self, source: list[int], prefix: list[int], options: dict) -> list[dict]:
        words = dict(options)
        if "end_token" in words:
            words["end_token"] = self.tokens(words["end_token"])
        if "suppress_sequences" in words:
            words["suppress_sequences"] = [self.tokens(one) for one in words["suppress_sequences"]]
        (result,) = self.translator.translate_batch(
            [self.tokens(source)],
            target_prefix=[self.tokens(prefix)] if prefix else None,
            return_scores=True,
            max_decoding_length=LONGEST,
            **words,
        )
        return [self.hypothesis(result, rank) for rank in range(len(result.hypotheses))]

    def hypothesis(self, result: ctranslate2.TranslationResult, rank: int) -> dict:
        found = {
            "tokens": [self.vocabulary[token] for token in result.hypotheses[rank]],
            "score": round(result.scores[rank], 6),
        }
        if result.attention:
            rows = result.attention[rank]
            found["attention"] = [[round(weight, 5) for weight in row] for row in rows]
        return found


def make(peer: Peer, sources: list[list[int]]) -> dict:
    plain = [peer.search(source, [], PLAIN) for source in sources]
    used = [token for found in plain for token in found[0]["tokens"]]
    by_use = sorted(set(used), key=lambda token: (-used.count(token), token))
    pairs = list(itertools.pairwise(used))
    values = {
        "suppress_sequences": {
            "common": [[by_use[0]], *sorted(set(pairs), key=lambda p: (-pairs.count(p), p))[:3]]
        },
        "end_token": {"common": by_use[1:3]},
    }
    return {
        "longest": LONGEST,
        "cases": [case(peer, sources, plain, options, values) for options in CASES],
        "scored": [
            score(peer, source, found[1]["tokens"])
            for source, found in zip(sources, plain, strict=True)
        ],
    }


def case(peer: Peer, sources: list, plain: list, options: dict, values: dict) -> dict:
    resolved = {
        name: values[name][value] if name in values else value for name, value in options.items()
    }
    prefixed = resolved.pop("target_prefix", None)
    prefixes = [found[1]["tokens"][:3] if prefixed else [] for found in plain]
    found = [
        peer.search(source, prefix, resolved)
        for source, prefix in zip(sources, prefixes, strict=True)
    ]
    return {"options": resolved, "prefixes": prefixes, "results": found}


def score(peer: Peer, source: list[int], target: list[int]) -> dict:
    (result,) = peer.translator.score_batch([peer.tokens(source)], [peer.tokens(target)])
    return {"tokens": target, "log_probs": [round(value, 5) for value in result.log_probs]}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
