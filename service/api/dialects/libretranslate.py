"""LibreTranslate's API, which is also ours: every client of it works here.

Fields of our own, with CTranslate2's names, extend POST /translate. Its extra results are in the
reply when such a field was sent, and whenever a sentence did not end by itself: a translation that
lacks its end is never passed off as a whole one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from service.api.body import FORM, JSON, MULTIPART, read_parameters
from service.api.dependencies import ServiceDep, while_connected
from service.api.dialect import Dialect
from service.domain import (
    DecodingOptions,
    FinishReason,
    SentenceTranslation,
    TextTranslation,
    TranslationRequest,
)
from service.errors import InvalidRequest, RequestTooLarge
from service.settings import Settings

DIALECT = Dialect(prefix="", error_body=lambda message: {"error": message})
LENGTH_PENALTY_BOUND = 10
MAX_ECHO = 32
"""Most characters of a wrong format that the error repeats."""

V = TypeVar("V")


def _refuse_boolean(value: object) -> object:
    # Pydantic would take true for 1.
    if isinstance(value, bool):
        raise ValueError("is not a number")  # noqa: TRY004 (pydantic wants a ValueError)
    return value


Whole = Annotated[int, BeforeValidator(_refuse_boolean)]
Number = Annotated[float, BeforeValidator(_refuse_boolean), Field(allow_inf_nan=False)]


class TranslateBody(BaseModel):
    """Parameters of POST /translate. Other fields are ignored, as LibreTranslate does."""

    model_config = ConfigDict(extra="ignore")

    q: str | list[str] = Field(
        description="Text to translate, or a list of texts. Everything around the translated "
        "sentences, such as line breaks, stays as it is.",
        examples=["Bonjour tout le monde. Comment allez-vous ?"],
    )
    source: str = Field(
        description="Language of the text. GET /languages lists what is served; auto is not.",
        examples=["fr"],
    )
    target: str = Field(description="Language to translate into.", examples=["en"])
    format: str = Field(
        default="text", description="Format of the text. Only text is supported.", examples=["text"]
    )
    alternatives: Whole = Field(
        default=0,
        description="How many other translations to return at most. A beam that is too narrow to "
        "hold them is widened.",
        examples=[0],
    )
    api_key: str = Field(default="", description="Accepted and ignored.", examples=[""])
    beam_size: Whole = Field(
        default=0, description="Hypotheses kept at each step; 1 is greedy search and fastest."
    )
    num_hypotheses: Whole = Field(
        default=1,
        description="How many hypotheses of every sentence to return in `sentences`; at most "
        "beam_size.",
    )
    length_penalty: Number = Field(
        default=1.0,
        description="A hypothesis' score is its log-probability divided by its length to the power "
        "of this; greater values favour longer translations.",
    )
    min_decoding_length: Whole = Field(
        default=1, description="Fewest tokens of a translated sentence."
    )
    max_decoding_length: Whole = Field(
        default=0,
        description="Most tokens of a translated sentence; one that reaches it has finish_reason "
        "`length`.",
    )
    return_scores: bool = Field(
        default=False, description="Whether `sentences` holds the scores of the hypotheses."
    )

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, however they were sent."""
        return (self.q,) if isinstance(self.q, str) else tuple(self.q)

    @property
    def extended(self) -> bool:
        """Whether one of our own fields was sent."""
        return not OWN_FIELDS.isdisjoint(self.model_fields_set)


OWN_FIELDS = frozenset(
    {
        "beam_size",
        "num_hypotheses",
        "length_penalty",
        "min_decoding_length",
        "max_decoding_length",
        "return_scores",
    }
)
REQUIRED = ("q", "source", "target")
NUMBERS = frozenset({"alternatives"} | OWN_FIELDS - {"return_scores"})
EXPECTED = {
    "q": "must be a string or an array of strings",
    "return_scores": "must be true or false",
    **dict.fromkeys(NUMBERS, "is not a number"),
}
"""What is wrong with a value of the wrong type; the others must be strings."""


class Hypothesis(BaseModel):
    """One translation of a sentence."""

    text: str
    score: float = Field(description="Only with return_scores.", default=0.0)
    finish_reason: FinishReason


class Sentence(BaseModel):
    """A sentence of a text and its hypotheses, best first."""

    source: str
    translations: list[Hypothesis]


