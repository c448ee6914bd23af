"""DeepL's API, version 2, for texts: its clients work here.

https://developers.deepl.com/api-reference/translate
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from service.access.account import ACCOUNT
from service.api.body import FORM, JSON, MULTIPART, read_parameters
from service.api.dependencies import Service, ServiceDep, arrival_of, while_connected
from service.api.dialect import Dialect
from service.api.dialects.deepl import empty_lists, glossaries, writing
from service.api.dialects.deepl.documents import (
    Document,
    DocumentState,
    deepl_document_result,
    deepl_document_status,
    deepl_upload_document,
    key_documentation,
    upload_documentation,
)
from service.api.dialects.deepl.fields import MODEL_TYPE, REPEATABLE, TranslateBody, parse
from service.api.dialects.deepl.languages import sources, targets, written
from service.api.dialects.deepl.replies import DIALECT, excess, in_json, trace
from service.api.upload import DOWNLOAD
from service.domain import TranslationRequest
from service.errors import InvalidRequest, UnsupportedLanguage
from service.settings import Settings
from service.source_language import translate_each

DIALECTS = (
    DIALECT,
    Dialect(prefix="/v3/", error_body=DIALECT.error_body, statuses=DIALECT.statuses),
)
UNLIMITED = 1_000_000_000_000
"""What DeepL gives as the limit of subscriptions that have none."""


class Translation(BaseModel):
    """One translated text."""

    detected_source_language: str = Field(examples=["FR"])
    text: str = Field(examples=["Hello everyone."])
    billed_characters: int = Field(default=0, description="Only with show_billed_characters.")
    model_type_used: str = Field(default="", description="Only with model_type.")


class Translations(BaseModel):
    """The texts' translations, in order."""

    translations: list[Translation]


class Language(BaseModel):
    """A language as DeepL writes it."""

    language: str = Field(examples=["EN-US"])
    name: str
    supports_formality: bool = Field(default=False, description="Of targets only.")


class Usage(BaseModel):
    """Characters translated for the request's key this month (UTC), or where there are no keys, by
    POST /v2/translate since the service was started."""

    character_count: int
    character_limit: int = Field(
        description=f"Of the key, in a month; {UNLIMITED}, as DeepL says, where there is none."
    )


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["DeepL"])
    schema = TranslateBody.model_json_schema()
    kinds = (JSON, FORM, MULTIPART)
    routes.add_api_route(
        "/v2/translate",
        deepl_translate,
        methods=["POST"],
        summary="Translate texts, as DeepL does",
        response_model=Translations,
        responses=DIALECT.documented(400, 403, 404, 413, 415, 500, 503, 504),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {kind: {"schema": schema} for kind in kinds},
            }
        },
    )
    routes.add_api_route(
        "/v2/languages",
        deepl_languages,
        methods=["GET"],
        summary="Languages, as DeepL writes them",
        response_model=list[Language],
        responses=DIALECT.documented(400),
        openapi_extra={
            "parameters": [
                {
                    "name": "type",
                    "in": "query",
                    "schema": {"enum": ["source", "target"], "default": "source"},
                }
            ]
        },
    )
    routes.add_api_route(
        "/v2/usage",
        deepl_usage,
        methods=["GET"],
        summary="Characters so far",
        response_model=Usage,
    )
    _add_documents(routes)
    glossaries.add_to(routes)
    writing.add_to(routes)
    empty_lists.add_to(routes)
    return routes


