"""What all replies of DeepL's API have."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from fastapi.responses import JSONResponse, Response

from service.api.dialect import Dialect
from service.api.status import STATUS, Status
from service.errors import MissingKey, QuotaExceeded
from service.settings import LimitSettings

DIALECT = Dialect(
    prefix="/v2/",
    error_body=lambda message: {"message": message},
    statuses={
        MissingKey: Status(403, "Please contact the server operator to get an API key"),
        QuotaExceeded: Status(456, STATUS[QuotaExceeded].example),
    },
)


def excess(texts: Sequence[str], limits: LimitSettings) -> str:
    """What a request has too much of; DeepL has a status of its own for it."""
    if len(texts) > limits.max_items:
        return f"More than {limits.max_items} texts in a request."
    if sum(map(len, texts)) > limits.max_characters:
        return f"More than {limits.max_characters} characters in a request."
    return ""


def in_json(content: object, status: int = 200) -> Response:
    """A reply."""
    return JSONResponse(content, status, headers=trace())


def trace() -> dict[str, str]:
    """The header that names the request."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Trace-ID": request_id} if request_id else {}
