"""Glossaries as DeepL's API shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from service.api.dialects.deepl.languages import written
from service.glossaries import Glossary, Pair


class DictionaryInfo(BaseModel):
    """How many entries there are for a pair of languages."""

    source_lang: str = Field(examples=["fr"])
    target_lang: str = Field(examples=["en"])
    entry_count: int


class GlossaryInfo(DictionaryInfo):
    """A glossary of one pair of languages."""

    glossary_id: str
    name: str
    ready: bool
    creation_time: str = Field(examples=["2026-11-23T01:02:03.456789+00:00"])


class GlossaryList(BaseModel):
    """All glossaries of one pair."""

    glossaries: list[GlossaryInfo]


class MultilingualInfo(BaseModel):
    """A glossary."""

    glossary_id: str
    name: str
    creation_time: str = Field(examples=["2026-11-23T01:02:03.456789+00:00"])
    dictionaries: list[DictionaryInfo]


class MultilingualList(BaseModel):
    """All glossaries."""

    glossaries: list[MultilingualInfo]


class Dictionary(BaseModel):
    """The entries of a pair of languages."""

    source_lang: str
    target_lang: str
    entries: str = Field(description="One a line: term, tabulator, translation.")
    entries_format: str


class DictionaryEntries(BaseModel):
    """One pair's entries."""

    dictionaries: list[Dictionary]


class LanguagePair(BaseModel):
    """What a glossary can be made for."""

    source_lang: str = Field(examples=["fr"])
    target_lang: str = Field(examples=["en"])


class LanguagePairs(BaseModel):
    """All that is translated."""

    supported_languages: list[LanguagePair]


def languages(pair: Pair) -> dict[str, str]:
    """A pair as DeepL writes it here, in small letters."""
    source, target = (written(code).lower() for code in pair)
    return {"source_lang": source, "target_lang": target}


def dictionary_info(glossary: Glossary, pair: Pair) -> dict[str, Any]:
    """One pair of a glossary."""
    return languages(pair) | {"entry_count": len(glossary.dictionaries[pair])}


def info(glossary: Glossary) -> dict[str, Any]:
    """A glossary that has one pair, in version 2."""
    (pair,) = glossary.dictionaries
    return _name(glossary) | {"ready": True} | dictionary_info(glossary, pair)


def multilingual_info(glossary: Glossary) -> dict[str, Any]:
    """A glossary in version 3."""
    dictionaries = [dictionary_info(glossary, pair) for pair in glossary.dictionaries]
    return _name(glossary) | {"dictionaries": dictionaries}


def _name(glossary: Glossary) -> dict[str, Any]:
    return {
        "glossary_id": glossary.glossary_id,
        "name": glossary.name,
        "creation_time": glossary.creation_time,
    }
