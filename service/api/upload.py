"""Documents over HTTP: multipart forms that bring a file, which stays in memory, and answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.message import Message

from fastapi import Request
from fastapi.responses import Response
from python_multipart.multipart import File
from starlette.exceptions import HTTPException

from service.api.body import MULTIPART, content_type_of, read_body
from service.api.multipart import parse_multipart
from service.document_store import TranslatedDocument
from service.documents.file_types import MEDIA_TYPES
from service.errors import InvalidRequest

DOWNLOAD = {
    "content": {
        media_type: {"schema": {"type": "string", "format": "binary"}}
        for media_type in dict.fromkeys(MEDIA_TYPES.values())
    }
}
"""OpenAPI's response that is a document."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What the form brought."""

    fields: dict[str, str]
    """Of fields that come more than once, the first."""
    name: str | None
    """Of the file, as the client says; None if there is no file."""
    content: bytes


async def read_upload(request: Request, seconds: float) -> Upload:
    """The form's fields and its file, the first one of the name `file`.

    Args:
        seconds: how long the body may take to arrive.

    Raises:
        InvalidRequest: the form is broken, not UTF-8, or has too many fields.
        HTTPException: 415, it is no multipart form.
        DeadlineExceeded, ClientClosedRequest, BodyTooLarge: the body did not arrive.
    """
    content_type = content_type_of(request)
    if content_type.get_content_type() != MULTIPART:
        raise HTTPException(415, f"The Content-Type of a file's upload must be {MULTIPART}.")
    body = await read_body(request, seconds)
    return await asyncio.to_thread(_parsed, content_type, body)


def download(document: TranslatedDocument) -> Response:
    """A translated document as an answer. A text tells its charset only if that is UTF-8: the
    encoding is that of the document that was sent, and some formats say in themselves which."""
    return Response(
        document.content,
        headers={
            "Content-Type": document.media_type + _charset_of(document),
            "Content-Disposition": f'attachment; filename="{document.name}"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )


def _charset_of(document: TranslatedDocument) -> str:
    if not document.media_type.startswith("text/"):
        return ""
    try:
        document.content.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "; charset=utf-8"


def _parsed(content_type: Message, body: bytes) -> Upload:
    pairs, files = parse_multipart(content_type["content-type"], body)
    found = next((one for one in files if one.field_name == b"file"), None)
    try:
        name = None if found is None else (found.file_name or b"").decode()
    except UnicodeDecodeError:
        raise InvalidRequest("Invalid request: the form is not UTF-8") from None
    return Upload(dict(reversed(pairs)), name, _content(found))


def _content(file: File | None) -> bytes:
    if file is None:
        return b""
    file.file_object.seek(0)
    return file.file_object.read()
