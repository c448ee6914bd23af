"""Error → HTTP status. A dialect has its own for some. The OpenAPI documents are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from service.errors import (
    AdminOnly,
    BodyTooLarge,
    ClientClosedRequest,
    DeadlineExceeded,
    Disabled,
    DocumentFailure,
    DocumentNotFound,
    DocumentNotReady,
    DocumentTooLarge,
    GlossaryNotFound,
    InvalidDocument,
    InvalidKey,
    InvalidRequest,
    MissingKey,
    ModelFailure,
    ModelNotFound,
    ModelNotLoaded,
    NotStored,
    Overloaded,
    QuotaExceeded,
    RequestTooLarge,
    ServiceError,
    ShuttingDown,
    TooManyRequests,
    UnsupportedDocument,
    UnsupportedLanguage,
)


class Status(NamedTuple):
    """How an error looks over HTTP."""

    code: int
    example: str
    """A message of this error, for the documentation."""


STATUS: dict[type[ServiceError], Status] = {
    InvalidRequest: Status(400, "Invalid request: missing q parameter"),
    UnsupportedLanguage: Status(400, "zz is not supported"),
    InvalidDocument: Status(400, "The file is not a whole ZIP archive, as this format is."),
    UnsupportedDocument: Status(400, "Files of this type are not translated; those are: .txt."),
    RequestTooLarge: Status(400, "Invalid request: request (1000) exceeds text limit (128)"),
    GlossaryNotFound: Status(404, "Glossary not found."),
    ModelNotFound: Status(404, "There is no model 'fr-en'."),
    ModelNotLoaded: Status(
        500, "models/fr-en/2/decoder.int8.onnx is missing; the manifest names it."
    ),
    AdminOnly: Status(403, "This needs the key of an admin."),
    MissingKey: Status(400, "Please contact the server operator to get an API key"),
    InvalidKey: Status(403, "Invalid API key"),
    TooManyRequests: Status(429, "Slowdown: 60 per 1 minute"),
    QuotaExceeded: Status(
        403,
        "Quota exceeded: this key may translate 1000000 characters a month, and too few of them "
        "are left.",
    ),
    BodyTooLarge: Status(413, "The body is larger than 1048576 bytes."),
    DocumentTooLarge: Status(413, "The document has more than 500000 characters."),
    DocumentNotFound: Status(404, "There is no such document, or no longer."),
    DocumentNotReady: Status(503, "The document is not translated yet."),
    DocumentFailure: Status(500, "The document could not be read."),
    ClientClosedRequest: Status(499, "The client left before its answer was ready."),
    Disabled: Status(403, "Suggestions are disabled on this server."),
    ModelFailure: Status(500, "The model could not translate this text."),
    NotStored: Status(507, "It could not be stored: No space left on device."),
    Overloaded: Status(503, "Too many texts are waiting; try again later."),
    ShuttingDown: Status(503, "The service is shutting down."),
    DeadlineExceeded: Status(504, "The translation did not end before its deadline."),
}

UNSEEN = 499
"""Only the access log and the metrics know this status: there is nobody left to read it."""


RETRIED = (Overloaded, TooManyRequests, DocumentNotReady)
"""Errors that say when it is worth trying again."""


def status_of(error: ServiceError, own: Mapping[type[ServiceError], Status] | None = None) -> int:
    """The HTTP status of an error: its own, or its nearest ancestor's.

    own: rows of a dialect that stand for those of the table.
    """
    table = {**STATUS, **(own or {})}
    return next(table[kind].code for kind in type(error).__mro__ if kind in table)


def headers_of(error: ServiceError) -> dict[str, str]:
    """The headers that say more about an error."""
    if isinstance(error, RETRIED):
        return {"Retry-After": str(error.retry_after_seconds)}
    return {}
