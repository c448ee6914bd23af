"""What answers say to browsers."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi import FastAPI

from service.api.middleware import SECURITY_HEADERS
from service.errors import InvalidSettings
from service.settings import AccessSettings, Settings, load
from tests.service.api.every_route import every_route

pytestmark = pytest.mark.anyio

PAGE = "https://example.org"


@pytest.fixture
def settings() -> Settings:
    return Settings(access=AccessSettings(cors_origins=f"{PAGE}, http://localhost:3000"))


def readable(app: FastAPI) -> list[str]:
    """Paths that can be asked for without parameters."""
    return [path for method, path in every_route(app) if method == "GET" and "{" not in path]


async def test_every_answer_is_guarded(app: FastAPI, client: httpx.AsyncClient) -> None:
    paths = [*readable(app), "/nothing", "/translate", "/docs/assets/swagger-ui.css"]
    assert {"/", "/docs", "/openapi.json", "/languages", "/metrics"} <= set(paths)
    for path in paths:
        reply = await client.get(path)
        for name, value in SECURITY_HEADERS:
            found = reply.headers.get_list(name.decode())
            assert len(found) == 1, path
            if name != b"content-security-policy":
                assert found == [value.decode()]


async def test_pages_take_nothing_from_elsewhere(app: FastAPI, client: httpx.AsyncClient) -> None:
    pages = 0
    for path in readable(app):
        reply = await client.get(path)
        if reply.headers.get("Content-Type", "").startswith("text/html"):
            pages += 1
            policy = reply.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none';")
            assert "frame-ancestors 'none'" in policy
            assert re.search(r"https?:|//|\*|'unsafe-eval'", policy) is None
            assert "script-src 'self';" in policy
            assert re.search(r"(?:src|href|action)=[\"']?(?:https?:)?//", reply.text) is None
            assert re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=", reply.text) is None
    assert pages > 0


async def test_pages_of_the_list_may_use_the_service(client: httpx.AsyncClient) -> None:
    body = {"q": "a b", "source": "fr", "target": "en"}
    reply = await client.post("/translate", json=body, headers={"Origin": PAGE})
    assert reply.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Origin" in reply.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in reply.headers
    failed = await client.post("/v2/translate", content="{", headers={"Origin": PAGE})
    assert failed.status_code == 415
    assert failed.headers["Access-Control-Allow-Origin"] == PAGE
    asked = await client.options(
        "/translate",
        headers={
            "Origin": PAGE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, authorization, x-api-key",
        },
    )
    assert asked.status_code == 200
    assert asked.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize("origin", ["https://example.org.evil", "http://example.org", "null"])
async def test_others_may_not(client: httpx.AsyncClient, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    reply = await client.options("/translate", headers=headers)
    assert reply.status_code == 400
    assert "Access-Control-Allow-Origin" not in reply.headers
    reply = await client.get("/languages", headers=headers)
    assert "Access-Control-Allow-Origin" not in reply.headers


class TestExtensions:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(access=AccessSettings(cors_origins="chrome-extension://abc, app://."))

    @pytest.mark.parametrize("origin", ["chrome-extension://abc", "app://."])
    async def test_may_be_named(self, client: httpx.AsyncClient, origin: str) -> None:
        reply = await client.get("/languages", headers={"Origin": origin})
        assert reply.headers["Access-Control-Allow-Origin"] == origin


class TestAll:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(access=AccessSettings(cors_origins="*"))

    async def test_without_credentials(self, client: httpx.AsyncClient) -> None:
        reply = await client.get("/languages", headers={"Origin": PAGE, "Cookie": "a=b"})
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in reply.headers


class TestNone:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings()

    async def test_is_the_default(self, client: httpx.AsyncClient) -> None:
        reply = await client.get("/languages", headers={"Origin": PAGE})
        assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize(
    "origins", ["example.org", "https://example.org/", "https://*.example.org/x", "*,https://a.b"]
)
async def test_what_is_no_origin_is_refused(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    monkeypatch.setenv("SEQ2SEQ_ACCESS__CORS_ORIGINS", origins)
    with pytest.raises(InvalidSettings, match=r"CORS_ORIGINS: .*https://example\.org"):
        load()
