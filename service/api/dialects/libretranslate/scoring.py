"""POST /score, in the words of this dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from service.api.body import read_parameters
from service.api.dependencies import ServiceDep, arrival_of, while_connected
from service.api.dialects.libretranslate.fields import REPEATABLE, REQUIRED, ScoreBody, validated
from service.api.dialects.libretranslate.options import at_most
from service.domain import ScoringRequest, TargetScore
from service.errors import InvalidRequest
from service.settings import Settings


async def score(request: Request, service: ServiceDep) -> Response:
    """How probable given translations are.

    Nothing is split into sentences. Parameters come as those of /translate.
    """
    service.translator.require_room()
    deadline_seconds = service.settings.scheduling.deadline_seconds
    deadline = arrival_of(request) + deadline_seconds
    body = parse_score(await read_parameters(request, deadline_seconds, REPEATABLE))
    asked = scoring_request(body, service.settings, deadline)
    scores = await while_connected(request, service.scorer.score(asked))
    return JSONResponse(score_reply(body, scores))


def parse_score(parameters: Mapping[str, object]) -> ScoreBody:
    """Check names and types.

    Raises:
        InvalidRequest: in the words of POST /translate.
    """
    return validated(ScoreBody, parameters, (*REQUIRED, "translation"))


def scoring_request(body: ScoreBody, settings: Settings, deadline: float) -> ScoringRequest:
    """Check bounds.

    Raises:
        InvalidRequest: q and translation do not belong together.
        RequestTooLarge: too many texts, or too many characters.
    """
    texts, translations = (
        (value,) if isinstance(value, str) else tuple(value) for value in (body.q, body.translation)
    )
    if isinstance(body.q, str) != isinstance(body.translation, str) or (
        len(texts) != len(translations)
    ):
        raise InvalidRequest(
            "Invalid request: translation parameter must be a string if q is one, else an array of "
            "as many strings as q has"
        )
    at_most(len(texts), settings.limits.max_items)
    at_most(sum(map(len, texts + translations)), settings.limits.max_characters)
    return ScoringRequest(
        texts=texts,
        translations=translations,
        source=body.source,
        target=body.target,
        model=body.model,
        deadline=deadline,
    )


def score_reply(body: ScoreBody, scores: list[TargetScore]) -> dict[str, Any]:
    """The JSON of POST /score."""
    fields: dict[str, list[Any]] = {
        "score": [sum(one.log_probs) for one in scores],
        "tokens": [one.tokens for one in scores],
        "log_probs": [one.log_probs for one in scores],
    }
    if isinstance(body.q, str):
        return {name: values[0] for name, values in fields.items()}
    return dict(fields)
