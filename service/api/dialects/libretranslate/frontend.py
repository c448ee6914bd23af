"""GET /frontend/settings: what LibreTranslate tells its web page, and other front ends."""

from __future__ import annotations

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from service.api.dependencies import Service, ServiceDep
from service.api.dialects.libretranslate.detection import AUTO
from service.api.dialects.libretranslate.documents import supported

PREFERRED_TARGET = "en"
KEYSTROKE_MILLISECONDS = 500
"""How long LibreTranslate's page waits after the last keystroke before it translates."""


class FrontendLanguage(BaseModel):
    """A language that is chosen when the page opens."""

    code: str
    name: str


class FrontendLanguages(BaseModel):
    """The two that are chosen when the page opens."""

    source: FrontendLanguage
    target: FrontendLanguage


class FrontendSettings(BaseModel):
    """What the service can do, with LibreTranslate's names."""

    charLimit: int = Field(description="Most characters in a request.")  # noqa: N815
    frontendTimeout: int = Field(  # noqa: N815
        description="Milliseconds without a keystroke after which to translate."
    )
    apiKeys: bool  # noqa: N815
    keyRequired: bool  # noqa: N815
    suggestions: bool = Field(description="Whether POST /suggest takes suggestions.")
    filesTranslation: bool  # noqa: N815
    supportedFilesFormat: list[str]  # noqa: N815
    language: FrontendLanguages
    alignments: bool = Field(
        description="Whether there is return_alignments. Not LibreTranslate's."
    )


async def frontend_settings(service: ServiceDep) -> Response:
    """What a page has to know before it sends its first text."""
    settings = FrontendSettings(
        charLimit=service.settings.limits.max_characters,
        frontendTimeout=KEYSTROKE_MILLISECONDS,
        apiKeys=service.settings.access.keys_file is not None,
        keyRequired=service.settings.access.keys_file is not None
        and service.settings.access.keys_required,
        suggestions=service.suggestions is not None,
        filesTranslation=service.settings.documents.enabled,
        supportedFilesFormat=supported(service),
        language=_languages(service),
        alignments=service.translator.has_attention,
    )
    return JSONResponse(settings.model_dump())


def _languages(service: Service) -> FrontendLanguages:
    """Detection, or the first language that is translated into others; English, or the first of
    these others."""
    listing = service.languages.listing()
    names = {one["code"]: one["name"] for one in listing}
    first = max(listing, key=lambda one: len(one["targets"]) > 1)
    targets = [code for code in first["targets"] if code != first["code"]] or [first["code"]]
    target = PREFERRED_TARGET if PREFERRED_TARGET in targets else targets[0]
    source = (
        FrontendLanguage(code=first["code"], name=first["name"])
        if service.source_languages is None
        else FrontendLanguage(code=AUTO, name="Auto Detect")
    )
    return FrontendLanguages(
        source=source, target=FrontendLanguage(code=target, name=names[target])
    )
