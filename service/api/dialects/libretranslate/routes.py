"""LibreTranslate's API, which is also ours: every client of it works here.

Fields of our own, with CTranslate2's names, extend POST /translate. Its extra results are in the
reply when such a field was sent, and whenever a sentence did not end by itself: a translation that
lacks its end is never passed off as a whole one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from service.api.body import JSON, read_parameters
from service.api.dependencies import Service, ServiceDep, arrival_of, while_connected
from service.api.dialect import Dialect
from service.api.dialects.libretranslate.detection import described, detect, sources
from service.api.dialects.libretranslate.documents import (
    TranslateFileReply,
    download_file,
    file_documentation,
    translate_file,
)
from service.api.dialects.libretranslate.examples import (
    EVENTS,
    REPLIES,
    STREAM,
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
    Details,
    Detection,
    Health,
    Language,
    ScoreReply,
    TranslateReply,
)
from service.api.dialects.libretranslate.scoring import score
from service.api.dialects.libretranslate.streaming import stream
from service.api.dialects.libretranslate.suggestions import (
    SuggestReply,
    suggest,
    suggest_documentation,
)
from service.api.dialects.libretranslate.terms import characters as characters_of
from service.api.dialects.libretranslate.terms import glossary, kept
from service.api.upload import DOWNLOAD
from service.decoding.alignment import most_attended
from service.domain import (
    DetectedLanguage,
    FinishReason,
    Format,
    ModelDescription,
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
            200: {"content": {JSON: {"examples": REPLIES}, EVENTS: STREAM}},
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
        responses=DIALECT.documented(400, 403, 413, 415, 504),
        openapi_extra={"requestBody": detect_documentation()},
    )
    routes.add_api_route(
        "/suggest",
        suggest,
        methods=["POST"],
        summary="Suggest a better translation",
        response_model=SuggestReply,
        responses=DIALECT.documented(400, 403, 413, 415, 504, 507),
        openapi_extra={"requestBody": suggest_documentation()},
    )
    # Some clients end every path with a slash, and do not follow redirects of a POST.
    routes.add_api_route("/translate/", translate, methods=["POST"], include_in_schema=False)
    routes.add_api_route("/score/", score, methods=["POST"], include_in_schema=False)
    routes.add_api_route("/detect/", detect, methods=["POST"], include_in_schema=False)
    routes.add_api_route("/suggest/", suggest, methods=["POST"], include_in_schema=False)
    routes.add_api_route(
        "/translate_file",
        translate_file,
        methods=["POST"],
        summary="Translate a document",
        response_model=TranslateFileReply,
        responses=DIALECT.documented(400, 403, 413, 415, 500, 503, 504),
        openapi_extra={"requestBody": file_documentation()},
    )
    routes.add_api_route(
        "/translate_file/", translate_file, methods=["POST"], include_in_schema=False
    )
    return routes


def open_router() -> APIRouter:
    """The routes that need no key, as with LibreTranslate: pages ask them before they have one,
    and the name of a document is as good as a key."""
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
        "/download_file/{name}",
        download_file,
        methods=["GET"],
        summary="Fetch a translated document",
        response_class=Response,
        responses={
            200: DOWNLOAD,
            **DIALECT.documented(404),
        },
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

    With `stream` the answer is Server-Sent Events: `sentence`, for each sentence as soon as it and
    all before it are done, then `done` with the reply. What fails before the first of them has its
    own status; what fails later is an event `error`, the last one.
    """
    service.translator.require_room()
    deadline_seconds = service.settings.scheduling.deadline_seconds
    body = parse(await read_parameters(request, deadline_seconds, REPEATABLE))
    asked = translation_request(body, service.settings, arrival_of(request))
    detected = await sources(body, service)
    if body.stream:
        return await _streamed(request, service, body, asked, detected)
    work = (
        service.translator.translate(asked)
        if detected is None
        else translate_each(service.translator, asked, [one.language for one in detected])
    )
    translations = await while_connected(request, work)
    told = details(body, service.model, translations)
    return _json(reply(body, translations, detected or ()) | told)


