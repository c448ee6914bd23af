"""What surrounds every request, in plain ASGI: its id, its log line, its metrics, its size."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Mapping

import structlog
from starlette._utils import get_route_path
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.body import MULTIPART
from service.api.dependencies import ARRIVED
from service.api.dialect import ERROR_KIND, INTERNAL_ERROR, Dialects
from service.api.status import UNSEEN
from service.api.tracing import trace_id
from service.errors import BodyTooLarge
from service.logs import failure
from service.metrics import Metrics

log = structlog.stdlib.get_logger(__name__)

PROBES = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds: logged at debug level unless they fail."""
ERROR = 400
UNAVAILABLE = 503
GIVEN_UP = "The service is shutting down."
REQUEST_ID = "X-Request-ID"
KEY_NAME = "key"
"""In the scope of a request that has a key: whose it is."""
_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LINGER_SECONDS = 5.0
_NO_ROUTE = "none"


SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""What an answer says to a browser unless it has something of its own to say. Pages have a policy
of their own."""


class RequestLog:
    """Outermost: gives the request an id, answers what nobody foresaw, writes one log line."""

    def __init__(self, app: ASGIApp, *, dialects: Dialects, metrics: Metrics) -> None:
        self._app = app
        self._dialects = dialects
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        scope[ARRIVED] = time.monotonic()
        request_id = _request_id(scope)
        answer = _Answer(send, request_id)
        self._metrics.requests_in_progress.inc()
        with structlog.contextvars.bound_contextvars(request_id=request_id, **_trace()):
            try:
                await self._app(scope, receive, answer.send)
            except asyncio.CancelledError:
                # Only a server does this that has waited long enough for its requests to end.
                await self._reply(scope, receive, answer, UNAVAILABLE, GIVEN_UP)
            except Exception as error:
                log.error("unexpected error", **failure(error))  # noqa: TRY400 (its message may quote the request)
                await self._reply(scope, receive, answer, 500, INTERNAL_ERROR)
            finally:
                self._record(scope, answer.status, time.perf_counter() - started)

    async def _reply(
        self, scope: Scope, receive: Receive, answer: _Answer, status: int, message: str
    ) -> None:
        if answer.status is None:
            headers = {"Retry-After": "1"} if status == UNAVAILABLE else None  # by another process
            error = self._dialects.of(scope).error(status, message, headers)
            await error(scope, receive, answer.send)

    def _record(self, scope: Scope, status: int | None, seconds: float) -> None:
        # The route's pattern, not the path: a path and a query may hold anything.
        route = getattr(scope.get("route"), "path", _NO_ROUTE)
        code = UNSEEN if status is None else status
        self._metrics.requests_in_progress.dec()
        self._metrics.requests.labels(route, code).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        if kind := scope.get(ERROR_KIND):
            self._metrics.errors.labels(kind).inc()
        more = {name: scope[name] for name in (KEY_NAME, ERROR_KIND) if name in scope}
        write = log.debug if route in PROBES and code < ERROR else log.info
        write(
            "request",
            method=scope["method"],
            route=route,
            status=code,
            seconds=round(seconds, 6),
            **more,
        )


class _Answer:
    """Remembers the status of an answer, signs it with the request's id and guards it."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.status: int | None = None
        self._send = send
        self._request_id = request_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID] = self._request_id
            present = {name.lower() for name, _ in message["headers"]}
            message["headers"] += [one for one in SECURITY_HEADERS if one[0] not in present]
        await self._send(message)


class BodyLimit:
    """Lets no more bytes in than allowed: whoever reads beyond them gets BodyTooLarge.

    A client that is still sending would not see an answer on a connection that is closed under it,
    so the refusal is written first and what still arrives is dropped for a while.
    """

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, uploads: Mapping[str, int] | None = None
    ) -> None:
        """uploads: other limits of multipart forms, by path, as the routes have it."""
        self._app = app
        self._max_bytes = max_bytes
        self._uploads = uploads or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _BoundedBody(receive, self._most(scope), _content_length(scope))
        await self._app(scope, body.receive, _LastWord(body, send).send)

    def _most(self, scope: Scope) -> int:
        upload = self._uploads.get(get_route_path(scope))
        if upload is None:
            return self._max_bytes
        is_form = Headers(scope=scope).get("Content-Type", "").lower().startswith(MULTIPART)
        return upload if is_form else self._max_bytes


class _BoundedBody:
    def __init__(self, receive: Receive, max_bytes: int, declared: int) -> None:
        self.refused = False
        self._receive = receive
        self._max_bytes = max_bytes
        self._bytes = 0
        self._declared = declared
        self._more = True

    async def receive(self) -> Message:
        if self._declared > self._max_bytes:
            self._refuse()
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._more = message.get("more_body", False)
            if self._bytes > self._max_bytes:
                self._refuse()
        return message

    async def drop_the_rest(self) -> None:
        """Read what the client still sends, for a bounded time."""
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while self._more:
                    message = await self._receive()
                    self._more = message.get("more_body", False)
        except TimeoutError:
            pass

    def _refuse(self) -> None:
        self.refused = True
        raise BodyTooLarge(f"The body is larger than {self._max_bytes} bytes.")


class _LastWord:
    """Sends a refusal, lingers, and only then lets the connection close."""

    def __init__(self, body: _BoundedBody, send: Send) -> None:
        self._body = body
        self._send = send

    async def send(self, message: Message) -> None:
        if not self._body.refused:
            await self._send(message)
        elif message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Connection"] = "close"
            await self._send(message)
        elif message.get("more_body", False):
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            await self._body.drop_the_rest()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class HeadAsGet:
    """Innermost: answers HEAD as GET, without the body. FastAPI's routes know GET alone, and
    monitors, link checkers and `wget --spider` ask by HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            is_body = message["type"] == "http.response.body"
            await send({**message, "body": b""} if is_body else message)

        get = {**scope, "method": "GET"}  # a copy, as the server looks at the method, too
        try:
            await self._app(get, receive, send_head)
        finally:
            scope.update(get | {"method": "HEAD"})  # its route is for the log


def _trace() -> dict[str, str]:
    found = trace_id()
    return {"trace_id": found} if found else {}


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if _SAFE_ID.fullmatch(given) else uuid.uuid4().hex


def _content_length(scope: Scope) -> int:
    declared = Headers(scope=scope).get("Content-Length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0
