"""LibreTranslate's API as its clients use it, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from libretranslatepy import LibreTranslateAPI

from service.app import create_app
from service.documents.file_types import MEDIA_TYPES
from service.errors import InvalidSettings
from service.settings import DetectionSettings, LimitSettings, Settings, SuggestionSettings
from tests.end_to_end.conftest import FR_EN, full_disk, live_server
from tests.service.api.reversing import ReversingEngine, serving

FRENCH = "je ne sais pas"
SUGGESTION = {"q": "Le chat « dort »", "s": "The cat\nsleeps", "source": "fr", "target": "en"}


def error(reply: httpx.Response, status: int) -> str:
    assert reply.status_code == status, reply.text
    assert list(reply.json()) == ["error"]
    message: str = reply.json()["error"]
    return message


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "suggestions.jsonl"


@pytest.fixture
def taking(file: Path) -> Iterator[httpx.Client]:
    """A service that takes suggestions."""
    settings = Settings(suggestions=SuggestionSettings(file=file, max_mb=1))
    with (
        live_server(settings, serving(ReversingEngine())) as url,
        httpx.Client(base_url=url) as client,
    ):
        yield client


def test_every_method_of_the_official_client(url: str) -> None:
    for api in (LibreTranslateAPI(url), LibreTranslateAPI(url, api_key="k & é")):
        assert api.translate(FRENCH, "fr", "en") == "pas sais ne je"
        assert api.translate(FRENCH, "auto", "en") == "pas sais ne je"
        assert api.detect(FRENCH)[0]["language"] == "fr"
        assert [one["code"] for one in api.languages()] == ["de", "en", "fr"]


def test_weblate(client: httpx.Client) -> None:
    """GET /languages, then a form; several texts repeat q."""
    listed = [one["code"] for one in client.get("/languages").json()]
    form: dict[str, Any] = {"api_key": "", "source": "fr", "target": "en"}
    assert {form["source"], form["target"]} <= set(listed)
    reply = client.post("/translate", data=form | {"q": FRENCH})
    assert reply.json() == {"translatedText": "pas sais ne je"}
    reply = client.post("/translate", data=form | {"q": [FRENCH, "le chat"]})
    assert reply.json() == {"translatedText": ["pas sais ne je", "chat le"]}
    reply = client.post("/translate", json=form | {"q": [FRENCH], "api_key": None})
    assert reply.json() == {"translatedText": ["pas sais ne je"]}


def test_mastodon(client: httpx.Client) -> None:
    """JSON; null as key, auto where a post has no language, as many answers as texts."""
    body = {"q": [FRENCH, "", "le chat dort"], "target": "en", "format": "text", "api_key": None}
    for source in ("fr", "auto"):
        reply = client.post(
            "/translate",
            content=json.dumps(body | {"source": source}),
            headers={"Content-Type": "application/json"},
        )
        found = reply.json()
        assert found["translatedText"] == ["pas sais ne je", "", "dort chat le"]
        if source == "auto":
            assert [one["language"] for one in found["detectedLanguage"]] == ["fr", "en", "fr"]
        else:
            assert "detectedLanguage" not in found


def test_discourse(client: httpx.Client) -> None:
    """Forms: a detection, the languages, and a translation from what was detected."""

    def form(path: str, **fields: str) -> Any:
        reply = client.post(
            path,
            content=urlencode(fields | {"api_key": ""}),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert reply.status_code == 200
        return reply.json()

    text = f"{FRENCH} & le chat\nne sait pas"
    source = form("/detect", q=text)[0]["language"]
    assert {source, "en"} <= {one["code"] for one in client.get("/languages").json()}
    found = form("/translate", q=text, source=source, target="en", format="text")
    assert found["translatedText"] == "chat le & pas sais ne je\npas sait ne"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"q": None}, "Invalid request: missing q parameter"),
        ({"q": ""}, "Invalid request: missing q parameter"),
        ({"q": []}, "Invalid request: missing q parameter"),
        ({"source": None}, "Invalid request: missing source parameter"),
        ({"target": ""}, "Invalid request: missing target parameter"),
        ({"q": "", "source": "", "target": ""}, "Invalid request: missing q parameter"),
        ({"source": "zz"}, "zz is not supported"),
        ({"target": "zz"}, "zz is not supported"),
        ({"format": "xyz"}, "xyz format is not supported"),
        ({"alternatives": "x"}, "Invalid request: alternatives parameter is not a number"),
        ({"alternatives": 99}, "Invalid request: alternatives parameter must be <= 15"),
        ({"q": ["a"] * 129}, "Invalid request: request (129) exceeds text limit (128)"),
        ({"q": "a" * 50_001}, "Invalid request: request (50001) exceeds text limit (50000)"),
        (
            {"source": "en", "target": "de"},
            "German (de) is not available as a target language from English (en)",
        ),
    ],
)
def test_errors_are_in_its_words(
    client: httpx.Client, fields: dict[str, object], message: str
) -> None:
    body = FR_EN | {"q": "a"} | fields
    assert error(client.post("/translate", json=body), 400) == message


@pytest.mark.parametrize("body", ["[]", "null", '"q"', "5"])
def test_json_that_is_no_object(client: httpx.Client, body: str) -> None:
    for path in ("/translate", "/detect"):
        reply = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert error(reply, 400) == "Invalid JSON format"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/translate"), ("GET", "/detect"), ("GET", "/suggest"), ("POST", "/languages")],
)
def test_methods_that_it_does_not_have(client: httpx.Client, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 405


def test_formats_and_alternatives_that_are_left_to_the_service(client: httpx.Client) -> None:
    for fields in ({"format": ""}, {"format": None}, {"alternatives": -3}, {"alternatives": None}):
        reply = client.post("/translate", json=FR_EN | {"q": "a b"} | fields)
        assert reply.json() == {"translatedText": "b a"}


@pytest.mark.parametrize("path", ["/frontend/settings", "/frontend/settings/"])
def test_frontend_settings(client: httpx.Client, path: str) -> None:
    assert client.get(path).json() == {
        "charLimit": 50_000,
        "frontendTimeout": 500,
        "apiKeys": False,
        "keyRequired": False,
        "suggestions": False,
        "filesTranslation": True,
        "supportedFilesFormat": list(MEDIA_TYPES),
        "language": {
            "source": {"code": "auto", "name": "Auto Detect"},
            "target": {"code": "en", "name": "English"},
        },
        "alignments": True,  # ours
    }


def test_frontend_settings_follow_the_services(file: Path) -> None:
    settings = Settings(
        detection=DetectionSettings(enabled=False),
        limits=LimitSettings(max_characters=123),
        suggestions=SuggestionSettings(file=file),
    )
    with live_server(settings, serving(ReversingEngine())) as url:
        found = httpx.get(f"{url}/frontend/settings").json()
    assert (found["charLimit"], found["suggestions"]) == (123, True)
    assert found["language"]["source"] == {"code": "fr", "name": "French"}


def test_suggestions_are_off_by_default(client: httpx.Client) -> None:
    for fields in (SUGGESTION, {}):
        reply = client.post("/suggest", data=fields)
        assert error(reply, 403) == "Suggestions are disabled on this server."


def test_suggestions_are_kept_in_a_file(taking: httpx.Client, file: Path) -> None:
    for reply in (
        taking.post("/suggest", data=SUGGESTION),
        taking.post("/suggest/", json=SUGGESTION | {"s": "second", "api_key": "secret"}),
    ):
        assert (reply.status_code, reply.json()) == (200, {"success": True})
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [SUGGESTION, SUGGESTION | {"s": "second"}]


@pytest.mark.parametrize("name", ["q", "s", "source", "target"])
def test_suggestions_that_are_not_whole(taking: httpx.Client, file: Path, name: str) -> None:
    without = {key: value for key, value in SUGGESTION.items() if key != name}
    for fields in (without, without | {name: ""}):
        reply = taking.post("/suggest", json=fields)
        assert error(reply, 400) == f"Invalid request: missing {name} parameter"
    reply = taking.post("/suggest", json=without | {name: ["a"]})
    assert error(reply, 400) == f"Invalid request: {name} parameter must be a string"
    assert file.read_text(encoding="utf-8") == ""


def test_suggestions_are_bounded(taking: httpx.Client, file: Path) -> None:
    long = SUGGESTION | {"s": "é" * 49_000}
    taken = 0
    while (reply := taking.post("/suggest", json=long)).status_code == 200:
        taken += 1
    assert error(reply, 403) == "No more suggestions are taken on this server."
    assert taken == 2**20 // len((json.dumps(long, ensure_ascii=False) + "\n").encode())
    assert len(file.read_text(encoding="utf-8").splitlines()) == taken
    reply = taking.post("/suggest", json=SUGGESTION | {"s": "a" * 50_000})
    assert "exceeds text limit (50000)" in error(reply, 400)


def test_a_suggestion_on_a_full_disk(
    taking: httpx.Client, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taking.post("/suggest", json=SUGGESTION)
    kept = file.read_bytes()
    with full_disk():
        reply = taking.post("/suggest", json=SUGGESTION)
    assert error(reply, 507) == "It could not be stored: File too large."
    assert str(file) in capsys.readouterr().out  # the log says where
    assert file.read_bytes() == kept
    assert taking.post("/suggest", json=SUGGESTION).status_code == 200
    assert file.read_bytes() == kept * 2


def test_a_suggestion_when_the_file_can_not_be_opened_any_more(
    taking: httpx.Client, file: Path
) -> None:
    file.unlink()
    file.mkdir()
    reply = taking.post("/suggest", json=SUGGESTION)
    assert error(reply, 507) == "It could not be stored: Is a directory."
    file.rmdir()
    assert taking.post("/suggest", json=SUGGESTION).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["missing/file", "."])
async def test_a_file_that_can_not_be_written_is_found_out_at_start(
    tmp_path: Path, name: str
) -> None:
    settings = Settings(suggestions=SuggestionSettings(file=tmp_path / name))
    app = create_app(settings, serving(ReversingEngine()))
    with pytest.raises(InvalidSettings, match=r"SEQ2SEQ_SUGGESTIONS__FILE: .* can't be written"):
        async with app.router.lifespan_context(app):
            pass
