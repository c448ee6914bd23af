"""What DeepL's clients list before they use it, and of which this service has none.

https://developers.deepl.com/api-reference/style-rules
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from service.api.dialects.deepl.replies import in_json

Nothing = Annotated[list[dict[str, Any]], Field(max_length=0)]


class StyleRules(BaseModel):
    """None."""

    style_rules: Nothing


class TranslationMemories(BaseModel):
    """None."""

    translation_memories: Nothing
    total_count: int = Field(le=0)


def add_to(routes: APIRouter) -> None:
    """Add the routes."""
    routes.add_api_route(
        "/v3/style_rules",
        deepl_style_rules,
        methods=["GET"],
        summary="Style rules: none are kept here",
        response_model=StyleRules,
    )
    routes.add_api_route(
        "/v3/translation_memories",
        deepl_translation_memories,
        methods=["GET"],
        summary="Translation memories: none are kept here",
        response_model=TranslationMemories,
    )


async def deepl_style_rules() -> Response:
    """An empty list; /v2/translate refuses style_id."""
    return in_json({"style_rules": []})


async def deepl_translation_memories() -> Response:
    """An empty list; /v2/translate refuses translation_memory_id."""
    return in_json({"translation_memories": [], "total_count": 0})
