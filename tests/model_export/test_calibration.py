"""--calibration: ranges are measured on what the service gives the model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from model_export import calibration, package, pipeline, sources
from model_export.graph import Ranges
from model_export.spec import Checkpoint
from service.decoding.search import Target
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair
from service.text.tokenizer import ORPHANS_FOLLOW, Tokenizer
from tests import recurrent_models
from tests.conftest import DATA, TINY_MARIAN, golden

FRENCH_TO_ENGLISH = (LanguagePair(source="fr", target="en"),)
FAMILIES = {
    **dict.fromkeys(("m2m100", "mbart50", "nllb", "mbart", "bart"), FRENCH_TO_ENGLISH),
    "madlad": (LanguagePair(source="en", target="fr"),),
    "t5": (),  # those that it says itself
}
"""Those that are given more than the sentence: prompts, tokens of languages, forced tokens."""


def observe(checkpoint: Checkpoint, sentences: list[str], folder: Path) -> Ranges:
    written = package.write_tokenizers(folder, checkpoint)
    tokenizer = Tokenizer.load(folder / written.source, folder / written.target)
    return calibration.observe(checkpoint, tokenizer, checkpoint.pairs[0], sentences)


def observe_ids(
    checkpoint: Checkpoint, ids: list[list[int]], start: tuple[int, ...] = ()
) -> Ranges:
    tokens, limits = checkpoint.tokens, checkpoint.limits
    target = Target(tokens.start, tokens.end, limits.target_vocabulary, limits.max_target_tokens)
    return calibration.observe_ids(checkpoint.network, [tuple(one) for one in ids], target, start)


def same(one: Ranges, other: Ranges) -> bool:
    pairs = [*zip(one.encoder, other.encoder, strict=True)]
    pairs += zip(one.decoder, other.decoder, strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_ranges_are_those_of_the_sentences(tmp_path: Path) -> None:
    known, checkpoint = golden("tiny"), sources.load(TINY_MARIAN)
    found = observe(checkpoint, known["sentences"], tmp_path)
    assert same(found, observe_ids(checkpoint, known["source_ids"]))


@pytest.mark.parametrize("family", FAMILIES)
def test_models_are_given_what_the_service_gives_them(tmp_path: Path, family: str) -> None:
    """As transformers has it."""
    path = DATA / "families" / family
    known = json.loads((path / "golden.json").read_text(encoding="utf-8"))["sentences"]
    some = [one for one in known if one["pair"] == known[0]["pair"]]
    checkpoint = sources.load(path, FAMILIES[family])
    start = tuple(known[0]["tokens"][: len(checkpoint.conditioning.start)])
    expected = observe_ids(checkpoint, [one["source_ids"] for one in some], start)
    assert same(observe(checkpoint, [one["text"] for one in some], tmp_path), expected)


def convert(source: Path, destination: Path, sentences: list[str]) -> None:
    options = pipeline.ExportOptions(name="x", variants=["int8"], calibration=sentences)
    pipeline.convert(source, destination, options, lambda stage: None)
    ModelDirectory.open(destination).check()


def test_pieces_without_an_id_are_unknown(tmp_path: Path) -> None:
    source = Path(shutil.copytree(TINY_MARIAN, tmp_path / "checkpoint"))
    vocabulary: dict[str, int] = json.loads((source / "vocab.json").read_text(encoding="utf-8"))
    vocabulary["~"] = vocabulary.pop("é")
    (source / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    tokenizer = sources.load(source).source_tokenizer
    after = tokenizer.token_to_id(ORPHANS_FOLLOW)
    sentences = ["Un été, un canapé.", *golden("tiny")["sentences"]]
    assert after in range(max(tokenizer.encode(sentences[0]).ids))
    convert(source, tmp_path / "model", sentences)


def test_text_without_a_token_is_left_out(tmp_path: Path) -> None:
    sentences = [
        "a b zebra c",
        "zebra",
        *(" ".join("abcdefghijklmno"[i : i + 6]) for i in range(9)),
    ]
    made = recurrent_models.convert(
        "pytorch_tutorial", tmp_path, variants=["int8"], calibration=sentences
    )
    ModelDirectory.open(made).check()
