"""LibreTranslate's API, which is also ours: every client of it works here.

Fields of our own, with CTranslate2's names, extend POST /translate. Its extra results are in the
reply when such a field was sent, and whenever a sentence did not end by itself: a translation that
lacks its end is never passed off as a whole one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from service.api.body import JSON, read_parameters
from service.api.dependencies import ServiceDep, while_connected
from service.api.dialect import Dialect
from service.api.dialects.libretranslate.examples import REPLIES, request_documentation
from service.api.dialects.libretranslate.fields import (
    EXPECTED,
    LENGTH_PENALTY_BOUND,
    REQUIRED,
    Health,
    Language,
    TranslateBody,
    TranslateReply,
)
from service.domain import (
    DecodingOptions,
    FinishReason,
    Selection,
    SentenceTranslation,
    TextTranslation,
    TranslationRequest,
)
from service.errors import InvalidRequest, RequestTooLarge
from service.settings import Settings

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
    # Some clients end every path with a slash, and do not follow redirects of a POST.
    routes.add_api_route("/translate/", translate, methods=["POST"], include_in_schema=False)
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
    body = parse(await read_parameters(request, deadline_seconds, repeatable=("q",)))
    asked = translation_request(body, service.settings, deadline)
    translations = await while_connected(request, service.translator.translate(asked))
    return _json(reply(body, translations))


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
    given = {name: value for name, value in parameters.items() if value is not None}
    for name in REQUIRED:
        if given.get(name) in ("", []) or name not in given:
            raise InvalidRequest(f"Invalid request: missing {name} parameter")
    try:
        return TranslateBody.model_validate(given)
    except ValidationError as error:
        name = str(error.errors(include_input=False)[0]["loc"][0])
        expected = EXPECTED.get(name, "must be a string")
        raise InvalidRequest(f"Invalid request: {name} parameter {expected}") from None


def translation_request(
    body: TranslateBody, settings: Settings, deadline: float
) -> TranslationRequest:
    """Check bounds.

    Raises:
        InvalidRequest: a value is out of bounds.
        RequestTooLarge: too many texts, or too many characters.
    """
    if body.format not in ("", "text"):
        raise InvalidRequest(f"{body.format[:MAX_ECHO]} format is not supported")
    texts = body.texts
    _at_most(len(texts), settings.limits.max_items)
    _at_most(sum(map(len, texts)), settings.limits.max_characters)
    options = _options(body, settings)
    if body.selection is Selection.MBR and max(options.beam_size, options.num_hypotheses) < 2:
        raise InvalidRequest(
            "Invalid request: beam_size parameter must be >= 2 when selection is mbr"
        )
    return TranslationRequest(
        texts=texts,
        source=body.source,
        target=body.target,
        options=options,
        deadline=deadline,
        selection=body.selection,
    )


def reply(body: TranslateBody, translations: list[TextTranslation]) -> dict[str, Any]:
    """The reply's JSON."""
    fields: dict[str, list[Any]] = {"translatedText": [found.text for found in translations]}
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


def _options(body: TranslateBody, settings: Settings) -> DecodingOptions:
    limits, defaults = settings.limits, settings.decoding
    given = body.model_fields_set
    alternatives = max(0, body.alternatives)
    _within("alternatives", alternatives, 0, limits.max_beam_size - 1)
    beam_size = body.beam_size if "beam_size" in given else defaults.beam_size
    _within("beam_size", beam_size, 1, limits.max_beam_size)
    beam_size = max(beam_size, alternatives + 1)
    longest = (
        body.max_decoding_length if "max_decoding_length" in given else defaults.max_decoding_length
    )
    _within("num_hypotheses", body.num_hypotheses, 1, beam_size)
    _within("max_decoding_length", longest, 1, defaults.max_decoding_length)
    _within("min_decoding_length", body.min_decoding_length, 0, longest)
    penalty = body.length_penalty if "length_penalty" in given else defaults.length_penalty
    _within("length_penalty", penalty, -LENGTH_PENALTY_BOUND, LENGTH_PENALTY_BOUND)
    return DecodingOptions(
        beam_size=beam_size,
        num_hypotheses=max(body.num_hypotheses, alternatives + 1),
        length_penalty=penalty,
        max_decoding_length=longest,
        min_decoding_length=body.min_decoding_length,
    )


def _within(name: str, value: float, least: float, most: float) -> None:
    if value < least:
        raise InvalidRequest(f"Invalid request: {name} parameter must be >= {least}")
    if value > most:
        raise InvalidRequest(f"Invalid request: {name} parameter must be <= {most}")


def _at_most(size: int, limit: int) -> None:
    if size > limit:
        raise RequestTooLarge(f"Invalid request: request ({size}) exceeds text limit ({limit})")


def _alternatives(found: TextTranslation, most: int) -> list[str]:
    different = dict.fromkeys(text for text in found.alternatives if text != found.text)
    return list(different)[:most]


def _worst(found: TextTranslation) -> FinishReason:
    reasons = (sentence.finish_reasons[0] for sentence in found.sentences)
    return next((reason for reason in reasons if reason is not FinishReason.END), FinishReason.END)


def _sentence(sentence: SentenceTranslation, with_scores: bool) -> dict[str, Any]:
    hypotheses: Iterable[tuple[str, float, FinishReason]] = zip(
        sentence.translations, sentence.scores, sentence.finish_reasons, strict=True
    )
    return {
        "source": sentence.source,
        "translations": [
            {"text": text, **({"score": score} if with_scores else {}), "finish_reason": reason}
            for text, score, reason in hypotheses
        ],
    }


def _json(content: object) -> Response:
    return JSONResponse(content)
