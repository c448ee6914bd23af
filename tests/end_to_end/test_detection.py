"""Languages that the client does not know, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from libretranslatepy import LibreTranslateAPI

from model_export import pipeline
from service.opening import open_model_directory
from service.settings import (
    DecodingSettings,
    DetectionSettings,
    LimitSettings,
    ModelSettings,
    RuntimeSettings,
    Settings,
)
from tests.conftest import DATA, DEFAULT_MODEL
from tests.end_to_end.conftest import live_server
from tests.service.api.reversing import ReversingEngine, serving

FRENCH = "Où est la gare ? Je voudrais un café."
ENGLISH = "Where is the station? I would like a coffee."
AUTO = {"source": "auto", "target": "en"}


def translate(client: httpx.Client, **fields: Any) -> Any:
    reply = client.post("/translate", json=AUTO | fields)
    assert reply.status_code == 200, reply.text
    return reply.json()


def detect(client: httpx.Client, q: object) -> Any:
    reply = client.post("/detect", json={"q": q})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_text_is_translated_from_the_language_that_it_is_in(client: httpx.Client) -> None:
    found = translate(client, q="le chat dort dans la maison")
    assert found["translatedText"] == "maison la dans dort chat le"
    assert found["detectedLanguage"]["language"] == "fr"
    assert 90 <= found["detectedLanguage"]["confidence"] <= 100
    assert isinstance(found["detectedLanguage"]["confidence"], int)


def test_a_text_in_the_target_language_is_left_alone(
    client: httpx.Client, engine: ReversingEngine
) -> None:
    found = translate(client, q=ENGLISH, source="AUTO")
    assert found["translatedText"] == ENGLISH
    assert found["detectedLanguage"]["language"] == "en"
    assert engine.jobs == []


def test_each_text_of_a_list_has_its_own_language(client: httpx.Client) -> None:
    texts = [FRENCH, ENGLISH, "", "je ne sais pas", "😀\n"]
    found = translate(client, q=texts, alternatives=1, return_scores=True)
    reversed_french = " ".join(reversed(FRENCH.split(" ")))
    assert found["translatedText"] == [reversed_french, ENGLISH, "", "pas sais ne je", "😀\n"]
    languages = [one["language"] for one in found["detectedLanguage"]]
    assert languages == ["fr", "en", "en", "fr", "en"]
    assert found["detectedLanguage"][2] == {"confidence": 0, "language": "en"}
    assert [len(one) for one in found["alternatives"]] == [1, 0, 0, 1, 0]
    assert [len(one) for one in found["sentences"]] == [1, 0, 0, 1, 0]


def test_markup_is_in_no_language(client: httpx.Client) -> None:
    style = f"<style>/* {ENGLISH * 9} */</style>"
    plain, page = (
        translate(client, q=text, format=form)["detectedLanguage"]
        for text, form in ((FRENCH, "text"), (f'{style}<p class="the">{FRENCH}</p>', "html"))
    )
    assert page == plain


def test_prefixes_stay_with_their_texts(client: httpx.Client) -> None:
    texts = [ENGLISH, "le chat dort", "je ne sais pas"]
    found = translate(client, q=texts, target_prefix=["x", "y", "z"])
    assert found["translatedText"] == [ENGLISH, "y dort chat le", "z pas sais ne je"]


def test_only_what_the_model_serves_is_detected_and_a_guess_is_said_to_be_one(
    client: httpx.Client,
) -> None:
    russian = "Где находится железнодорожный вокзал?"
    assert translate(client, q=russian)["detectedLanguage"]["confidence"] == 0
    assert [one["confidence"] for one in detect(client, russian)] == [0]


def test_an_unsure_text_is_translated(client: httpx.Client) -> None:
    """By itself, chat may be of any language; English is only the most frequent one."""
    found = translate(client, q="chat")
    assert found["detectedLanguage"]["language"] != "en"
    assert found["detectedLanguage"]["confidence"] < 20


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"target": "zz"}, "zz is not supported"),
        ({"target": "auto"}, "auto is not supported"),
        ({"q": ""}, "Invalid request: missing q parameter"),
    ],
)
def test_what_is_refused(client: httpx.Client, fields: dict[str, str], error: str) -> None:
    reply = client.post("/translate", json=AUTO | {"q": "le chat"} | fields)
    assert (reply.status_code, reply.json()) == (400, {"error": error})


def test_detect(client: httpx.Client) -> None:
    (french, *_) = detect(client, FRENCH)
    assert french["language"] == "fr"
    assert french["confidence"] > 90
    assert detect(client, "12 345") == [{"confidence": 0, "language": "en"}]
    mixed = detect(client, [FRENCH, FRENCH, ENGLISH])
    assert [one["language"] for one in mixed] == ["fr", "en"]
    assert sum(one["confidence"] for one in mixed) <= 100
    form = client.post("/detect/", data={"q": ENGLISH, "api_key": "k"})
    assert form.json()[0]["language"] == "en"


def test_what_detect_refuses(client: httpx.Client) -> None:
    nothing: tuple[dict[str, Any], ...] = ({}, {"q": ""}, {"q": []})
    for fields in nothing:
        reply = client.post("/detect", json=fields)
        assert (reply.status_code, reply.json()) == (
            400,
            {"error": "Invalid request: missing q parameter"},
        )
    assert client.post("/detect", json={"q": 5}).json() == {
        "error": "Invalid request: q parameter must be a string or an array of strings"
    }
    assert client.get("/detect").status_code == 405


def test_detect_has_limits() -> None:
    settings = Settings(limits=LimitSettings(max_items=2, max_characters=10))
    with (
        live_server(settings, serving(ReversingEngine())) as url,
        httpx.Client(base_url=url) as client,
    ):
        for q, size, limit in ((["a", "b", "c"], 3, 2), ("a" * 11, 11, 10)):
            reply = client.post("/detect", json={"q": q})
            assert reply.status_code == 400
            assert reply.json() == {
                "error": f"Invalid request: request ({size}) exceeds text limit ({limit})"
            }


def test_it_can_be_turned_off() -> None:
    settings = Settings(detection=DetectionSettings(enabled=False))
    with (
        live_server(settings, serving(ReversingEngine())) as url,
        httpx.Client(base_url=url) as client,
    ):
        reply = client.post("/translate", json=AUTO | {"q": "le chat"})
        assert (reply.status_code, reply.json()) == (400, {"error": "auto is not supported"})
        reply = client.post("/detect", json={"q": "le chat"})
        assert reply.status_code == 403
        assert reply.json() == {"error": "Language detection is disabled on this server."}


def test_the_official_client_detects(url: str) -> None:
    api = LibreTranslateAPI(url)
    assert api.detect(FRENCH)[0]["language"] == "fr"
    assert api.translate("le chat dort dans la maison", "auto", "en") == (
        "maison la dans dort chat le"
    )


def test_with_the_default_model() -> None:
    settings = Settings(
        model=ModelSettings(directory=DEFAULT_MODEL), runtime=RuntimeSettings(threads=1)
    )
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        told, found = (
            translate(
                client,
                q=[FRENCH, ENGLISH, "Merci !"][: 3 if source == "auto" else 1],
                source=source,
            )
            for source in ("fr", "auto")
        )
        assert found["translatedText"][0] == told["translatedText"][0]
        assert found["translatedText"][1] == ENGLISH
        assert [one["language"] for one in found["detectedLanguage"]] == ["fr", "en", "fr"]


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    directory: Path = tmp_path_factory.mktemp("models") / "nllb"
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


def test_a_multilingual_model_is_given_each_texts_own_language(multilingual: httpx.Client) -> None:
    texts = {
        "fr": FRENCH,
        "de": "Wo ist der Bahnhof? Ich möchte einen Kaffee.",
        "zh-Hant": "請問火車站在哪裡？這個問題很難。",
        "ar": "أين تقع محطة القطار؟",
    }
    together = translate(multilingual, q=list(texts.values()))
    assert [one["language"] for one in together["detectedLanguage"]] == list(texts)
    alone = [
        translate(multilingual, q=text, source=source)["translatedText"]
        for source, text in texts.items()
    ]
    assert together["translatedText"] == alone


def test_what_is_wrong_in_any_language_is_told_once(multilingual: httpx.Client) -> None:
    body = AUTO | {"q": [FRENCH, "Wo ist der Bahnhof?"], "end_token": "no such token"}
    reply = multilingual.post("/translate", json=body)
    assert reply.status_code == 400
    assert "end_token" in reply.json()["error"]
