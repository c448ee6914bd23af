"""Small random models of OpenNMT-py, Eole and fairseq, from their files to their translations.

The goldens are what the toolkits and CTranslate2 made of the same files; see
tests/data/make_tiny_toolkits.py. Pickles are read where torch is installed, as by make test-train.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from model_export import pipeline, sources
from model_export.vocabulary_files import TextOptions
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair, Manifest
from service.runtime.seq2seq import OnnxSeq2Seq
from service.text.pipeline import TextPipeline
from service.text.tokenizer import Tokenizer
from tests.conftest import DATA, load
from tests.model_export.test_support import README, row

TOOLKITS = DATA / "toolkits"
LONGEST = 24
PAIR = LanguagePair(source="fr", target="en")
UNIGRAM, BPE = (
    DATA / "families" / family / "sentencepiece.bpe.model" for family in ("mbart", "m2m100")
)
PLAIN = DATA / "families" / "mbart50" / "sentencepiece.bpe.model"
PICKLED = {
    "opennmt-py": "model_step_1.pt",
    "opennmt-py-rms": "model_step_1.pt",
    "fairseq": "checkpoint_best.pt",
    "fairseq-prenorm": "checkpoint_best.pt",
}
"""Files that only torch reads."""
HAS_TORCH = importlib.util.find_spec("torch") is not None
MODELS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(name in PICKLED and not HAS_TORCH, reason="a pickle needs torch"),
    )
    for name in sorted(path.name for path in TOOLKITS.iterdir())
]


def checkpoint(name: str) -> Path:
    """What is converted."""
    return TOOLKITS / name / PICKLED.get(name, "")


def told(name: str) -> TextOptions:
    """What the command line says of its text."""
    if name.startswith("eole"):  # which has SentencePiece's models beside it
        return TextOptions()
    two = name in ("opennmt-py-rms", "fairseq-prenorm")
    return TextOptions(PLAIN if name.startswith("fairseq") else UNIGRAM, BPE if two else None)


@dataclass(frozen=True)
class Toolkit:
    """A converted model and its goldens."""

    directory: Path
    golden: dict[str, Any]

    @property
    def manifest(self) -> Manifest:
        return ModelDirectory.open(self.directory).manifest

    @property
    def text(self) -> TextPipeline:
        manifest = self.manifest
        names = manifest.tokenizers
        return TextPipeline(
            Tokenizer.load(self.directory / names.source, self.directory / names.target),
            manifest.limits.max_source_tokens,
            manifest.conditioning,
            manifest.languages,
        )

    @property
    def sources(self) -> list[tuple[int, ...]]:
        return [tuple(one["source_ids"]) for one in self.golden["sentences"]]


@pytest.fixture(scope="module", params=MODELS)
def toolkit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Toolkit:
    name = request.param
    destination = tmp_path_factory.mktemp("models") / name
    options = pipeline.ExportOptions(name=name, pairs=(PAIR,), text=told(name))
    pipeline.convert(checkpoint(name), destination, options, lambda stage: None)
    golden = json.loads((TOOLKITS / name / "golden.json").read_text(encoding="utf-8"))
    return Toolkit(destination, golden)


@pytest.fixture(scope="module")
def model(toolkit: Toolkit) -> OnnxSeq2Seq:
    return load(toolkit.directory, "fp32")


def test_source_ids_are_those_of_the_toolkit(toolkit: Toolkit) -> None:
    text = toolkit.text
    texts = ((DATA / "text" / f"tatoeba.{side}").read_text("utf-8") for side in ("fr", "en"))
    lines = [line for one in texts for line in one.splitlines()[:60]] + toolkit.golden["others"]
    longest = toolkit.manifest.limits.max_source_tokens
    different = [
        (line, ids, expected)
        for line, expected in zip(lines, toolkit.golden["lines"], strict=True)
        if len(expected) <= longest and list(ids := text.encode_whole(line, PAIR) or ()) != expected
    ]
    assert different == []


def test_greedy_tokens_and_log_probs_are_those_of_the_toolkit(
    toolkit: Toolkit, model: OnnxSeq2Seq
) -> None:
    """In one batch, and alone."""
    greedy = DecodingOptions(beam_size=1, max_decoding_length=LONGEST, min_decoding_length=0)
    together = decode(model, toolkit.sources, [greedy] * len(toolkit.sources), model.target)
    for index, one in enumerate(toolkit.golden["sentences"]):
        (alone,) = decode(model, toolkit.sources[index : index + 1], [greedy], model.target)
        assert alone == together[index]
        end = [model.target.end] if one["tokens"][-1] == model.target.end else []
        assert [*together[index][0].target_ids, *end] == one["tokens"]
    asked = [DecodingOptions(scored_target=best.target_ids) for (best,) in together]
    scored = decode(model, toolkit.sources, asked, model.target)
    for (found,), one in zip(scored, toolkit.golden["sentences"], strict=True):
        expected = one["log_probs"]
        assert found.log_probs[: len(expected)] == pytest.approx(expected, abs=1e-4)


def test_decoded_text_is_that_of_the_toolkit(toolkit: Toolkit) -> None:
    for one in toolkit.golden["sentences"]:
        tokens = [token for token in one["tokens"] if token != toolkit.manifest.tokens.end]
        assert toolkit.text.decode([tokens]) == [one["decoded"]]


@pytest.mark.parametrize("number", range(4))
def test_beams_are_those_of_ctranslate2(toolkit: Toolkit, model: OnnxSeq2Seq, number: int) -> None:
    if not toolkit.golden["ctranslate2"]:
        pytest.skip("CTranslate2 does not convert it")
    expected = toolkit.golden["ctranslate2"][number]
    options = DecodingOptions(**{"max_decoding_length": LONGEST, **expected["options"]})
    found = decode(model, toolkit.sources, [options] * len(toolkit.sources), model.target)
    for hypotheses, results in zip(found, expected["results"], strict=True):
        assert [list(one.target_ids) for one in hypotheses] == [one["tokens"] for one in results]
        scores = [one["score"] for one in results]
        assert [one.score for one in hypotheses] == pytest.approx(scores, abs=1e-4)


def test_int8_and_its_company(toolkit: Toolkit) -> None:
    int8 = load(toolkit.directory, "int8")
    options = [DecodingOptions(beam_size=3, max_decoding_length=LONGEST)] * len(toolkit.sources)
    together = decode(int8, toolkit.sources, options, int8.target)
    for source, expected in zip(toolkit.sources, together, strict=True):
        assert decode(int8, [source], options[:1], int8.target) == [expected]


ROWS = {
    "opennmt-py": "OpenNMT-py, by default",
    "opennmt-py-rms": "OpenNMT-py, `layer_norm: rms`, `pos_ffn_activation_fn: silu`",
    "eole": "Eole, by default",
    "fairseq": "fairseq, by default",
    "fairseq-prenorm": "fairseq, `encoder_normalize_before`, `layernorm_embedding`",
    "eole-learned": "Eole, `layer_norm: rms`, `mlp_activation_fn: gated-gelu`",
}


@pytest.mark.parametrize("name", MODELS)
def test_the_readme_says_what_the_toolkits_have(name: str) -> None:
    found = sources.load(checkpoint(name), (PAIR,), told(name))
    line = row(ROWS[name], found)
    assert line in README.read_text(encoding="utf-8"), line
