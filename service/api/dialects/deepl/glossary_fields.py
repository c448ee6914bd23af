"""The fields of DeepL's glossaries, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import InvalidRequest
from service.text.glossary_entries import Entries, from_csv, from_tsv

MOST_DICTIONARIES = 100
"""Pairs of languages in a glossary."""


EXAMPLE = {
    "source_lang": "fr",
    "target_lang": "en",
    "entries": "chat\ttomcat",
    "entries_format": "tsv",
}


class DictionaryBody(BaseModel):
    """Entries for a pair of languages."""

    model_config = ConfigDict(extra="ignore")

    source_lang: str = Field(min_length=1, description="Language of the terms.", examples=["fr"])
    target_lang: str = Field(
        min_length=1, description="Language of their translations.", examples=["en"]
    )
    entries: str = Field(
        description="One a line: term, tabulator, translation; or comma-separated values.",
        examples=["chat\ttomcat"],
    )
    entries_format: Literal["tsv", "csv"] = Field(default="tsv", description="Of the entries.")

    def parsed(self) -> Entries:
        """The entries.

        Raises:
            InvalidRequest: they are none.
        """
        return from_csv(self.entries) if self.entries_format == "csv" else from_tsv(self.entries)


class GlossaryBody(DictionaryBody):
    """Parameters of POST /v2/glossaries."""

    name: str = Field(
        min_length=1, max_length=1_000, description="What people call it.", examples=["animals"]
    )


class RenamingBody(BaseModel):
    """Parameters of PATCH /v3/glossaries/{glossary_id}."""

    model_config = ConfigDict(extra="ignore")

    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=1_000,
        description="Another name.",
        examples=["animals"],
    )
    dictionaries: list[DictionaryBody] = Field(
        default=[],
        max_length=MOST_DICTIONARIES,
        description="Entries that are added; a term that is there gets its new translation.",
    )


class MultilingualBody(BaseModel):
    """Parameters of POST /v3/glossaries."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(
        min_length=1, max_length=1_000, description="What people call it.", examples=["animals"]
    )
    dictionaries: list[DictionaryBody] = Field(
        min_length=1,
        max_length=MOST_DICTIONARIES,
        description="Entries, one dictionary for each pair of languages.",
        examples=[[EXAMPLE]],
    )


Body = TypeVar("Body", bound=BaseModel)


def checked(kind: type[Body], parameters: Mapping[str, object]) -> Body:
    """The parameters as fields.

    Raises:
        InvalidRequest: one is missing or wrong.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        fault: Any = error.errors(include_input=False)[0]
        name = next(str(part) for part in reversed(fault["loc"]) if isinstance(part, str))
        if fault["type"] == "missing":
            raise InvalidRequest(f"Parameter '{name}' not specified.") from None
        raise InvalidRequest(f"Value for '{name}' not supported.") from None
