"""A multilingual model over HTTP: languages per request, in batches that mix them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from model_export import pipeline
from service.opening import open_model_directory
from service.package.manifest import LanguagePair
from service.settings import DecodingSettings, ModelSettings, RuntimeSettings, Settings
from tests.conftest import DATA
from tests.end_to_end.conftest import live_server

TEXTS = ("Où est la gare ?", "Je voudrais un café. Merci !", "Il pleut.")
TARGETS = ("en", "zh-Hant", "deu_Latn", "pt-br")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    directory = tmp_path_factory.mktemp("models") / "nllb"
    options = pipeline.ExportOptions(name="nllb", variants=["fp32"])
    pipeline.convert(DATA / "families" / "nllb", directory, options, lambda stage: None)
    settings = Settings(
        model=ModelSettings(directory=directory),
        runtime=RuntimeSettings(threads=1),
        decoding=DecodingSettings(max_decoding_length=12, retry_repetitions=False),
    )
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def translate(client: httpx.Client, **fields: Any) -> Any:
    body = {"source": "fr", "beam_size": 3, "return_scores": True, **fields}
    return client.post("/translate", json=body).raise_for_status().json()


def test_all_languages_are_listed_with_all_others(client: httpx.Client) -> None:
    listed = {one["code"]: one for one in client.get("/languages").raise_for_status().json()}
    assert len(listed) == 202
    assert listed["zh-Hant"]["name"] == "Chinese (Traditional)"
    assert all(len(one["targets"]) == 202 for one in listed.values())


def test_a_target_language_does_not_depend_on_others_in_the_batch(client: httpx.Client) -> None:
    asked = [{"q": text, "target": target} for text in TEXTS for target in TARGETS]
    alone = [translate(client, **one, sampling_seed=1) for one in asked]
    with ThreadPoolExecutor(len(asked)) as pool:
        together = list(pool.map(lambda one: translate(client, **one, sampling_seed=2), asked))
    assert together == alone
    assert len({reply["translatedText"] for reply in alone[: len(TARGETS)]}) > 1


@pytest.mark.parametrize(("one", "other"), [("fr", "fra_Latn"), ("zt", "zho_Hant"), ("deu", "de")])
def test_names_of_the_same_language(client: httpx.Client, one: str, other: str) -> None:
    text = TEXTS[0]
    assert translate(client, q=text, source="en", target=one) == translate(
        client, q=text, source="eng_Latn", target=other
    )


def test_a_language_that_the_model_lacks(client: httpx.Client) -> None:
    reply = client.post("/translate", json={"q": "a", "source": "fr", "target": "tlh"})
    assert reply.status_code == 400
    assert reply.json() == {"error": "tlh is not supported"}


@pytest.mark.parametrize(
    "options",
    [
        {"beam_size": 1},
        {"num_hypotheses": 3, "return_alternatives": True},
        {"target_prefix": "a", "num_hypotheses": 2},
        {"target_prefix": "a", "prefix_bias_beta": 0.3},
        {"sampling_topk": 0, "sampling_seed": 3},
        {"beam_size": 1, "sampling_topk": 3, "num_hypotheses": 3},
        {"coverage_penalty": 0.2},
        {"no_repeat_ngram_size": 2, "repetition_penalty": 1.4},
        {"selection": "mbr"},
    ],
)
def test_the_language_is_no_part_of_the_translation(
    client: httpx.Client, options: dict[str, Any]
) -> None:
    """Whatever is asked for: neither in the text, nor among the tokens and what they attend to."""
    reply = translate(client, q=TEXTS[0], target="en", return_attention=True, **options)
    (sentence,) = reply["sentences"]
    assert sentence["source_tokens"][0] == "fra_Latn"
    assert sentence["source_tokens"][-1] == "</s>"
    for one in sentence["translations"]:
        assert "eng_Latn" not in one["tokens"][:1]
        assert len(one["attention"]) == len(one["tokens"])
        assert all(len(row) == len(sentence["source_tokens"]) for row in one["attention"])
        if "target_prefix" in options and "prefix_bias_beta" not in options:
            assert "".join(one["tokens"]).startswith("▁a")


def test_scores_are_of_the_translation_alone(client: httpx.Client) -> None:
    body = {"q": TEXTS[0], "translation": "a e", "source": "fr", "target": "en"}
    scored = client.post("/score", json=body).raise_for_status().json()
    assert scored["tokens"][-1] == "</s>"
    assert "eng_Latn" not in scored["tokens"]
    assert len(scored["tokens"]) == len(scored["log_probs"])
    other = client.post("/score", json=body | {"target": "de"}).raise_for_status().json()
    assert other["tokens"] == scored["tokens"]
    assert other["score"] != scored["score"]


def test_the_converter_takes_pairs_of_a_multilingual_model(tmp_path: Path) -> None:
    source = DATA / "families" / "nllb"
    pair = LanguagePair(source="fr", target="en")
    options = pipeline.ExportOptions(name="x", variants=["fp32"], pairs=(pair,))
    manifest = pipeline.convert(source, tmp_path / "model", options, lambda stage: None)
    assert (manifest.pairs, manifest.sources, list(manifest.languages)) == (
        [pair],
        [],
        ["en", "fr"],
    )
