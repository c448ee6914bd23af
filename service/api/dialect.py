"""Dialects: how the errors of an API are worded, whatever they are and wherever they arise.

An error may arise before a route was found (404, 405) or outside of any (413 while the body still
arrives), so the path tells whose words to use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.types import Scope

from service.api.status import RETRIED, STATUS, UNSEEN, Status, headers_of, status_of
from service.errors import ServiceError

INTERNAL_ERROR = "Internal error."
ERROR_KIND = "error"
"""In the scope of a request that ended in an error: its class."""
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which it is worth trying again.",
        "schema": {"type": "integer"},
    }
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one API words its errors."""

    prefix: str
    """The paths that speak it begin with this."""
    error_body: Callable[[str], Mapping[str, Any]]
    statuses: Mapping[type[ServiceError], Status] = field(default_factory=dict)
    """Errors that have another status here than in the table."""

    def error(
        self, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        """An error in this dialect's words."""
        return JSONResponse(self.error_body(message), status, headers=headers)

    def status_of(self, error: ServiceError) -> int:
        """The HTTP status of an error."""
        return status_of(error, self.statuses)

    def documented(self, *statuses: int) -> dict[int | str, dict[str, Any]]:
        """OpenAPI's `responses` for these statuses, with an example of every error."""
        return {status: self._documented(status) for status in statuses}

    def _documented(self, status: int) -> dict[str, Any]:
        table = {**STATUS, **self.statuses}
        kinds = [kind for kind, row in table.items() if row.code == status]
        examples = {
            kind.__name__: {
                "summary": _first_line(kind),
                "value": self.error_body(table[kind].example),
            }
            for kind in kinds
        } or {"example": {"value": self.error_body(_phrase(status))}}
        retried = any(issubclass(kind, RETRIED) for kind in kinds)
        return {
            "headers": _RETRY_AFTER if retried else {},
            "description": " ".join(_first_line(kind) for kind in kinds) or _phrase(status),
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {key: {"type": "string"} for key in self.error_body("")},
                        "required": list(self.error_body("")),
                    },
                    "examples": examples,
                }
            },
        }


class Dialects:
    """The dialects of an app; the one with the longest prefix of a path is the path's."""

    def __init__(self, *dialects: Dialect) -> None:
        self._dialects = sorted(dialects, key=lambda dialect: -len(dialect.prefix))

    def of(self, scope: Scope) -> Dialect:
        """The dialect of a request. One of them has the empty prefix."""
        path = get_route_path(scope)
        return next(dialect for dialect in self._dialects if path.startswith(dialect.prefix))

    def word_errors(self, app: FastAPI) -> None:
        """Make the app answer every error that it foresees in the dialect of the path."""
        # The handlers are async although they wait for nothing: others would run in a thread each.
        app.add_exception_handler(ServiceError, self._service_error)
        app.add_exception_handler(HTTPException, self._http_exception)
        app.add_exception_handler(RequestValidationError, self._validation_error)

    async def _service_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, ServiceError)
        request.scope[ERROR_KIND] = type(error).__name__
        dialect = self.of(request.scope)
        status = dialect.status_of(error)
        if status == UNSEEN:
            return Response(status_code=status)
        return dialect.error(status, str(error), headers_of(error))

    async def _http_exception(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self.of(request.scope).error(error.status_code, str(error.detail), error.headers)

    async def _validation_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = "; ".join(
            f"{fault['loc'][-1]}: {fault['msg']}" if fault["loc"] else str(fault["msg"])
            for fault in error.errors()
        )
        return self.of(request.scope).error(400, f"Invalid request: {faults}")


def _first_line(kind: type[ServiceError]) -> str:
    return (kind.__doc__ or kind.__name__).splitlines()[0]


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
