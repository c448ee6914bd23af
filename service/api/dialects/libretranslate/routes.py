"""LibreTranslate's API, which is also ours: every client of it works here.

Fields of our own, with CTranslate2's names, extend POST /translate. Its extra results are in the
reply when such a field was sent, and whenever a sentence did not end by itself: a translation that
lacks its end is never passed off as a whole one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from service.api.body import JSON, read_parameters
from service.api.dependencies import ServiceDep, while_connected
from service.api.dialect import Dialect
from service.api.dialects.libretranslate.detection import described, detect, sources
from service.api.dialects.libretranslate.examples import (
    REPLIES,
    detect_documentation,
    request_documentation,
    score_documentation,
)
from service.api.dialects.libretranslate.fields import (
    REPEATABLE,
    REQUIRED,
    TranslateBody,
    validated,
)
from service.api.dialects.libretranslate.frontend import FrontendSettings, frontend_settings
from service.api.dialects.libretranslate.options import (
    at_most,
    characters,
    decoding_options,
    textual_options,
)
from service.api.dialects.libretranslate.replies import (
    Detection,
    Health,
    Language,
    ScoreReply,
    TranslateReply,
)
from service.api.dialects.libretranslate.scoring import score
from service.api.dialects.libretranslate.suggestions import (
    SuggestReply,
    suggest,
    suggest_documentation,
)
from service.decoding.alignment import most_attended
from service.domain import (
    DetectedLanguage,
    FinishReason,
    Format,
    Selection,
    SentenceTranslation,
    TextTranslation,
    TranslationRequest,
)
from service.errors import InvalidRequest
from service.settings import Settings
from service.source_language import translate_each

DIALECT = Dialect(prefix="", error_body=lambda message: {"error": message})
MAX_ECHO = 32
"""Most characters of a wrong format that the error repeats."""


def router(settings: Settings) -> APIRouter:
    """The routes; the settings are needed for their documentation."""
    routes = APIRouter(tags=["LibreTranslate"])
    routes.add_api_route(
        "/translate",
        translate,
        methods=["POST"],
        summary="Translate texts",
        response_model=TranslateReply,
        responses={
            200: {"content": {JSON: {"examples": REPLIES}}},
            **DIALECT.documented(400, 413, 415, 500, 503, 504),
        },
        openapi_extra={"requestBody": request_documentation(settings)},
    )
    routes.add_api_route(
        "/score",
        score,
        methods=["POST"],
        summary="Score given translations",
        response_model=ScoreReply,
        responses=DIALECT.documented(400, 413, 415, 500, 503, 504),
        openapi_extra={"requestBody": score_documentation()},
    )
    routes.add_api_route(
        "/detect",
        detect,
        methods=["POST"],
        summary="Detect the language of a text",
        response_model=list[Detection],
        responses=DIALECT.documented(400, 403, 413, 415),
        openapi_extra={"requestBody": detect_documentation()},
    )
    routes.add_api_route(
        "/suggest",
        suggest,
        methods=["POST"],
        summary="Suggest a better translation",
        response_model=SuggestReply,
        responses=DIALECT.documented(400, 403, 413, 415),
        openapi_extra={"requestBody": suggest_documentation()},
    )
    # Some clients end every path with a slash, and do not follow redirects of a POST.
    routes.add_api_route("/translate/", translate, methods=["POST"], include_in_schema=False)
    routes.add_api_route("/score/", score, methods=["POST"], include_in_schema=False)
    routes.add_api_route("/detect/", detect, methods=["POST"], include_in_schema=False)
    routes.add_api_route("/suggest/", suggest, methods=["POST"], include_in_schema=False)
    return routes


def open_router() -> APIRouter:
    """The routes that need no key, as with LibreTranslate: pages ask them before they have one."""
    routes = APIRouter(tags=["LibreTranslate"])
    routes.add_api_route(
        "/frontend/settings",
        frontend_settings,
        methods=["GET"],
        summary="What front ends have to know",
        response_model=FrontendSettings,
    )
    routes.add_api_route(
        "/languages",
        languages,
        methods=["GET"],
        summary="Languages that are served",
        response_model=list[Language],
    )
    routes.add_api_route(
        "/health",
        health,
        methods=["GET"],
        summary="LibreTranslate's health check; the same as /health/ready",
        response_model=Health,
        responses=DIALECT.documented(503),
    )
    routes.add_api_route(
        "/frontend/settings/", frontend_settings, methods=["GET"], include_in_schema=False
    )
    routes.add_api_route("/languages/", languages, methods=["GET"], include_in_schema=False)
    routes.add_api_route("/health/", health, methods=["GET"], include_in_schema=False)
    return routes


async def translate(request: Request, service: ServiceDep) -> Response:
    """Translate one text or many.

    Parameters come as JSON if the Content-Type says so, else as a form and in the query string.
    """
    service.translator.require_room()
    deadline_seconds = service.settings.scheduling.deadline_seconds
    deadline = time.monotonic() + deadline_seconds
    body = parse(await read_parameters(request, deadline_seconds, REPEATABLE))
    asked = translation_request(body, service.settings, deadline)
    detected = await sources(body, service)
    if detected is None:
        translations = await while_connected(request, service.translator.translate(asked))
        return _json(reply(body, translations))
    each = translate_each(service.translator, asked, [one.language for one in detected])
    return _json(reply(body, await while_connected(request, each), detected))


async def languages(service: ServiceDep) -> Response:
    """The source languages, each with the languages that it is translated into."""
    return _json(service.languages.listing())


async def health(service: ServiceDep) -> Response:
    """Whether requests should be sent here."""
    if reason := service.unready_because:
        return DIALECT.error(503, reason)
    return JSONResponse({"status": "ok"})


def parse(parameters: Mapping[str, object]) -> TranslateBody:
    """Check names and types.

    Raises:
        InvalidRequest: in LibreTranslate's words where it has some.
    """
    return validated(TranslateBody, parameters, REQUIRED)


def translation_request(
    body: TranslateBody, settings: Settings, deadline: float
) -> TranslationRequest:
    """Check bounds.

    Raises:
        InvalidRequest: a value is out of bounds.
        RequestTooLarge: too many texts, or too many characters.
    """
    if body.format not in ("", *Format):
        raise InvalidRequest(f"{body.format[:MAX_ECHO]} format is not supported")
    texts = body.texts
    at_most(len(texts), settings.limits.max_items)
    textual = textual_options(body)
    at_most(sum(map(len, texts)) + characters(textual), settings.limits.max_characters)
    options = decoding_options(body, settings)
    if body.selection is Selection.MBR and options.rows < 2:
        raise InvalidRequest(
            "Invalid request: beam_size parameter must be >= 2 when selection is mbr"
        )
    retry = settings.decoding.retry_repetitions
    return TranslationRequest(
        texts=texts,
        source=body.source,
        target=body.target,
        options=options,
        deadline=deadline,
        priority=body.priority,
        selection=body.selection,
        textual=textual,
        format=Format(body.format or Format.TEXT),
        protect=body.protect_placeholders,
        retry_repetitions=body.retry_repetitions
        if "retry_repetitions" in body.model_fields_set
        else retry,
    )


def reply(
    body: TranslateBody,
    translations: list[TextTranslation],
    detected: Sequence[DetectedLanguage] = (),
) -> dict[str, Any]:
    """The reply's JSON."""
    fields: dict[str, list[Any]] = {"translatedText": [found.text for found in translations]}
    if detected:
        fields["detectedLanguage"] = [described(one) for one in detected]
    if body.alternatives > 0:
        fields["alternatives"] = [_alternatives(found, body.alternatives) for found in translations]
    reasons = [_worst(found) for found in translations]
    if body.extended or any(reason is not FinishReason.END for reason in reasons):
        fields["finish_reason"] = reasons
        fields["sentences"] = [
            [_sentence(sentence, body.return_scores) for sentence in found.sentences]
            for found in translations
        ]
    if isinstance(body.q, str):
        return {name: values[0] for name, values in fields.items()}
    return dict(fields)


def _alternatives(found: TextTranslation, most: int) -> list[str]:
    different = dict.fromkeys(text for text in found.alternatives if text != found.text)
    return list(different)[:most]


def _worst(found: TextTranslation) -> FinishReason:
    reasons = (sentence.finish_reasons[0] for sentence in found.sentences)
    return next((reason for reason in reasons if reason is not FinishReason.END), FinishReason.END)


def _sentence(sentence: SentenceTranslation, with_scores: bool) -> dict[str, Any]:
    translations: list[dict[str, Any]] = []
    for rank, text in enumerate(sentence.translations):
        one: dict[str, Any] = {"text": text}
        if with_scores:
            one["score"] = sentence.scores[rank]
        one["finish_reason"] = sentence.finish_reasons[rank]
        if sentence.attention:
            one["tokens"] = sentence.tokens[rank]
            one["attention"] = sentence.attention[rank]
            one["alignment"] = most_attended(sentence.attention[rank])
        translations.append(one)
    attended = {"source_tokens": sentence.source_tokens} if sentence.attention else {}
    return {"source": sentence.source, **attended, "translations": translations}


def _json(content: object) -> Response:
    return JSONResponse(content)
