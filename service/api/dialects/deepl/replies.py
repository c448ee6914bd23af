"""What all replies of DeepL's API have."""

from __future__ import annotations

import structlog
from fastapi.responses import JSONResponse, Response

from service.api.dialect import Dialect

DIALECT = Dialect(prefix="/v2/", error_body=lambda message: {"message": message})


def in_json(content: object, status: int = 200) -> Response:
    """A reply."""
    return JSONResponse(content, status, headers=trace())


def trace() -> dict[str, str]:
    """The header that names the request."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Trace-ID": request_id} if request_id else {}
