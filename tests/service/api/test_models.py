from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.access.keys import Key, digest, write
from service.settings import AccessSettings, LimitSettings, SchedulingSettings, Settings

pytestmark = pytest.mark.anyio

SECRET = "s2s_the-key"
ADMIN = {"X-API-Key": SECRET}
LOAD = "/models/reversing/load"
JSON = {"Content-Type": "application/json"}
UNDERSTOOD = "SEQ2SEQ_MODELS__DIRECTORY"
"""What an operator is told of, who asks for what can be without a folder of models."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "keys"
    write(path, [Key(name="operator", sha256=digest(SECRET), admin=True)])
    return Settings(
        access=AccessSettings(keys_file=path),
        limits=LimitSettings(max_body_bytes=20_000),
        scheduling=SchedulingSettings(deadline_seconds=0.5),
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"headers": JSON},
        {"json": {}},
        {"content": b"null", "headers": JSON},
        {"json": {"version": "1"}},
        {"json": {"version": None, "variant": None}},
    ],
)
async def test_what_to_load(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    reply = await client.post(LOAD, **body | {"headers": ADMIN | body.get("headers", {})})
    assert reply.status_code == 403
    assert UNDERSTOOD in reply.json()["error"]


@pytest.mark.parametrize("field", ["api_key", "auth_key"])
async def test_the_key_may_be_beside_it(client: httpx.AsyncClient, field: str) -> None:
    reply = await client.post(LOAD, json={"version": "1", field: SECRET})
    assert UNDERSTOOD in reply.json()["error"]
    reply = await client.post(LOAD, json={"version": "1", field: "wrong"})
    assert reply.json() == {"error": "Invalid API key"}


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"json": {"version": ""}}, 400, "version: String should have at least 1 character"),
        ({"json": {"versoin": "1"}}, 400, "versoin: Extra inputs are not permitted"),
        ({"json": ["1"]}, 400, "Invalid JSON format"),
        ({"content": b'{"version":', "headers": JSON}, 400, "Invalid JSON format: EOF"),
        ({"data": {"version": "1"}}, 415, "must be application/json"),
        ({"content": b" " * 20_001, "headers": JSON}, 413, "larger than 20000 bytes"),
    ],
)
async def test_what_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, says: str
) -> None:
    reply = await client.post(LOAD, **body | {"headers": ADMIN | body.get("headers", {})})
    assert reply.status_code == status
    assert says in reply.json()["error"]


async def never() -> AsyncIterator[bytes]:
    """A body that does not end."""
    yield b" "
    await asyncio.Event().wait()


async def test_a_body_that_never_arrives_is_not_waited_for(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        reply = await client.post(LOAD, content=never(), headers=ADMIN | JSON)
        assert reply.status_code == 504


async def test_nothing_is_read_of_those_who_may_not_load(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        reply = await client.post(LOAD, content=never(), headers={"X-API-Key": "wrong"})
        assert reply.status_code == 403
