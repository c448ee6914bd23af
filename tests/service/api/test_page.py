"""The page at / as it is served; tests/browser has how it is used."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from service.api.page import CONTENT_SECURITY_POLICY, FILES
from service.app import create_app
from service.settings import PageSettings, Settings
from tests.service.api.reversing import ReversingEngine, serving

pytestmark = pytest.mark.anyio

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
NAMES = sorted(path.name for path in FILES.iterdir())


async def test_browsers_get_a_page(client: httpx.AsyncClient) -> None:
    reply = await client.get("/", headers=BROWSER)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert reply.headers["Vary"] == "Accept"
    assert '<html lang="en">' in reply.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
async def test_others_are_led_to_the_documentation(client: httpx.AsyncClient, accept: str) -> None:
    reply = await client.get("/", headers={"Accept": accept})
    assert reply.is_redirect
    assert reply.headers["Location"] == "/docs"


async def test_all_that_the_page_needs_is_served(client: httpx.AsyncClient) -> None:
    page = (await client.get("/", headers=BROWSER)).text
    links = re.findall(r'(?:src|href)="(page/[^"]+)"', page)
    assert len(links) == 4
    assert {name for name in NAMES if name != "index.html"} >= {link[5:] for link in links}
    for name in NAMES:
        reply = await client.get(f"/page/{name}")
        assert reply.status_code == 200
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"] == "no-cache"
        again = {"If-None-Match": reply.headers["ETag"]}
        assert (await client.get(f"/page/{name}", headers=again)).status_code == 304
    kinds = [(await client.get(f"/page/{name}")).headers["Content-Type"] for name in NAMES]
    assert {kind.partition(";")[0] for kind in kinds} == {
        "text/html", "text/css", "text/javascript", "image/svg+xml",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/page/", "/page/..%2f__init__.py", "/page/../settings.py"])
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


def addresses(text: str) -> Iterator[str]:
    yield from re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", text)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_comes_from_elsewhere(name: str) -> None:
    text = (FILES / name).read_text(encoding="utf-8")
    # The name of a vocabulary, which nobody loads.
    assert [one for one in addresses(text) if "www.w3.org/2000/svg" not in one] == []
    assert "@import" not in text
    assert "url(" not in text


def test_the_page_does_what_its_policy_allows() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    page = (FILES / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"\s(?:style|on\w+)=", page) == []
    assert re.findall(r"<style|<script(?! src=)", page) == []
    for name in NAMES:
        if name.endswith(".js"):
            script = (FILES / name).read_text(encoding="utf-8")
            assert re.findall(r"\beval\(|new Function|innerHTML|outerHTML|cssText", script) == []


async def test_the_page_can_be_switched_off() -> None:
    app = create_app(Settings(page=PageSettings(enabled=False)), serving(ReversingEngine()))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client,
    ):
        assert (await client.get("/", headers=BROWSER)).headers["Location"] == "/docs"
        assert (await client.get("/page/main.js")).status_code == 404
