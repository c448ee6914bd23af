from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.api.dialect import Dialect, Dialects
from service.errors import ClientClosedRequest, ModelFailure, Overloaded

pytestmark = pytest.mark.anyio

PLAIN = Dialect(prefix="", error_body=lambda message: {"error": message})
NESTED = Dialect(prefix="/v2/", error_body=lambda message: {"problem": {"message": message}})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client() -> httpx.AsyncClient:
    app = FastAPI()
    Dialects(PLAIN, NESTED).word_errors(app)

    async def fail(kind: str, number: int = 0) -> None:
        raise {
            "busy": Overloaded("busy", 7),
            "model": ModelFailure("broken"),
            "gone": ClientClosedRequest("gone"),
        }[kind]

    for prefix in ("", "/v2"):
        app.add_api_route(f"{prefix}/fail/{{kind}}", fail, methods=["GET"])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


def worded(prefix: str, message: str) -> dict[str, Any]:
    return {"problem": {"message": message}} if prefix else {"error": message}


@pytest.mark.parametrize("prefix", ["", "/v2"])
async def test_the_path_tells_how_errors_are_worded(client: httpx.AsyncClient, prefix: str) -> None:
    for method, path, status, message in (
        ("GET", "/fail/busy", 503, "busy"),
        ("GET", "/fail/model", 500, "broken"),
        ("GET", "/nothing", 404, "Not Found"),
        ("POST", "/fail/busy", 405, "Method Not Allowed"),
    ):
        reply = await client.request(method, prefix + path)
        assert reply.status_code == status
        assert reply.json() == worded(prefix, message)
    validation = await client.get(f"{prefix}/fail/busy", params={"number": "x"})
    assert validation.status_code == 400
    assert "number" in str(validation.json())


async def test_headers_are_kept(client: httpx.AsyncClient) -> None:
    assert (await client.get("/fail/busy")).headers["Retry-After"] == "7"
    assert (await client.post("/fail/busy")).headers["Allow"] == "GET"


async def test_who_has_left_is_sent_nothing(client: httpx.AsyncClient) -> None:
    reply = await client.get("/fail/gone")
    assert (reply.status_code, reply.content) == (499, b"")
