"""POST /suggest: users know better than the model."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.body import FORM, JSON, MULTIPART, read_parameters
from service.api.dependencies import ServiceDep
from service.api.dialects.libretranslate.fields import validated
from service.api.dialects.libretranslate.options import at_most
from service.errors import Disabled

DISABLED = "Suggestions are disabled on this server."


class SuggestBody(BaseModel):
    """Parameters of POST /suggest. Other fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    q: str = Field(description="Source text.", examples=["Le chat dort."])
    s: str = Field(description="A better translation of it.", examples=["The cat is asleep."])
    source: str = Field(description="Language of the text.", examples=["fr"])
    target: str = Field(description="Language of the translation.", examples=["en"])


class SuggestReply(BaseModel):
    """The suggestion was taken."""

    success: bool = Field(examples=[True])


async def suggest(request: Request, service: ServiceDep) -> Response:
    """Suggest a better translation. Off unless the operator has named a file for suggestions."""
    if service.suggestions is None:
        raise Disabled(DISABLED)
    seconds = service.settings.scheduling.deadline_seconds
    parameters = await read_parameters(request, seconds, ())
    body = validated(SuggestBody, parameters, ("q", "s", "source", "target"))
    suggestion = body.model_dump()
    at_most(sum(map(len, suggestion.values())), service.settings.limits.max_characters)
    await asyncio.to_thread(service.suggestions.add, suggestion)
    return JSONResponse({"success": True})


def suggest_documentation() -> dict[str, Any]:
    """OpenAPI's `requestBody`."""
    schema = SuggestBody.model_json_schema()
    kinds = (JSON, FORM, MULTIPART)
    return {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}
