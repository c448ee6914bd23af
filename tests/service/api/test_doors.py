from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.access.keys import Key, digest, write
from service.api.body import FORM
from service.app import create_app
from service.errors import ModelFailure
from service.package.manifest import LanguagePair
from service.settings import AccessSettings, LimitSettings, Settings
from tests.service.api.every_route import every_route
from tests.service.api.reversing import ReversingEngine, serving

pytestmark = pytest.mark.anyio

SECRET = "s2s_the-key"
POOR = {"X-API-Key": "poor"}
BODY = {"q": "a b c", "source": "fr", "target": "en"}
DEEPL = {"text": ["a b c"], "source_lang": "FR", "target_lang": "EN"}
OPEN = {
    ("GET", "/download_file/{name}"),
    ("GET", "/languages"),
    ("GET", "/frontend/settings"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
}
"""What needs no key, of all that the document describes."""


@pytest.fixture
def access(tmp_path: Path) -> AccessSettings:
    path = tmp_path / "keys"
    write(
        path,
        [
            Key(name="good", sha256=digest(SECRET)),
            Key(name="poor", sha256=digest("poor"), characters_per_month=20),
            Key(name="slow", sha256=digest("slow"), rates="1/hour"),
        ],
    )
    return AccessSettings(keys_file=path)


@pytest.fixture
def settings(access: AccessSettings) -> Settings:
    return Settings(access=access, limits=LimitSettings(max_body_bytes=20_000))


def spelt(secret: str) -> dict[str, dict[str, Any]]:
    """Requests with a key, in all spellings."""
    return {
        "JSON": {"json": BODY | {"api_key": secret}},
        "form": {"data": BODY | {"api_key": secret}},
        "multipart": {"data": BODY, "files": {"api_key": (None, secret)}},
        "query": {"data": BODY, "params": {"api_key": secret}},
        "bearer": {"json": BODY, "headers": {"Authorization": f"bearer  {secret}"}},
        "DeepL's": {"json": BODY, "headers": {"Authorization": f"DeepL-Auth-Key {secret}"}},
        "DeepL's field": {"data": BODY | {"auth_key": secret}},
        "DeepL's query": {"data": BODY, "params": {"auth_key": secret}},
        "header": {"json": BODY, "headers": {"X-API-Key": secret}},
    }


SPELLINGS = spelt(SECRET)


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_spellings_of_a_key(client: httpx.AsyncClient, spelling: str) -> None:
    reply = await client.post("/translate", **SPELLINGS[spelling])
    assert reply.json() == {"translatedText": "c b a"}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_wrong_key_is_refused_however_it_is_spelt(
    client: httpx.AsyncClient, engine: ReversingEngine, spelling: str
) -> None:
    reply = await client.post("/translate", **spelt("wrong")[spelling])
    assert (reply.status_code, reply.json()) == (403, {"error": "Invalid API key"})
    assert engine.jobs == []


async def test_every_route_needs_a_key_unless_it_is_known_to_be_open(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    missing = "Please contact the server operator to get an API key"
    paths = app.openapi()["paths"]
    for method, path in every_route(app):
        documented = path if path in paths else path.rstrip("/")
        if documented not in paths:  # pages and their parts
            assert method == "GET"
            continue
        reply = await client.request(method, path)
        operation = paths[documented][method.lower()]
        if (method, documented) in OPEN:
            assert reply.status_code == (404 if "{" in path else 200)
            assert "security" not in operation
        elif path.startswith(("/v2/", "/v3/")):
            assert (reply.status_code, reply.json()) == (403, {"message": missing})
            assert {"403", "429", "456"} <= operation["responses"].keys()
            assert operation["security"]
        else:
            assert (reply.status_code, reply.json()) == (400, {"error": missing})
            assert {"400", "403", "429"} <= operation["responses"].keys()
            assert operation["security"]
    assert set(every_route(app)) >= OPEN


async def test_which_paths_no_document_describes(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    hidden = [path for _, path in every_route(app) if path.rstrip("/") not in paths]
    assert hidden == ["/openapi.json", "/docs", "/docs/start.js", "/"]


async def test_too_many_requests(client: httpx.AsyncClient) -> None:
    headers = {"X-API-Key": "slow"}
    assert (await client.get("/v2/usage", headers=headers)).status_code == 200
    for path, body, name in (("/translate", BODY, "error"), ("/v2/translate", DEEPL, "message")):
        reply = await client.post(path, json=body, headers=headers)
        assert reply.status_code == 429
        assert reply.json() == {name: "Slowdown: 1 per 1 hour"}
        assert 1 <= int(reply.headers["Retry-After"]) <= 3600


@pytest.mark.parametrize("rates", ["1/hour;3/day", "3/day;1/hour"])
async def test_requests_that_are_refused_use_up_no_rate(
    client: httpx.AsyncClient, access: AccessSettings, rates: str
) -> None:
    """In whatever order the rates are. With the shorter one gone, the longer one shows it."""

    async def statuses(rates: str) -> list[int]:
        assert access.keys_file is not None
        write(access.keys_file, [Key(name="fast", sha256=digest("fast"), rates=rates)])
        headers = {"X-API-Key": "fast"}
        replies = [await client.get("/v2/usage", headers=headers) for _ in range(4)]
        return [reply.status_code for reply in replies]

    assert await statuses(rates) == [200, 429, 429, 429]
    assert await statuses("3/day") == [200, 200, 429, 429]


async def test_whoever_is_refused_is_told_of_the_rate_that_lasts_longest(
    client: httpx.AsyncClient, access: AccessSettings
) -> None:
    assert access.keys_file is not None
    write(access.keys_file, [Key(name="both", sha256=digest("both"), rates="1/minute;1/day")])
    headers = {"X-API-Key": "both"}
    replies = [await client.get("/v2/usage", headers=headers) for _ in range(2)]
    assert replies[1].json() == {"message": "Slowdown: 1 per 1 day"}
    assert int(replies[1].headers["Retry-After"]) > 60


async def test_a_quota(client: httpx.AsyncClient, engine: ReversingEngine) -> None:
    headers = {"Authorization": "DeepL-Auth-Key poor"}

    async def usage() -> Any:
        return (await client.get("/v2/usage", headers=headers)).json()

    assert await usage() == {"character_count": 0, "character_limit": 20}
    await client.post("/translate", json=BODY, headers=headers)
    await client.post("/v2/translate", json=DEEPL, headers=headers)
    auto = DEEPL | {"text": ["a b", "c"], "source_lang": None}
    await client.post("/v2/translate", json=auto, headers=headers)
    assert await usage() == {"character_count": 14, "character_limit": 20}
    jobs = len(engine.jobs)
    too_long = {"text": ["d e f g"], "source_lang": "FR", "target_lang": "EN"}
    reply = await client.post("/v2/translate", json=too_long, headers=headers)
    assert reply.status_code == 456
    assert "20 characters a month" in reply.json()["message"]
    reply = await client.post("/translate", json=BODY | {"q": "d e f g"}, headers=headers)
    assert reply.status_code == 403
    assert "20 characters a month" in reply.json()["error"]
    assert len(engine.jobs) == jobs
    assert await usage() == {"character_count": 14, "character_limit": 20}


async def test_a_request_that_fails_is_not_charged(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    headers = {"X-API-Key": "poor"}
    engine.failure = ModelFailure("broken")
    assert (await client.post("/translate", json=BODY, headers=headers)).status_code == 500
    usage = (await client.get("/v2/usage", headers=headers)).json()
    assert usage["character_count"] == 0


class TestTextsInSeveralLanguages:
    """All of them are charged, or none."""

    FRENCH, GERMAN, ENGLISH = "le chat dort", "der Hund", "the cat is sleeping in the house"

    @pytest.fixture
    async def app(self, settings: Settings, engine: ReversingEngine) -> AsyncIterator[FastAPI]:
        pairs = [LanguagePair(source=source, target="en") for source in ("fr", "de")]
        app = create_app(settings, serving(engine, pairs))
        async with app.router.lifespan_context(app):
            yield app

    async def answer(self, client: httpx.AsyncClient, *texts: str, **more: Any) -> tuple[int, int]:
        """Its status, and the characters that the key has then."""
        body = {"q": list(texts), "source": "auto", "target": "en"} | more
        status = (await client.post("/translate", json=body, headers=POOR)).status_code
        usage = (await client.get("/v2/usage", headers=POOR)).json()
        return status, usage["character_count"]

    async def test_those_in_the_target_language_already_are_free(
        self, client: httpx.AsyncClient
    ) -> None:
        assert await self.answer(client, self.FRENCH, self.ENGLISH) == (200, len(self.FRENCH))
        assert await self.answer(client, self.GERMAN) == (200, 20)

    async def test_there_are_enough_characters_for_some_only(
        self, client: httpx.AsyncClient, engine: ReversingEngine
    ) -> None:
        assert await self.answer(client, self.FRENCH, self.GERMAN + "e") == (403, 0)
        assert engine.jobs == []

    async def test_one_of_them_fails(
        self, client: httpx.AsyncClient, engine: ReversingEngine
    ) -> None:
        engine.hold()
        body = {"text": [self.FRENCH, self.GERMAN], "target_lang": "EN"}
        asking = asyncio.create_task(client.post("/v2/translate", json=body, headers=POOR))
        while len(engine.jobs) < 2:  # noqa: ASYNC110 (detecting takes a thread)
            await asyncio.sleep(0)
        engine.jobs[1].fail(ModelFailure("broken"))
        assert (await asking).status_code == 500
        assert (await client.get("/v2/usage", headers=POOR)).json()["character_count"] == 0

    async def test_the_deadline_of_all_passes(
        self, client: httpx.AsyncClient, engine: ReversingEngine
    ) -> None:
        engine.hold()
        found = await self.answer(client, self.FRENCH, self.GERMAN, deadline_seconds=0.1)
        assert found == (504, 0)


async def test_front_ends_are_told(client: httpx.AsyncClient) -> None:
    found = (await client.get("/frontend/settings")).json()
    assert (found["apiKeys"], found["keyRequired"]) == (True, True)


async def test_keys_are_not_logged_but_their_names(
    client: httpx.AsyncClient, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    for spelling in SPELLINGS.values():
        await client.post("/translate", **spelling)
    lines = logged()
    assert {line["key"] for line in lines} == {"good"}
    assert SECRET not in str(lines)


async def test_a_body_that_is_too_large_is_refused_where_a_key_may_be_in_it(
    client: httpx.AsyncClient,
) -> None:
    reply = await client.post("/translate", content=b" " * 20_001)
    assert reply.status_code == 413
    headers = {"X-API-Key": "wrong"}
    reply = await client.post("/translate", content=b" " * 20_001, headers=headers)
    assert reply.status_code == 403


@pytest.mark.parametrize("path", ["/translate_file", "/translate_file/", "/v2/document"])
async def test_only_a_form_may_be_as_large_as_a_document(
    client: httpx.AsyncClient, path: str
) -> None:
    for content_type in ("application/json", "application/x-www-form-urlencoded", ""):
        headers = {"Content-Type": content_type}
        reply = await client.post(path, content=b" " * 20_001, headers=headers)
        assert reply.status_code == 413
    document = {"file": ("a.txt", b"a " * 20_000)}
    reply = await client.post(path, data={"api_key": "wrong"}, files=document)
    assert reply.status_code == 403


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": SECRET}])
@pytest.mark.parametrize("path", ["/translate_file", "/v2/document"])
async def test_a_form_of_very_many_fields_is_refused(
    client: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    files = {"file": ("a.txt", b"a")}
    data = {"ignored": ["a"] * 10_000}
    reply = await client.post(path, data=data, files=files, headers=headers)
    assert reply.status_code == 400
    assert list(reply.json().values()) == ["Invalid request: more than 10000 fields"]


class TestWithoutKeys:
    @pytest.fixture
    def access(self) -> AccessSettings:
        return AccessSettings(address_rates="2/hour")

    async def test_addresses_have_rates(self, client: httpx.AsyncClient) -> None:
        replies = [await client.post("/translate", json=BODY) for _ in range(3)]
        assert [reply.status_code for reply in replies] == [200, 200, 429]
        assert (await client.get("/languages")).status_code == 200

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (400, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
            (400, {"content": b"q=%ff", "headers": {"Content-Type": FORM}}),
            (413, {"content": b" " * 20_001}),
            (415, {"content": b"x", "headers": {"Content-Type": "text/plain"}}),
        ],
    )
    async def test_what_cannot_be_read_counts_too(
        self, client: httpx.AsyncClient, status: int, body: dict[str, Any]
    ) -> None:
        replies = [await client.post("/translate", **body) for _ in range(3)]
        assert [reply.status_code for reply in replies] == [status, status, 429]
        assert (await client.post("/translate", json=BODY)).status_code == 429

    async def test_the_document_knows_no_keys(self, app: FastAPI) -> None:
        responses = app.openapi()["paths"]["/translate"]["post"]["responses"]
        assert "429" in responses
        assert "403" not in responses


class TestOff:
    @pytest.fixture
    def access(self) -> AccessSettings:
        return AccessSettings()

    async def test_keys_are_ignored(self, app: FastAPI, client: httpx.AsyncClient) -> None:
        for spelling in SPELLINGS.values():
            assert (await client.post("/translate", **spelling)).status_code == 200
        responses = app.openapi()["paths"]["/translate"]["post"]["responses"]
        assert responses.keys().isdisjoint({"403", "429"})
