"""Traces, with OpenTelemetry's own SDK."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.api.tracing import Tracing, provider
from service.app import create_app
from service.settings import Settings, TelemetrySettings
from tests.service.api.reversing import ReversingEngine, serving

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
SECRET = "confidentiel"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
BODY = {"q": f"{SECRET} a\nb", "source": "fr", "target": "en"}


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
async def app(
    exporter: InMemorySpanExporter, engine: ReversingEngine, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FastAPI]:
    tracing = Tracing(provider(SimpleSpanProcessor(exporter)))
    monkeypatch.setattr(Tracing, "configured", lambda: tracing)
    app = create_app(Settings(telemetry=TelemetrySettings(traces=True)), serving(engine))
    async with app.router.lifespan_context(app):
        yield app


async def test_a_request_is_a_span_with_those_of_its_sentences(
    client: httpx.AsyncClient, exporter: InMemorySpanExporter
) -> None:
    await client.post("/translate", json=BODY, headers=HEADERS)
    queue, decode, request = exporter.get_finished_spans()
    assert [one.name for one in (queue, decode, request)] == ["queue", "decode", "POST /translate"]
    for one in (queue, decode):
        assert one.parent is not None
        assert request.context is not None
        assert one.parent.span_id == request.context.span_id
        assert dict(one.attributes or {}) == {"seq2seq.sentences": 2, "seq2seq.source_tokens": 3}
    assert queue.end_time == decode.start_time
    assert request.context is not None
    assert f"{request.context.trace_id:032x}" == TRACE
    assert (request.attributes or {})["http.response.status_code"] == 200
    assert request.resource.attributes["service.name"] == "seq2serve"


async def test_spans_hold_no_user_text_and_no_key(
    client: httpx.AsyncClient, exporter: InMemorySpanExporter
) -> None:
    await client.post("/translate", json=BODY | {"api_key": SECRET})
    await client.post("/translate", params=BODY | {"api_key": SECRET})
    await client.post("/translate", json=BODY | {"source": SECRET})
    await client.get(f"/{SECRET}?{SECRET}")
    spans = exporter.get_finished_spans()
    assert len(spans) == 6  # the second one was answered from the cache
    assert SECRET not in "".join(map(ReadableSpan.to_json, spans))


@pytest.mark.parametrize("prefix", ["", "/fr"])
async def test_probes_are_not_traced(
    app: FastAPI, exporter: InMemorySpanExporter, prefix: str
) -> None:
    transport = httpx.ASGITransport(app, root_path=prefix)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        for path in ("/health/live", "/metrics"):
            assert (await client.get(f"{prefix}{path}")).status_code == 200
    assert exporter.get_finished_spans() == ()


async def test_log_lines_tell_the_trace(
    client: httpx.AsyncClient, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    await client.post("/translate", json=BODY, headers=HEADERS)
    assert [line["trace_id"] for line in logged()] == [TRACE]


class Collector(HTTPServer):
    """Takes what OTLP sends."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Take)
        self.paths: list[str] = []
        self.spans: list[tuple[str, str]] = []
        """Names of services and spans."""


class Take(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        self.server.paths.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            (name,) = (
                one.value.string_value
                for one in resource.resource.attributes
                if one.key == "service.name"
            )
            self.server.spans += [
                (name, span.name) for scope in resource.scope_spans for span in scope.spans
            ]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


async def test_traces_go_where_opentelemetrys_variables_say(
    monkeypatch: pytest.MonkeyPatch, engine: ReversingEngine
) -> None:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "translations")
        app = create_app(Settings(telemetry=TelemetrySettings(traces=True)), serving(engine))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                await client.post("/translate", json=BODY)
        collector.shutdown()
        thread.join()
    assert set(collector.paths) == {"/v1/traces"}
    names = ["queue", "decode", "POST /translate"]
    assert collector.spans == [("translations", name) for name in names]


OFF = """
import asyncio, sys
from service.app import create_app
from service.settings import load
app = create_app(load())
print(sorted(name for name in sys.modules if name.startswith("opentelemetry.")
      and name.split(".")[1] in ("sdk", "exporter", "proto")))
"""


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_ENDPOINT", "FASTAPI_OTEL_AUTO_CONFIGURE"])
def test_nothing_is_imported_where_there_are_no_traces(variable: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OFF],
        cwd=ROOT,
        env=os.environ | {variable: "true"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