class TranslateReply(BaseModel):
    """A string of q is answered by single values, a list of q by lists of them."""

    translatedText: str | list[str] = Field(  # noqa: N815 (LibreTranslate's name)
        examples=["Hello everyone. How are you?"]
    )
    alternatives: list[str] | list[list[str]] = Field(
        default=[], description="Only when alternatives were asked for."
    )
    finish_reason: FinishReason | list[FinishReason] = Field(
        default=FinishReason.END,
        description="`eos`: complete. `length`: some sentence reached max_decoding_length.",
    )
    sentences: list[Sentence] | list[list[Sentence]] = Field(
        default=[], description="Every sentence with its hypotheses."
    )


class Language(BaseModel):
    """A language that can be translated from, and into which ones."""

    code: str
    name: str
    targets: list[str]


class Health(BaseModel):
    """The service answers."""

    status: str = Field(examples=["ok"])


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
            200: {"content": {JSON: {"examples": _REPLIES}}},
            **DIALECT.documented(400, 413, 415, 500, 503, 504),
        },
        openapi_extra={"requestBody": _request_documentation(settings)},
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
    return TranslationRequest(
        texts=texts,
        source=body.source,
        target=body.target,
        options=_options(body, settings),
        deadline=deadline,
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
        return_scores=body.return_scores,
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


def _request_documentation(settings: Settings) -> dict[str, Any]:
    schema = TranslateBody.model_json_schema()
    bounds = {
        "alternatives": (0, settings.limits.max_beam_size - 1, 0),
        "beam_size": (1, settings.limits.max_beam_size, settings.decoding.beam_size),
        "num_hypotheses": (1, settings.limits.max_beam_size, 1),
        "length_penalty": (
            -LENGTH_PENALTY_BOUND,
            LENGTH_PENALTY_BOUND,
            settings.decoding.length_penalty,
        ),
        "min_decoding_length": (0, settings.decoding.max_decoding_length, 1),
        "max_decoding_length": (
            1,
            settings.decoding.max_decoding_length,
            settings.decoding.max_decoding_length,
        ),
    }
    for name, (least, most, default) in bounds.items():
        schema["properties"][name] |= {"minimum": least, "maximum": most, "default": default}
    schema["properties"]["format"]["enum"] = ["text"]
    form_schema = schema | {
        "properties": schema["properties"]
        | {
            "q": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Text to translate; repeat the field for many.",
                "examples": [["Bonjour tout le monde."]],
            }
        }
    }
    form = {"schema": form_schema, "example": _EXAMPLES["one text"]["value"]}
    return {
        "required": True,
        "content": {JSON: {"schema": schema, "examples": _EXAMPLES}, FORM: form, MULTIPART: form},
    }


_EXAMPLES: dict[str, dict[str, Any]] = {
    "one text": {
        "value": {
            "q": "Bonjour tout le monde. Comment allez-vous ?",
            "source": "fr",
            "target": "en",
        }
    },
    "many texts": {
        "value": {
            "q": ["Le chat dort.", "Il fait beau aujourd'hui."],
            "source": "fr",
            "target": "en",
        }
    },
    "alternatives": {
        "value": {"q": "Merci beaucoup.", "source": "fr", "target": "en", "alternatives": 2}
    },
    "options": {
        "value": {
            "q": "Où est la gare ?",
            "source": "fr",
            "target": "en",
            "beam_size": 5,
            "num_hypotheses": 3,
            "return_scores": True,
        }
    },
}

_REPLIES: dict[str, dict[str, Any]] = {
    "one text": {"value": {"translatedText": "Hello everyone. How are you?"}},
    "many texts": {"value": {"translatedText": ["The cat sleeps.", "It is nice weather today."]}},
    "alternatives": {
        "value": {
            "translatedText": "Thank you very much.",
            "alternatives": ["Thank you so much.", "Thanks a lot."],
        }
    },
    "options": {
        "value": {
            "translatedText": "Where is the station?",
            "finish_reason": "eos",
            "sentences": [
                {
                    "source": "Où est la gare ?",
                    "translations": [
                        {
                            "text": "Where is the station?",
                            "score": -0.21,
                            "finish_reason": "eos",
                        },
                        {
                            "text": "Where's the train station?",
                            "score": -0.48,
                            "finish_reason": "eos",
                        },
                    ],
                }
            ],
        }
    },
}
