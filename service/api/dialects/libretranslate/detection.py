"""Language detection in the words of this dialect: `auto`, and POST /detect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sized
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from service.api.body import read_parameters
from service.api.dependencies import Service, ServiceDep
from service.api.dialects.libretranslate.fields import (
    REPEATABLE,
    DetectBody,
    TranslateBody,
    validated,
)
from service.api.dialects.libretranslate.options import at_most
from service.domain import DetectedLanguage, Format
from service.errors import Disabled
from service.settings import Settings
from service.source_language import SourceLanguages

AUTO = "auto"
MOST_CANDIDATES = 3

R = TypeVar("R")


async def detect(request: Request, service: ServiceDep) -> Response:
    """The languages that the text may be in, best first, among those that are served.

    Parameters come as those of /translate. A list of texts has one answer, with the mean of each
    language's confidence by length.
    """
    if service.source_languages is None:
        raise Disabled("Language detection is disabled on this server.")
    deadline_seconds = service.settings.scheduling.deadline_seconds
    body = parse_detect(await read_parameters(request, deadline_seconds, REPEATABLE))
    texts = (body.q,) if isinstance(body.q, str) else tuple(body.q)
    within_limits(texts, service.settings)
    return JSONResponse(await _run(texts, Format.TEXT, candidates, texts, service.source_languages))


def parse_detect(parameters: Mapping[str, object]) -> DetectBody:
    """Check names and types.

    Raises:
        InvalidRequest: in the words of POST /translate.
    """
    return validated(DetectBody, parameters, ("q",))


def within_limits(texts: tuple[str, ...], settings: Settings) -> None:
    """Check how much text there is.

    Raises:
        RequestTooLarge: it is too much.
    """
    at_most(len(texts), settings.limits.max_items)
    at_most(sum(map(len, texts)), settings.limits.max_characters)


def candidates(texts: tuple[str, ...], languages: SourceLanguages) -> list[dict[str, Any]]:
    """The JSON of POST /detect: at least one language, and no improbable ones beside it."""
    total = sum(map(len, texts)) or 1
    shares: dict[str, float] = {}
    for text in texts:
        for one in languages.of_text(text):
            share = one.confidence * len(text) / total
            shares[one.language] = shares.get(one.language, 0.0) + share
    ranked = sorted(shares, key=lambda language: -shares[language])[:MOST_CANDIDATES]
    found = [described(DetectedLanguage(language, shares[language])) for language in ranked]
    return [one for one in found if one["confidence"]] or found[:1]


async def sources(body: TranslateBody, service: Service) -> list[DetectedLanguage] | None:
    """The language of each text; None where the client says it, or none is detected.

    Raises:
        InvalidRequest: a text is not what the format says, or the model is not served.
        UnsupportedLanguage: the model does not translate into the target.
    """
    if body.source.strip().lower() != AUTO:
        return None
    source_languages = service.current_languages.of(body.model).source_languages
    if source_languages is None:
        return None
    detect = source_languages.for_target
    form = Format(body.format or Format.TEXT)
    return await _run(body.texts, form, detect, body.texts, body.target, form)


async def _run(texts: Sized, form: Format, function: Callable[..., R], *arguments: object) -> R:
    """Call a function that takes some 0.1 ms for each text, and longer for a page."""
    if len(texts) == 1 and form is Format.TEXT:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


def described(detected: DetectedLanguage) -> dict[str, Any]:
    """detectedLanguage, with a whole number as confidence: some clients take no other."""
    return {"confidence": round(100 * detected.confidence), "language": detected.language}
