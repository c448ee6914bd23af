"""DeepL's API for writing: texts that are rewritten in their own language, where a model does that.

https://developers.deepl.com/api-reference/improve-text
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.access.account import charged
from service.api.body import FORM, JSON, MULTIPART, read_parameters
from service.api.dependencies import Service, ServiceDep, arrival_of, while_connected
from service.api.dialects.deepl.fields import Texts
from service.api.dialects.deepl.languages import written
from service.api.dialects.deepl.replies import DIALECT, excess, in_json, trace
from service.domain import TextTranslation, TranslationRequest
from service.errors import InvalidRequest, UnsupportedLanguage
from service.package.manifest import LanguagePair
from service.settings import Settings
from service.text.languages import Languages

REPEATABLE = ("text",)
Preference = Literal[
    "default",
    "prefer_academic",
    "prefer_business",
    "prefer_casual",
    "prefer_simple",
    "prefer_enthusiastic",
    "prefer_friendly",
    "prefer_confident",
    "prefer_diplomatic",
]


class WritingBody(BaseModel):
    """Parameters. Other fields are ignored, as DeepL does."""

    model_config = ConfigDict(extra="ignore")

    text: Texts = Field(
        min_length=1,
        description="Texts to rewrite; in a form, repeat the field.",
        examples=[["I has a question."]],
    )
    target_lang: str = Field(
        default="",
        description="Language of the texts; each is detected if it is left out.",
        examples=["EN-US"],
    )
    writing_style: Preference = Field(
        default="default", description="Preferences are accepted and have no effect."
    )
    tone: Preference = Field(
        default="default", description="Preferences are accepted and have no effect."
    )


class Improvement(BaseModel):
    """One rewritten text."""

    text: str = Field(examples=["I have a question."])
    detected_source_language: str = Field(examples=["EN"])
    target_language: str = Field(examples=["EN-US"])


class Improvements(BaseModel):
    """The rewritten texts, in order."""

    improvements: list[Improvement]


def add_to(routes: APIRouter) -> None:
    """Add the routes."""
    schema = WritingBody.model_json_schema()
    for path, summary in (
        ("/v2/write/rephrase", "Rewrite texts in their own language"),
        ("/v2/write/correct", "Correct texts"),
    ):
        routes.add_api_route(
            path,
            deepl_write,
            name="deepl" + path.replace("/", "_").removeprefix("_v2"),
            methods=["POST"],
            summary=summary,
            response_model=Improvements,
            responses=DIALECT.documented(400, 413, 415, 500, 503, 504),
            openapi_extra={
                "requestBody": {
                    "required": True,
                    "content": {kind: {"schema": schema} for kind in (JSON, FORM, MULTIPART)},
                }
            },
        )


async def deepl_write(request: Request, service: ServiceDep) -> Response:
    """For models that were made to rewrite or to correct a language, which have it as source and as
    target; 400 where there is none. Both paths ask the same model.
    """
    service.translator.require_room()
    settings = service.settings
    seconds = settings.scheduling.deadline_seconds
    deadline = arrival_of(request) + seconds
    body = _parse(await read_parameters(request, seconds, REPEATABLE))
    if too_much := excess(body.text, settings.limits):
        return DIALECT.error(413, too_much, trace())
    codes = await _languages(body, service)
    asked = dict(_requests(body, codes, settings, deadline))
    found = await while_connected(request, _all_rewritten(service, asked))
    rewritten = {code: iter(texts) for code, texts in found.items()}
    service.deepl_characters += sum(map(len, body.text))
    return in_json(
        {"improvements": [_improvement(body, code, next(rewritten[code]).text) for code in codes]}
    )


async def _all_rewritten(
    service: Service, requests: Mapping[str, TranslationRequest]
) -> dict[str, list[TextTranslation]]:
    """The texts of each language. They are charged together: all of them, or none."""
    with charged(sum(len(text) for one in requests.values() for text in one.texts)):
        return {code: await service.translator.translate(one) for code, one in requests.items()}


def _requests(
    body: WritingBody, codes: Sequence[str], settings: Settings, deadline: float
) -> Iterator[tuple[str, TranslationRequest]]:
    """The texts of each language, into the same one."""
    for code in dict.fromkeys(codes):
        texts = tuple(text for text, own in zip(body.text, codes, strict=True) if own == code)
        yield (
            code,
            TranslationRequest(
                texts=texts,
                source=code,
                target=code,
                options=settings.decoding.options(),
                deadline=deadline,
                retry_repetitions=settings.decoding.retry_repetitions,
            ),
        )


def _improvement(body: WritingBody, code: str, text: str) -> dict[str, str]:
    return {
        "text": text,
        "detected_source_language": written(code),
        "target_language": body.target_lang.upper() or written(code),
    }


def _parse(parameters: Mapping[str, object]) -> WritingBody:
    given = {name: value for name, value in parameters.items() if value is not None}
    if given.get("text") in ("", [], None):
        raise InvalidRequest("Parameter 'text' not specified.")
    try:
        return WritingBody.model_validate(given)
    except ValidationError as error:
        name = str(error.errors(include_input=False)[0]["loc"][0])
        raise InvalidRequest(f"Value for '{name}' not supported.") from None


async def _languages(body: WritingBody, service: Service) -> Sequence[str]:
    """The language of each text, as it was given or detected."""
    if body.target_lang:
        try:
            code = service.languages.known(body.target_lang)
        except UnsupportedLanguage as error:
            raise InvalidRequest(f"Value for 'target_lang': {error}.") from None
        return [_rewritten(code, service.languages)] * len(body.text)
    if service.source_languages is None:
        raise InvalidRequest("Parameter 'target_lang' not specified; languages are not detected.")
    detected = await asyncio.to_thread(
        lambda detect: [detect(text)[0].language for text in body.text],
        service.source_languages.of_text,
    )
    return [_rewritten(code, service.languages) for code in detected]


def _rewritten(code: str, languages: Languages) -> str:
    if languages.leaves_alone(LanguagePair(source=code, target=code)):
        raise InvalidRequest(f"There is no model here that rewrites {written(code)}.")
    return code
