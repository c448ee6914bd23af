"""DeepL's /v2/document: upload, ask, fetch once.

https://developers.deepl.com/api-reference/document
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from service.api.body import FORM, JSON, MULTIPART, read_parameters
from service.api.dependencies import Service, ServiceDep
from service.api.dialects.deepl.replies import in_json
from service.api.upload import Upload, download, read_upload
from service.document_jobs import DocumentJob, State
from service.document_translator import DocumentRequest
from service.documents.file_types import MEDIA_TYPES, extension_of
from service.errors import Disabled, InvalidRequest, UnsupportedLanguage

DISABLED = "Documents are not translated by this server."
UNSUPPORTED = (
    "glossary_id",
    "glossary_ids",
    "style_id",
    "translation_memory_id",
    "custom_instructions",
)
"""Fields that change what a translation is, so that ignoring them would be a lie."""
NO_NAME = ("", "file")
"""What DeepL's client calls a file whose name it does not send."""


class DocumentBody(BaseModel):
    """Fields of POST /v2/document. Others are ignored."""

    file: str = Field(description="The document.", json_schema_extra={"format": "binary"})
    target_lang: str = Field(description="Language to translate into.", examples=["EN-US"])
    source_lang: str = Field(default="", description="Detected if it is left out.")
    filename: str = Field(
        default="",
        description="Its name, if the file has none; its end says the format. Without any name "
        "the contents do.",
    )
    output_format: str = Field(default="", description="Only that of the document.")
    formality: str = Field(default="default", description="Accepted, but for more and less.")


class Document(BaseModel):
    """How to ask for the document later."""

    document_id: str
    document_key: str = Field(description="Whoever has it may fetch the translation.")


class KeyBody(BaseModel):
    """What proves that a document is one's own."""

    document_key: str = Field(description="What the upload was answered with.")


class DocumentState(BaseModel):
    """How far it has got."""

    document_id: str
    status: State
    seconds_remaining: int | None = Field(default=None, description="While it is translated.")
    billed_characters: int | None = Field(default=None, description="When it is done.")
    error_message: str | None = Field(default=None, description="When it failed.")


async def deepl_upload_document(request: Request, service: ServiceDep) -> Response:
    """Begin to translate a document."""
    if not service.settings.documents.enabled:
        raise Disabled(DISABLED)
    service.documents.require_room()
    upload = await read_upload(request, service.settings.scheduling.deadline_seconds)
    asked = await asyncio.to_thread(_asked, upload)  # it may look into an archive
    try:
        job = service.document_jobs.start(asked)
    except UnsupportedLanguage as error:
        raise InvalidRequest(f"Value for 'target_lang' or 'source_lang': {error}.") from None
    return in_json({"document_id": job.id, "document_key": job.key})


async def deepl_document_status(
    document_id: str, request: Request, service: ServiceDep
) -> Response:
    """How far a document has got."""
    job = await _job(document_id, request, service)
    found: dict[str, Any] = {"document_id": job.id, "status": job.state}
    match job.state:
        case State.TRANSLATING if job.progress.seconds_left is not None:
            found["seconds_remaining"] = job.progress.seconds_left
        case State.DONE:
            found["billed_characters"] = job.progress.characters
        case State.ERROR:
            found["error_message"] = job.error
    return in_json(found)


async def deepl_document_result(
    document_id: str, request: Request, service: ServiceDep
) -> Response:
    """The translated document, once; afterwards it is gone."""
    job = await _job(document_id, request, service)
    document = service.document_jobs.take(job)
    service.deepl_characters += job.progress.characters
    return download(document)


async def _job(document_id: str, request: Request, service: Service) -> DocumentJob:
    seconds = service.settings.scheduling.deadline_seconds
    key = (await read_parameters(request, seconds, ())).get("document_key")
    if not isinstance(key, str) or not key:
        raise InvalidRequest("Parameter 'document_key' not specified.")
    return service.document_jobs.get(document_id, key)


def _asked(upload: Upload) -> DocumentRequest:
    if upload.name is None:
        raise InvalidRequest("Parameter 'file' not specified.")
    fields = {name: value for name, value in upload.fields.items() if value}
    if "target_lang" not in fields:
        raise InvalidRequest("Parameter 'target_lang' not specified.")
    name = fields.get("filename") or ("" if upload.name in NO_NAME else upload.name)
    extension = extension_of(name, upload.content)
    _refuse_what_is_not_done(fields, extension)
    return DocumentRequest(
        name=name or f"document{extension}",
        extension=extension,
        content=upload.content,
        source=fields.get("source_lang", ""),
        target=fields["target_lang"],
    )


def _refuse_what_is_not_done(fields: Mapping[str, str], extension: str) -> None:
    for name in UNSUPPORTED:
        if name in fields:
            raise InvalidRequest(f"Parameter '{name}' is not supported for documents.")
    if fields.get("formality") in ("more", "less"):
        raise InvalidRequest("'formality' is not supported for given 'target_lang'.")
    output = fields.get("output_format", "").lower().lstrip(".")
    if output and MEDIA_TYPES.get(f".{output}") != MEDIA_TYPES[extension]:
        raise InvalidRequest("Value for 'output_format' not supported: it is that of the document.")


def upload_documentation() -> dict[str, Any]:
    """OpenAPI's `requestBody`."""
    schema = DocumentBody.model_json_schema()
    return {"required": True, "content": {MULTIPART: {"schema": schema}}}


def key_documentation() -> dict[str, Any]:
    """OpenAPI's `requestBody`."""
    schema = KeyBody.model_json_schema()
    return {"required": True, "content": {kind: {"schema": schema} for kind in (JSON, FORM)}}
