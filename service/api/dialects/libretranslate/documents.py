"""POST /translate_file and GET /download_file: documents, as LibreTranslate has them."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from service.api.body import MULTIPART
from service.api.dependencies import Service, ServiceDep, while_connected
from service.api.dialects.libretranslate.detection import AUTO
from service.api.upload import Upload, download, read_upload
from service.document_translator import DocumentRequest, Progress
from service.documents.file_types import MEDIA_TYPES, extension_of
from service.errors import Disabled, InvalidRequest

DISABLED = "Files translation are disabled on this server."
PATH = "/download_file/"
TOKEN_BYTES = 24


class TranslateFileBody(BaseModel):
    """Fields of POST /translate_file. Others are ignored."""

    file: str = Field(
        description="The document; the end of its name says its format.",
        json_schema_extra={"format": "binary"},
    )
    source: str = Field(description="Language of the document, or auto.", examples=["fr"])
    target: str = Field(description="Language to translate into.", examples=["en"])
    api_key: str = Field(
        default="", description="Needed only where the operator gives out keys.", examples=[""]
    )


class TranslateFileReply(BaseModel):
    """Where the translated document is."""

    translatedFileUrl: str = Field(  # noqa: N815
        examples=["http://localhost:8080/download_file/Zm9v.letter_en.docx"]
    )


async def translate_file(request: Request, service: ServiceDep) -> Response:
    """Translate a document; the answer comes when that is done, and says where to fetch it."""
    if not service.settings.documents.enabled:
        raise Disabled(DISABLED)
    service.documents.require_room()
    upload = await read_upload(request, service.settings.scheduling.deadline_seconds)
    asked = await asyncio.to_thread(_asked, upload)  # it may look into an archive
    key = f"{secrets.token_urlsafe(TOKEN_BYTES)}.{asked.translated_name}"
    keep = partial(service.document_store.keep, key)
    await while_connected(request, service.documents.translate(asked, Progress(), keep))
    url = f"{str(request.base_url).rstrip('/')}{PATH}{key}"
    return JSONResponse({"translatedFileUrl": url})


async def download_file(name: str, service: ServiceDep) -> Response:
    """A translated document, as long as it is kept."""
    return download(service.document_store.get(name))


def _asked(upload: Upload) -> DocumentRequest:
    if upload.name is None:
        raise InvalidRequest("Invalid request: missing file parameter")
    for name in ("source", "target"):
        if not upload.fields.get(name):
            raise InvalidRequest(f"Invalid request: missing {name} parameter")
    if not upload.name:
        raise InvalidRequest("Invalid request: empty file")
    source = upload.fields["source"]
    return DocumentRequest(
        name=upload.name,
        extension=extension_of(upload.name, upload.content),
        content=upload.content,
        source="" if source == AUTO else source,
        target=upload.fields["target"],
    )


def file_documentation() -> dict[str, Any]:
    """OpenAPI's `requestBody`."""
    schema = TranslateFileBody.model_json_schema()
    return {"required": True, "content": {MULTIPART: {"schema": schema}}}


def supported(service: Service) -> list[str]:
    """The formats, or none where documents are not translated."""
    return list(MEDIA_TYPES) if service.settings.documents.enabled else []
