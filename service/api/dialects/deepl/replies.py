"""How DeepL's answers are sent."""

from __future__ import annotations

import structlog
from fastapi.responses import JSONResponse, Response


def answered(content: object) -> Response:
    """A JSON answer with its trace."""
    return JSONResponse(content, headers=trace())


def trace() -> dict[str, str]:
    """DeepL's name for the id of a request."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Trace-ID": request_id} if request_id else {}
