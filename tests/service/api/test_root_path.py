"""The app below a path of its own, as by a `route_prefix` on Ray: all is as at the root."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from tests.service.api.test_libretranslate import FR_EN

pytestmark = pytest.mark.anyio

PREFIX = "/fr"


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, root_path=PREFIX)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://service{PREFIX}") as client:
        yield client


async def test_texts_are_translated(client: httpx.AsyncClient) -> None:
    reply = await client.post("/translate", json=FR_EN | {"q": "a b"})
    assert reply.json() == {"translatedText": "b a"}


@pytest.mark.parametrize(
    ("path", "name"),
    [("/translate", "error"), ("/v2/translate", "message"), ("/v3/glossaries", "message")],
)
async def test_errors_are_in_the_words_of_the_path(
    client: httpx.AsyncClient, path: str, name: str
) -> None:
    for reply in (
        await client.post(path, json={}),
        await client.post(path, content=b" " * 20_001),
        await client.get(f"{path}/no/such/path"),
    ):
        assert reply.status_code in (400, 403, 404, 413)
        assert list(reply.json()) == [name]


async def test_an_upload_may_be_larger_than_other_bodies(client: httpx.AsyncClient) -> None:
    for path in ("/translate_file", "/v2/document"):
        files = {"file": ("a.pdf", b"%PDF" * 10_000)}
        fields = FR_EN | {"target_lang": "EN"}
        reply = await client.post(path, data=fields, files=files)
        assert reply.status_code == 400
        assert "Files of this type are not translated" in reply.text