def _add_documents(routes: APIRouter) -> None:
    routes.add_api_route(
        "/v2/document",
        deepl_upload_document,
        methods=["POST"],
        summary="Begin to translate a document",
        response_model=Document,
        responses=DIALECT.documented(400, 403, 413, 415, 503, 504),
        openapi_extra={"requestBody": upload_documentation()},
    )
    routes.add_api_route(
        "/v2/document/{document_id}",
        deepl_document_status,
        methods=["POST"],
        summary="How far a document has got",
        response_model=DocumentState,
        responses=DIALECT.documented(400, 404, 413, 415, 504),
        openapi_extra={"requestBody": key_documentation()},
    )
    routes.add_api_route(
        "/v2/document/{document_id}/result",
        deepl_document_result,
        methods=["POST"],
        summary="Fetch a translated document, once",
        response_class=Response,
        responses={
            200: DOWNLOAD,
            **DIALECT.documented(400, 404, 413, 415, 503, 504),
        },
        openapi_extra={"requestBody": key_documentation()},
    )


async def deepl_translate(request: Request, service: ServiceDep) -> Response:
    """Translate texts. Parameters come as JSON or as a form.

    The authentication key is ignored where the service needs none.
    """
    service.translator.require_room()
    seconds = service.settings.scheduling.deadline_seconds
    deadline = arrival_of(request) + seconds
    body = parse(await read_parameters(request, seconds, REPEATABLE))
    if too_much := excess(body.text, service.settings.limits):
        return DIALECT.error(413, too_much, trace())
    languages = await _sources(body, service)
    asked = replace(
        _request(body, service.settings, deadline), glossary=glossaries.terms(body, service)
    )
    work = translate_each(service.translator, asked, languages)
    found = await while_connected(request, work)
    service.deepl_characters += sum(map(len, body.text))
    translations = [
        _translation(body, text, language, one.text)
        for text, language, one in zip(body.text, languages, found, strict=True)
    ]
    return in_json({"translations": translations})


async def deepl_languages(request: Request, service: ServiceDep) -> Response:
    """Source languages, or with type=target the target languages."""
    # DeepL's own client sends the type as the form of a GET.
    parameters = await read_parameters(request, service.settings.scheduling.deadline_seconds, ())
    match parameters.get("type", "source"):
        case "source":
            return in_json(sources(service.languages))
        case "target":
            return in_json(targets(service.languages))
        case _:
            raise InvalidRequest("Value for 'type' not supported.")


async def deepl_usage(service: ServiceDep) -> Response:
    """How much was translated."""
    account = ACCOUNT.get()
    if account is None:
        return in_json({"character_count": service.deepl_characters, "character_limit": UNLIMITED})
    limit = account.characters_per_month
    count = account.characters if limit is None else min(account.characters, limit)
    return in_json({"character_count": count, "character_limit": limit or UNLIMITED})


def _request(body: TranslateBody, settings: Settings, deadline: float) -> TranslationRequest:
    """Each text gets its source later."""
    return TranslationRequest(
        texts=tuple(body.text),
        source="",
        target=body.target_lang,
        options=settings.decoding.options(),
        deadline=deadline,
        format=body.format,
        splitting=body.splitting,
        tags=body.tags,
        retry_repetitions=settings.decoding.retry_repetitions,
    )


async def _sources(body: TranslateBody, service: Service) -> list[str]:
    """The language of each text, as it was given or detected.

    Raises:
        InvalidRequest: the model does not translate these languages, or detects none.
    """
    try:
        if body.source_lang:
            service.languages.resolve(body.source_lang, body.target_lang)
            return [body.source_lang] * len(body.text)
        service.languages.known(body.target_lang)
    except UnsupportedLanguage as error:
        raise InvalidRequest(f"Value for 'target_lang' or 'source_lang': {error}.") from None
    if service.source_languages is None:
        raise InvalidRequest("Parameter 'source_lang' not specified; languages are not detected.")
    detect = service.source_languages.for_target
    detected = await asyncio.to_thread(detect, body.text, body.target_lang, body.format)
    return [one.language for one in detected]


def _translation(body: TranslateBody, text: str, source: str, translation: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "detected_source_language": source.upper() if body.source_lang else written(source),
        "text": translation,
    }
    if body.show_billed_characters:
        fields["billed_characters"] = len(text)
    if body.model_type is not None:
        fields["model_type_used"] = MODEL_TYPE
    return fields
