"""Language codes as DeepL writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.text.languages import Languages, canonical, name

_VARIANTS = {"en": ("EN-GB", "EN-US"), "pt": ("PT-BR", "PT-PT")}
"""DeepL's clients take no EN and no PT as a target."""


def written(code: str) -> str:
    """fr → FR, zt → ZH-HANT; zh stays ZH, as DeepL has it."""
    return "ZH" if canonical(code) == "zh-Hans" else canonical(code).upper()


def sources(languages: Languages) -> list[dict[str, Any]]:
    """What is translated into another language."""
    return [
        {"language": written(one["code"]), "name": one["name"]}
        for one in languages.listing()
        if len(one["targets"]) > 1
    ]


def targets(languages: Languages) -> list[dict[str, Any]]:
    """What another language is translated into."""
    codes = {
        target for one in languages.listing() for target in one["targets"] if target != one["code"]
    }
    return [
        {"language": written_code, "name": name(written_code), "supports_formality": False}
        for code in sorted(codes)
        for written_code in _variants(code)
    ]


def _variants(code: str) -> Iterator[str]:
    yield from _VARIANTS.get(code, (written(code),))
