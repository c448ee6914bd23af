"""The system that the project began with: an LSTM with attention, trained in Keras on a small set
of French and English sentences, served as any other model."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.decoding.search import decode
from service.domain import DecodingOptions
from service.opening import open_model_directory
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair
from service.runtime.seq2seq import OnnxSeq2Seq
from service.settings import ModelSettings, RuntimeSettings, Settings
from tests.conftest import DEFAULT_MODEL, golden, load
from tests.end_to_end.conftest import FR_EN, live_server

ROOT = Path(__file__).parents[2]
LSTM = DEFAULT_MODEL.with_name("fr-en-lstm")
GOLDEN = golden("fr-en-lstm")
SOURCES = [tuple(ids) for ids in GOLDEN["source_ids"]]


@pytest.fixture(scope="module")
def served() -> OnnxSeq2Seq:
    return load(LSTM, "int8")


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    settings = Settings(
        model=ModelSettings(directory=LSTM), runtime=RuntimeSettings(engine="thread")
    )
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def translate(client: httpx.Client, q: object, **more: Any) -> Any:
    response = client.post("/translate", json={"q": q, **FR_EN, **more})
    assert response.status_code == 200, response.text
    return response.json()


def test_its_files_are_those_of_its_manifest() -> None:
    directory = ModelDirectory.open(LSTM)
    directory.check()
    manifest = directory.manifest
    assert manifest.provenance.source_kind == "keras"
    assert manifest.licence
    assert {score.test_set for score in manifest.scores} >= {"tatoeba-dev"}


def test_its_source_ids_are_the_recipes() -> None:
    with open_model_directory(Settings(model=ModelSettings(directory=LSTM))) as model:
        pair = LanguagePair(source="fr", target="en")
        found = [model.text.encode(sentence, pair)[0][1] for sentence in GOLDEN["sentences"]]
    assert found == SOURCES


def test_int8_stays_close_to_keras(served: OnnxSeq2Seq) -> None:
    options = DecodingOptions(beam_size=1, max_decoding_length=40)
    found = decode(served, SOURCES, [options] * len(SOURCES), served.target)
    equal = [
        list(best.target_ids) == tokens
        for (best,), tokens in zip(found, GOLDEN["keras"], strict=True)
    ]
    assert sum(equal) >= 0.85 * len(equal)


def test_everyday_sentences_are_translated(client: httpx.Client) -> None:
    texts = GOLDEN["sentences"]
    found = translate(client, texts, beam_size=1)["translatedText"]
    assert sum(a == b for a, b in zip(found, GOLDEN["texts"], strict=True)) >= 0.85 * len(texts)


def test_the_attention_is_kerass(client: httpx.Client) -> None:
    (sentence,) = translate(client, GOLDEN["sentences"][0], beam_size=1, return_attention=True)[
        "sentences"
    ]
    (best,) = sentence["translations"]
    expected = GOLDEN["attention"][: len(best["tokens"])]
    assert [len(row) for row in best["attention"]] == [len(row) for row in expected]
    assert (
        max(
            abs(a - b)
            for rows in zip(best["attention"], expected, strict=True)
            for a, b in zip(*rows, strict=True)
        )
        < 0.1
    )  # int8
    # English and French say these words in about the same order.
    rising = [b >= a for a, b in pairwise(best["alignment"])]
    assert sum(rising) > len(rising) / 2


def named_tests(table: str) -> set[tuple[str, str]]:
    """(file, function) of each test that is named in the text."""
    return set(re.findall(r"\[`(test_\w+)`\]\((tests/[\w/]+\.py)\)", table))


def test_every_test_that_the_readme_names_for_it_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("### The system that this project began with")[1].split("\n#")[0]
    named = named_tests(section)
    assert len(named) >= 6
    for name, file in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
