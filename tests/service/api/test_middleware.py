from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.scheduling.job import Job
from tests.service.api.every_route import every_route
from tests.service.api.reversing import ReversingEngine

pytestmark = pytest.mark.anyio

Logged = Callable[[], list[dict[str, Any]]]
SECRET = "confidentiel"
BODY = {"q": SECRET, "source": "fr", "target": "en"}


class BrokenEngine(ReversingEngine):
    """Has a defect, and quotes the user where it should not."""

    def submit(self, jobs: Sequence[Job]) -> None:
        raise RuntimeError(f"a defect while translating {SECRET}")


async def test_a_request_keeps_its_id_or_gets_one(client: httpx.AsyncClient) -> None:
    reply = await client.get("/health", headers={"X-Request-ID": "trace-1.2_3"})
    assert reply.headers["X-Request-ID"] == "trace-1.2_3"
    first, second = [await client.get("/nothing") for _ in range(2)]
    assert len(first.headers["X-Request-ID"]) == 32
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, '"', "a\tb", "é"])
async def test_a_request_id_that_could_break_a_log_is_replaced(
    client: httpx.AsyncClient, given: str
) -> None:
    reply = await client.get("/health", headers=[(b"X-Request-ID", given.encode())])
    assert len(reply.headers["X-Request-ID"]) == 32


async def test_head_is_get_without_the_body(
    app: FastAPI, client: httpx.AsyncClient, logged: Logged
) -> None:
    paths = [path for method, path in every_route(app) if method == "GET" and "{" not in path]
    assert {"/", "/health", "/languages", "/docs", "/openapi.json"} <= set(paths)
    for path in paths:
        head, get = await client.head(path), await client.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers.get("Content-Type") == get.headers.get("Content-Type")
        assert "Content-Length" in head.headers
    assert (await client.head("/translate")).status_code == 405
    lines = [line for line in logged() if line["event"] == "request" and line["method"] == "HEAD"]
    assert (lines[-1]["route"], lines[-1]["status"]) == ("/translate", 405)


async def test_a_request_is_one_log_line_without_its_text(
    logged: Logged, client: httpx.AsyncClient
) -> None:
    await client.post(f"/translate?api_key={SECRET}", json=BODY, headers={"X-Request-ID": "the-id"})
    await client.get(f"/{SECRET}")
    found, missed = (line for line in logged() if line["event"] == "request")
    assert (
        found.items()
        >= {
            "request_id": "the-id",
            "method": "POST",
            "route": "/translate",
            "status": 200,
            "level": "info",
        }.items()
    )
    assert (missed["route"], missed["status"]) == ("none", 404)
    assert SECRET not in str(logged())


async def test_probes_are_only_logged_when_they_fail(
    logged: Logged, client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    await client.get("/health/ready")
    await client.get("/metrics")
    assert logged() == []
    engine.alive = False
    await client.get("/health/ready")
    assert [line["status"] for line in logged()] == [503]


class TestADefect:
    @pytest.fixture
    def engine(self) -> ReversingEngine:
        return BrokenEngine()

    async def test_is_answered_and_logged_without_text(
        self, logged: Logged, client: httpx.AsyncClient
    ) -> None:
        reply = await client.post("/translate", json=BODY)
        assert reply.status_code == 500
        assert reply.json() == {"error": "Internal error."}
        assert len(reply.headers["X-Request-ID"]) == 32
        defect, request = logged()
        assert (defect["error"], defect["level"]) == ("RuntimeError", "error")
        assert defect["request_id"] == request["request_id"]
        assert any("submit" in frame for frame in defect["frames"])
        assert request["status"] == 500
        assert SECRET not in str(logged())


async def test_a_body_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    reply = await client.post("/translate", content=b" " * 20_001)
    assert reply.status_code == 413
    assert reply.json() == {"error": "The body is larger than 20000 bytes."}
    assert reply.headers["Connection"] == "close"


async def test_a_body_that_does_not_tell_its_size_is_counted(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 1000

    reply = await client.post("/translate", content=chunks())
    assert reply.status_code == 413


async def test_a_body_at_the_limit_is_read(client: httpx.AsyncClient) -> None:
    form = b"source=fr&target=en&q=a+b&ignored="
    reply = await client.post(
        "/translate",
        content=form.ljust(20_000, b"x"),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert reply.json() == {"translatedText": "b a"}


async def test_a_nonsense_content_length_is_not_trusted(client: httpx.AsyncClient) -> None:
    reply = await client.post("/translate", content=b" " * 20_001, headers={"Content-Length": "-1"})
    assert reply.status_code == 413


async def test_a_route_that_reads_no_body_does_not_mind_one(client: httpx.AsyncClient) -> None:
    reply = await client.request("GET", "/health", content=b" " * 20_001)
    assert reply.status_code == 200