async def _streamed(
    request: Request,
    service: Service,
    body: TranslateBody,
    asked: TranslationRequest,
    detected: Sequence[DetectedLanguage] | None,
) -> Response:
    if detected is not None:
        asked = replace(asked, source=detected[0].language)
    return await stream(
        request,
        lambda on_sentence: service.translator.translate(asked, on_sentence),
        lambda sentence: _sentence_event(sentence, body),
        lambda translations: (
            reply(body, translations, detected or ()) | details(body, service.model, translations)
        ),
    )


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
    body: TranslateBody, settings: Settings, arrived: float
) -> TranslationRequest:
    """Check bounds.

    arrived: monotonic seconds (time.monotonic).

    Raises:
        InvalidRequest: a value is out of bounds.
        RequestTooLarge: too many texts, or too many characters.
    """
    if body.format not in ("", *Format):
        raise InvalidRequest(f"{body.format[:MAX_ECHO]} format is not supported")
    texts = body.texts
    at_most(len(texts), settings.limits.max_items)
    textual = textual_options(body)
    terms = glossary(body)
    size = sum(map(len, texts)) + characters(textual) + characters_of(terms)
    at_most(size, settings.limits.max_characters)
    if body.stream and not isinstance(body.q, str):
        raise InvalidRequest("Invalid request: q parameter must be a string when stream is true")
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
        deadline=arrived + (body.deadline_seconds or settings.scheduling.deadline_seconds),
        priority=body.priority,
        selection=body.selection,
        textual=textual,
        format=Format(body.format or Format.TEXT),
        protect=body.protect_placeholders,
        align=body.return_alignments,
        splitting=body.split_sentences,
        glossary=terms,
        kept=kept(body),
        model=body.model,
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
            [_sentence(sentence, body) for sentence in found.sentences] for found in translations
        ]
    if body.return_alignments:
        fields["alignments"] = [list(map(asdict, found.alignments)) for found in translations]
    if isinstance(body.q, str):
        return {name: values[0] for name, values in fields.items()}
    return dict(fields)


def details(
    body: TranslateBody, default: ModelDescription, translations: Sequence[TextTranslation]
) -> dict[str, Any]:
    """What the reply says of the service, if that was asked for.

    default: the model that is named where none had anything to do.
    """
    if not body.return_details:
        return {}
    used = list(dict.fromkeys(model for one in translations for model in one.models))
    last = used[-1] if used else default
    names = [{"model": one.name, "version": one.version, "variant": one.variant} for one in used]
    request_id = structlog.contextvars.get_contextvars()["request_id"]
    told = {"request_id": request_id, "model": last.name, "models": names} | asdict(last)
    return {"details": {name: told[name] for name in Details.model_fields}}


def _alternatives(found: TextTranslation, most: int) -> list[str]:
    different = dict.fromkeys(text for text in found.alternatives if text != found.text)
    return list(different)[:most]


def _worst(found: TextTranslation) -> FinishReason:
    reasons = (sentence.finish_reasons[0] for sentence in found.sentences)
    return next((reason for reason in reasons if reason is not FinishReason.END), FinishReason.END)


def _sentence(sentence: SentenceTranslation, body: TranslateBody) -> dict[str, Any]:
    translations: list[dict[str, Any]] = []
    for rank, text in enumerate(sentence.translations):
        one: dict[str, Any] = {"text": text}
        if body.return_scores:
            one["score"] = sentence.scores[rank]
        one["finish_reason"] = sentence.finish_reasons[rank]
        if sentence.attention:
            one["tokens"] = sentence.tokens[rank]
            one["attention"] = sentence.attention[rank]
            one["alignment"] = most_attended(sentence.attention[rank])
        translations.append(one)
    told: dict[str, Any] = {"source": sentence.source}
    if body.return_alignments:
        told["source_range"] = sentence.source_range
        told["target_range"] = sentence.target_range
    if sentence.attention:
        told["source_tokens"] = sentence.source_tokens
    return told | {"translations": translations}


def _sentence_event(sentence: SentenceTranslation, body: TranslateBody) -> dict[str, Any]:
    ranges = {"source_range": sentence.source_range, "target_range": sentence.target_range}
    alignments = list(map(asdict, sentence.alignments))
    told = _sentence(sentence, body) | ranges
    return told | ({"alignments": alignments} if body.return_alignments else {})


def _json(content: object) -> Response:
    return JSONResponse(content)
