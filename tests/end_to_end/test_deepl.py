"""DeepL's own client, and others that speak its API, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import deepl
import httpx
import pytest
from deepl.api_data import WriteResult

from service.access.keys import Key, digest, write
from service.package.manifest import LanguagePair
from service.settings import AccessSettings, DetectionSettings, LimitSettings, Settings
from tests.end_to_end.conftest import live_server, until
from tests.service.api.reversing import PAIRS, ReversingEngine, serving

FRENCH = "je ne sais pas"
ENGLISH = "I do not know where the station is."


@pytest.fixture
def translator(url: str) -> Iterator[deepl.DeepLClient]:
    with closing(deepl.DeepLClient("any:fx", server_url=url)) as translator:
        yield translator


def message(reply: httpx.Response, status: int) -> str:
    assert reply.status_code == status, reply.text
    assert list(reply.json()) == ["message"]
    text: str = reply.json()["message"]
    return text


def translate(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post("/v2/translate", json={"text": [FRENCH], "target_lang": "EN"} | fields)


def test_the_official_client_translates(translator: deepl.DeepLClient) -> None:
    one = translator.translate_text(FRENCH, source_lang="FR", target_lang="EN-US")
    assert isinstance(one, deepl.TextResult)
    assert (one.text, one.detected_source_lang) == ("pas sais ne je", "FR")
    assert one.billed_characters == len(FRENCH)
    assert one.model_type_used is None


def test_the_official_client_lets_languages_be_detected(translator: deepl.DeepLClient) -> None:
    found = translator.translate_text([FRENCH, ENGLISH, "le chat\ndort"], target_lang="EN-GB")
    assert isinstance(found, list)
    assert [one.text for one in found] == ["pas sais ne je", ENGLISH, "chat le\ndort"]
    assert [one.detected_source_lang for one in found] == ["FR", "EN", "FR"]


def test_the_official_clients_options(translator: deepl.DeepLClient) -> None:
    one = translator.translate_text(
        FRENCH,
        target_lang="DE",
        context="about trains",
        split_sentences="1",
        preserve_formatting=True,
        formality="prefer_more",
        model_type="prefer_quality_optimized",
        extra_body_parameters={"something": "new"},
    )
    assert isinstance(one, deepl.TextResult)
    assert (one.text, one.model_type_used) == ("pas sais ne je", "latency_optimized")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"formality": "more"}, "'formality' is not supported for given 'target_lang'."),
        ({"split_sentences": "2"}, "Value for 'split_sentences' not supported."),
        ({"model_type": "quality_optimized"}, "Value for 'model_type' not supported."),
        ({"tag_handling": "sgml"}, "Value for 'tag_handling' not supported."),
        ({"custom_instructions": ["a"]}, "Parameter 'custom_instructions' is not supported here."),
    ],
)
def test_what_the_official_client_is_refused(
    translator: deepl.DeepLClient, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(deepl.DeepLException, match=says.replace(".", r"\.")) as caught:
        translator.translate_text(FRENCH, target_lang="DE", **options)
    assert caught.value.http_status_code == 400


def test_the_official_client_lists_languages(translator: deepl.DeepLClient) -> None:
    assert [(one.code, one.name) for one in translator.get_source_languages()] == [("FR", "French")]
    targets = translator.get_target_languages()
    assert [one.code for one in targets] == ["DE", "EN-GB", "EN-US"]
    assert [one.supports_formality for one in targets] == [False] * 3
    assert targets[1].name == "English (United Kingdom)"


def test_the_official_client_has_texts_rewritten() -> None:
    pairs = [*PAIRS, *(LanguagePair(source=code, target=code) for code in ("en", "fr"))]
    with (
        live_server(Settings(), serving(ReversingEngine(), pairs)) as url,
        closing(deepl.DeepLClient("any:fx", server_url=url)) as client,
    ):
        one = client.rephrase_text(ENGLISH, target_lang="EN-US", tone="prefer_friendly")
        assert isinstance(one, WriteResult)
        assert one.text == "is. station the where know not do I"
        assert (one.detected_source_language, one.target_language) == ("EN", "EN-US")
        several = client.correct_text([FRENCH, ENGLISH, FRENCH])
        assert isinstance(several, list)
        assert [improved.text for improved in several] == [
            "pas sais ne je",
            one.text,
            "pas sais ne je",
        ]
        assert [improved.target_language for improved in several] == ["FR", "EN", "FR"]
        assert client.get_usage().character.count == 2 * len(ENGLISH) + 2 * len(FRENCH)


def test_texts_that_are_refused_cost_nothing(tmp_path: Path) -> None:
    """Nor do those of one language where the key has too few characters left for the others."""
    pairs = [LanguagePair(source=code, target=code) for code in ("en", "fr")]
    most = len(ENGLISH) + len(FRENCH) - 1
    file = tmp_path / "keys"
    write(file, [Key(name="a", sha256=digest("secret"), characters_per_month=most)])
    settings = Settings(access=AccessSettings(keys_file=file))
    with (
        live_server(settings, serving(ReversingEngine(), pairs)) as url,
        httpx.Client(base_url=url, headers={"X-API-Key": "secret"}) as client,
    ):
        refused = client.post("/v2/write/rephrase", json={"text": [FRENCH, ENGLISH]})
        assert message(refused, 456).startswith("Quota exceeded")
        assert client.get("/v2/usage").json()["character_count"] == 0
        assert client.post("/v2/write/rephrase", json={"text": [ENGLISH]}).status_code == 200
        assert client.get("/v2/usage").json()["character_count"] == len(ENGLISH)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text": ["a"], "target_lang": "DE"}, "There is no model here that rewrites DE."),
        ({"text": [FRENCH]}, "There is no model here that rewrites FR."),
        ({"text": ["a"], "target_lang": "XX"}, "Value for 'target_lang': XX is not supported."),
        ({"text": ["a"], "writing_style": "casual"}, "Value for 'writing_style' not supported."),
        ({"text": []}, "Parameter 'text' not specified."),
        ({"text": 3}, "Value for 'text' not supported."),
    ],
)
def test_what_is_not_rewritten(client: httpx.Client, fields: dict[str, Any], says: str) -> None:
    for path in ("/v2/write/rephrase", "/v2/write/correct"):
        assert message(client.post(path, json=fields), 400) == says


def test_too_much_to_rewrite() -> None:
    pairs = [LanguagePair(source="en", target="en")]
    limits = LimitSettings(max_items=2)
    settings = Settings(limits=limits, detection=DetectionSettings(enabled=False))
    with (
        live_server(settings, serving(ReversingEngine(), pairs)) as url,
        httpx.Client(base_url=url) as client,
    ):
        body = {"text": ["a"] * 3, "target_lang": "EN"}
        assert message(client.post("/v2/write/rephrase", json=body), 413).startswith("More than 2")
        del body["target_lang"]
        body["text"] = ["a"]
        assert "not detected" in message(client.post("/v2/write/rephrase", json=body), 400)


def test_the_official_client_finds_no_style_rules_or_memories(
    translator: deepl.DeepLClient,
) -> None:
    assert translator.get_all_style_rules(page=0, page_size=5) == []
    assert translator.list_translation_memories() == []
    with pytest.raises(deepl.DeepLException):
        translator.create_style_rule("polite", "EN")


def test_the_official_client_learns_the_usage(translator: deepl.DeepLClient) -> None:
    assert translator.get_usage().character.count == 0
    translator.translate_text([FRENCH, "é"], source_lang="FR", target_lang="DE")
    usage = translator.get_usage()
    assert usage.character.count == len(FRENCH) + 1
    assert not usage.any_limit_reached


def test_forms(client: httpx.Client) -> None:
    """As Weblate and Mastodon did before DeepL took JSON; EN is a target to them."""
    headers = {"Authorization": "DeepL-Auth-Key k"}
    form = {"text": [FRENCH, "le chat"], "source_lang": "FR", "target_lang": "EN"}
    reply = client.post("/v2/translate", data=form, headers=headers)
    assert reply.json() == {
        "translations": [
            {"detected_source_language": "FR", "text": "pas sais ne je"},
            {"detected_source_language": "FR", "text": "chat le"},
        ]
    }
    assert reply.headers["X-Trace-ID"] == reply.headers["X-Request-ID"]
    targets = client.get("/v2/languages", params={"type": "target"}, headers=headers).json()
    assert {"language": "DE", "name": "German", "supports_formality": False} in targets


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "0"}])
def test_a_get_may_name_the_type_of_a_body_that_it_has_not(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    headers = headers | {"Content-Type": "application/json"}
    targets = client.get("/v2/languages?type=target", headers=headers).json()
    assert {"language": "DE", "name": "German", "supports_formality": False} in targets
    assert "Invalid JSON" in message(client.post("/v2/translate", headers=headers), 400)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text": []}, "Parameter 'text' not specified."),
        ({"text": None}, "Parameter 'text' not specified."),
        ({"target_lang": ""}, "Parameter 'target_lang' not specified."),
        ({"text": [5]}, "Value for 'text' not supported."),
        ({"target_lang": 5}, "Value for 'target_lang' not supported."),
        ({"target_lang": "ZZ"}, "ZZ is not supported"),
        ({"source_lang": "ZZ"}, "ZZ is not supported"),
        ({"source_lang": "EN", "target_lang": "DE"}, "German (de) is not available"),
    ],
)
def test_what_is_refused(client: httpx.Client, fields: dict[str, Any], says: str) -> None:
    assert says in message(translate(client, **fields), 400)


def test_errors_outside_of_the_routes_are_in_its_words(client: httpx.Client) -> None:
    assert message(client.get("/v2/nothing"), 404) == "Not Found"
    assert message(client.get("/v2/translate"), 405) == "Method Not Allowed"
    assert "Invalid JSON" in message(
        client.post("/v2/translate", content="{", headers={"Content-Type": "application/json"}), 400
    )
    assert message(client.get("/v2/languages?type=x"), 400) == "Value for 'type' not supported."
    assert "error" in client.get("/nothing").json()


def test_too_much_is_413() -> None:
    limits = LimitSettings(max_items=2, max_characters=100, max_body_bytes=1000)
    with (
        live_server(Settings(limits=limits), serving(ReversingEngine())) as url,
        httpx.Client(base_url=url) as client,
    ):
        assert "2 texts" in message(translate(client, text=["a", "b", "c"]), 413)
        assert "100 characters" in message(translate(client, text=["a" * 101]), 413)
        assert "1000 bytes" in message(translate(client, text=["a" * 1001]), 413)


def test_a_full_service_says_when_to_come_back(
    client: httpx.Client, url: str, engine: ReversingEngine
) -> None:
    """At most three texts may wait here."""
    engine.hold()
    with ThreadPoolExecutor() as threads:
        body = {"text": ["un", "deux", "trois"], "source_lang": "FR", "target_lang": "EN"}
        accepted = threads.submit(httpx.post, f"{url}/v2/translate", json=body)
        until(lambda: engine.waiting == 3)
        refused = translate(client)
        assert "waiting" in message(refused, 503)
        assert refused.headers["Retry-After"]
        engine.release()
        assert accepted.result().status_code == 200


def test_without_detection_the_language_must_be_said() -> None:
    settings = Settings(detection=DetectionSettings(enabled=False))
    with (
        live_server(settings, serving(ReversingEngine())) as url,
        httpx.Client(base_url=url) as client,
    ):
        assert "source_lang" in message(translate(client), 400)
        assert translate(client, source_lang="FR").status_code == 200
