"""What all replies of DeepL's API have."""

from __future__ import annotations

import structlog
from fastapi.responses import JSONResponse, Response

from service.api.dialect import Dialect
from service.api.status import STATUS, Status
from service.errors import MissingKey, QuotaExceeded

DIALECT = Dialect(
    prefix="/v2/",
    error_body=lambda message: {"message": message},
    statuses={
        MissingKey: Status(403, "Please contact the server operator to get an API key"),
        QuotaExceeded: Status(456, STATUS[QuotaExceeded].example),
    },
)


def in_json(content: object, status: int = 200) -> Response:
    """A reply."""
    return JSONResponse(content, status, headers=trace())


def trace() -> dict[str, str]:
    """The header that names the request."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Trace-ID": request_id} if request_id else {}
