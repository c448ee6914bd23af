"""A small random model of each family, from its files to its translations.

The goldens are what transformers or Marian, and CTranslate2, made of the same files; see
tests/data/make_tiny_families.py and make_marian.py. "transformers" below is the former.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from model_export import pipeline
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair, Manifest
from service.runtime.seq2seq import OnnxSeq2Seq
from service.text.languages import Languages
from service.text.pipeline import TextPipeline
from service.text.tokenizer import Tokenizer
from tests.conftest import DATA, load

FAMILIES = sorted(path.name for path in (DATA / "families").iterdir())
LONGEST = 24
PAIRS: Mapping[str, tuple[LanguagePair, ...]] = {
    "mbart": (LanguagePair(source="fr", target="en"),),
    "bart": (LanguagePair(source="en", target="en"),),
    "pegasus": (LanguagePair(source="en", target="en"),),
    "mt5": (LanguagePair(source="fr", target="en"),),
    "marian-opus": (LanguagePair(source="fr", target="en"),),
    "marian-pre-norm": (LanguagePair(source="fr", target="en"),),
    "marian-student": (LanguagePair(source="fr", target="en"),),
    "marian-untied": (LanguagePair(source="fr", target="en"),),
}
"""What checkpoints do not say."""


@dataclass(frozen=True)
class Family:
    """A converted model and its goldens."""

    name: str
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

    def pair(self, own: list[str | None]) -> LanguagePair:
        """For the model's own names of its languages; any that will do where it has none."""
        manifest = self.manifest
        known = Languages(manifest.pairs, manifest.sources, manifest.targets, manifest.languages)
        first = manifest.first_pair
        if manifest.pairs:
            return first
        return known.resolve(own[0] or first.source, own[1] or first.target)

    @property
    def pairs(self) -> list[LanguagePair]:
        return [self.pair(one["pair"]) for one in self.golden["sentences"]]

    @property
    def sources(self) -> list[tuple[int, ...]]:
        return [tuple(one["source_ids"]) for one in self.golden["sentences"]]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    name = request.param
    source = DATA / "families" / name
    destination = tmp_path_factory.mktemp("models") / name
    options = pipeline.ExportOptions(name=name, pairs=PAIRS.get(name, ()))
    pipeline.convert(source, destination, options, lambda stage: None)
    golden = json.loads((source / "golden.json").read_text(encoding="utf-8"))
    return Family(name, destination, golden)


@pytest.fixture(scope="module")
def model(family: Family) -> OnnxSeq2Seq:
    return load(family.directory, "fp32")


def test_source_ids_are_those_of_transformers(family: Family) -> None:
    text, pair = family.text, family.pair(family.golden["sentences"][0]["pair"])
    lines = _lines()
    found = [text.encode_whole(line, pair) for line in lines]
    different = [
        (line, ids, expected)
        for line, ids, expected in zip(lines, found, family.golden["lines"], strict=True)
        if list(ids or ()) != expected
    ]
    assert different == []


def _lines() -> list[str]:
    texts = ((DATA / "text" / f"tatoeba.{side}").read_text("utf-8") for side in ("fr", "en"))
    lines = [line for text in texts for line in text.splitlines()[:60]]
    others: list[str] = json.loads((DATA / "families-lines.json").read_text(encoding="utf-8"))
    return lines + others


def test_every_pair_has_its_source_ids(family: Family) -> None:
    for one, pair in zip(family.golden["sentences"], family.pairs, strict=True):
        assert list(family.text.encode_whole(one["text"], pair) or ()) == one["source_ids"]


def test_greedy_tokens_and_log_probs_are_those_of_transformers(
    family: Family, model: OnnxSeq2Seq
) -> None:
    """In one batch, in which target languages differ; and alone."""
    starts = [family.text.start(pair) for pair in family.pairs]
    options = [
        DecodingOptions(
            beam_size=1, max_decoding_length=LONGEST, min_decoding_length=0, start=start
        )
        for start in starts
    ]
    together = decode(model, family.sources, options, model.target)
    for index, one in enumerate(family.golden["sentences"]):
        (alone,) = decode(model, family.sources[index : index + 1], [options[index]], model.target)
        assert alone == together[index]
        end = [model.target.end] if one["tokens"][-1] == model.target.end else []
        assert [*starts[index], *together[index][0].target_ids, *end] == one["tokens"]
    asked = [
        DecodingOptions(scored_target=best.target_ids, start=start)
        for (best,), start in zip(together, starts, strict=True)
    ]
    scored = decode(model, family.sources, asked, model.target)
    for (found,), one, start in zip(scored, family.golden["sentences"], starts, strict=True):
        expected = one["log_probs"][len(start) :]
        assert found.log_probs[: len(expected)] == pytest.approx(expected, abs=1e-4)


def test_decoded_text_is_that_of_transformers(family: Family) -> None:
    for one in family.golden["sentences"]:
        start = len(family.text.start(family.pair(one["pair"])))
        tokens = [token for token in one["tokens"][start:] if token != family.manifest.tokens.end]
        assert family.text.decode([tokens]) == [one["decoded"]]


@pytest.mark.parametrize("number", range(4))
def test_beams_are_those_of_ctranslate2(family: Family, model: OnnxSeq2Seq, number: int) -> None:
    if not family.golden["ctranslate2"]:
        pytest.skip("CTranslate2 has no SSRU")
    expected = family.golden["ctranslate2"][number]
    starts = [family.text.start(pair) for pair in family.pairs]
    options = [
        DecodingOptions(**{"max_decoding_length": LONGEST, **expected["options"]}, start=start)
        for start in starts
    ]
    found = decode(model, family.sources, options, model.target)
    for hypotheses, results, start in zip(found, expected["results"], starts, strict=True):
        ours = [[*start, *one.target_ids] for one in hypotheses]
        assert ours == [one["tokens"] for one in results]
        scores = [one["score"] for one in results]
        assert [one.score for one in hypotheses] == pytest.approx(scores, abs=1e-4)


def test_int8_and_its_company(family: Family) -> None:
    int8 = load(family.directory, "int8")
    options = [
        DecodingOptions(beam_size=3, max_decoding_length=LONGEST, start=family.text.start(pair))
        for pair in family.pairs
    ]
    together = decode(int8, family.sources, options, int8.target)
    for source, own, expected in zip(family.sources, options, together, strict=True):
        assert decode(int8, [source], [own], int8.target) == [expected]
