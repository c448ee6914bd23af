"""The fields of DeepL's POST /v2/translate, and what becomes of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from service.errors import InvalidRequest

MODEL_TYPE = "latency_optimized"
UNSUPPORTED = (
    "tag_handling",
    "glossary_id",
    "glossary_ids",
    "style_id",
    "translation_memory_id",
    "custom_instructions",
)
"""Fields that change what a translation is, so that ignoring them would be a lie."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class TranslateBody(BaseModel):
    """Parameters of POST /v2/translate. Other fields are ignored, as DeepL does."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=False)

    text: Annotated[list[str], BeforeValidator(_listed)] = Field(
        min_length=1,
        description="Texts to translate; in a form, repeat the field.",
        examples=[["Bonjour tout le monde."]],
    )
    target_lang: str = Field(
        min_length=1, description="Language to translate into.", examples=["EN-US"]
    )
    source_lang: str = Field(
        default="", description="Language of the texts; each is detected if it is left out."
    )
    context: str = Field(default="", description="Accepted and not used.", examples=[""])
    split_sentences: Literal["1"] = Field(
        default="1",
        description="Only 1: sentences are translated by themselves, and end where lines end.",
    )
    preserve_formatting: bool = Field(
        default=True, description="Accepted; formatting is always preserved."
    )
    formality: Literal["default", "prefer_more", "prefer_less"] = Field(
        default="default",
        description="The preferences are accepted and have no effect; more and less are refused, "
        "as DeepL does for languages without formality.",
    )
    model_type: Literal["latency_optimized", "prefer_quality_optimized"] | None = Field(
        default=None,
        description="There is one model, which counts as latency_optimized.",
    )
    show_billed_characters: bool = Field(
        default=False, description="Whether to count each text's characters."
    )


def parse(parameters: Mapping[str, object]) -> TranslateBody:
    """Check names and types.

    Raises:
        InvalidRequest: in DeepL's words where it has some.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    for name in ("text", "target_lang"):
        if given.get(name) in ("", []) or name not in given:
            raise InvalidRequest(f"Parameter '{name}' not specified.")
    for name in UNSUPPORTED:
        if given.get(name) not in (None, "", []):
            raise InvalidRequest(f"Parameter '{name}' is not supported here.")
    if given.get("formality") in ("more", "less"):
        raise InvalidRequest("'formality' is not supported for given 'target_lang'.")
    try:
        return TranslateBody.model_validate(given)
    except ValidationError as error:
        name = str(error.errors(include_input=False)[0]["loc"][0])
        raise InvalidRequest(f"Value for '{name}' not supported.") from None
