"""POST /translate as Server-Sent Events: sentences as they are done, in order, then the reply.

What fails before the first sentence is done is answered as ever, with its status. After that the
status has been sent, so a failure is an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

from fastapi import Request
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from service.api.dependencies import while_connected
from service.api.dialect import ERROR_KIND, INTERNAL_ERROR
from service.api.status import status_of
from service.domain import SentenceTranslation, TextTranslation
from service.errors import ServiceError

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Nobody on the way is to keep or to collect events (the second one is nginx's)."""
Work: TypeAlias = Callable[
    [Callable[[SentenceTranslation], None]], Awaitable[list[TextTranslation]]
]
"""A translation that tells each sentence to what it is given."""


async def stream(
    request: Request,
    work: Work,
    sentence: Callable[[SentenceTranslation], dict[str, Any]],
    reply: Callable[[list[TextTranslation]], dict[str, Any]],
) -> Response:
    """Begin to work, and answer with the first event. The work ends when the client leaves.

    sentence, reply: what the events hold.

    Raises:
        ServiceError: the work has failed before its first sentence.
    """
    progress = _Progress(work)
    try:
        first = await while_connected(request, progress.next())
    except BaseException:
        progress.cancel()
        raise
    return _Stream(progress, _events(first, progress, sentence, reply, request.scope))


class _Progress:
    """Work under way, and what it has told."""

    def __init__(self, work: Work) -> None:
        self._told: asyncio.Queue[SentenceTranslation | None] = asyncio.Queue()
        self._task = asyncio.ensure_future(work(self._told.put_nowait))
        self._task.add_done_callback(self._end)

    async def next(self) -> SentenceTranslation | list[TextTranslation]:
        """The next sentence, or the whole translation behind the last one.

        Raises:
            ServiceError: the work has failed.
        """
        told = await self._told.get()
        return self._task.result() if told is None else told

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._task.cancel()

    def _end(self, task: asyncio.Future[list[TextTranslation]]) -> None:
        if not task.cancelled():
            task.exception()  # or asyncio says that nobody has asked for it
        self._told.put_nowait(None)


class _Stream(EventSourceResponse):
    """Cancels the work when it ends, however that comes about."""

    def __init__(self, progress: _Progress, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, headers=HEADERS)
        self._progress = progress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._progress.cancel()


async def _events(
    told: SentenceTranslation | list[TextTranslation],
    progress: _Progress,
    sentence: Callable[[SentenceTranslation], dict[str, Any]],
    reply: Callable[[list[TextTranslation]], dict[str, Any]],
    scope: Scope,
) -> AsyncIterator[bytes]:
    try:
        while isinstance(told, SentenceTranslation):
            yield _event("sentence", sentence(told))
            told = await progress.next()
        yield _event("done", reply(told))
    except ServiceError as error:
        scope[ERROR_KIND] = type(error).__name__
        yield _event("error", {"error": str(error), "status": status_of(error)})
    except Exception:
        yield _event("error", {"error": INTERNAL_ERROR, "status": 500})
        raise


def _event(name: str, content: dict[str, Any]) -> bytes:
    return format_sse_event(event=name, data_str=to_json(content).decode())
