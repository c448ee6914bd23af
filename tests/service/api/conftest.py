from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from service import logs
from service.app import create_app
from service.settings import LimitSettings, SchedulingSettings, ServerSettings, Settings
from tests.service.api.reversing import ReversingEngine, serving


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def engine() -> ReversingEngine:
    return ReversingEngine()


@pytest.fixture
def settings() -> Settings:
    return Settings(
        limits=LimitSettings(max_items=10, max_characters=1000, max_body_bytes=20_000),
        scheduling=SchedulingSettings(max_waiting_items=20),
    )


@pytest.fixture
async def app(settings: Settings, engine: ReversingEngine) -> AsyncIterator[FastAPI]:
    app = create_app(settings, serving(engine))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The service's log lines so far."""
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers, root.level
    logs.configure(ServerSettings(), stream)
    yield lambda: [
        line
        for line in map(json.loads, stream.getvalue().splitlines())
        if line["logger"] != "httpx"  # the client's own
    ]
    root.handlers, root.level = before
    structlog.reset_defaults()
