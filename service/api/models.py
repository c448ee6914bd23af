"""What operators do with models: look at them, load, reload and unload them."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.api.body import JSON, read_json
from service.api.dependencies import ServiceDep
from service.api.dialect import Dialect
from service.api.doors import FIELDS, enter_as_admin
from service.catalogue.entries import Listed, State
from service.text.languages import ListedLanguage


class Version(BaseModel):
    """A version of a model."""

    name: str = Field(examples=["fr-en"])
    version: str = Field(examples=["2"])
    state: State = Field(
        description="`loaded`: it translates. `waiting`: it is loaded as soon as somebody asks for "
        "it. `loading`: somebody has. `leaving`: requests that use it are under way, and it gets "
        "no more of them. `unloaded`: it is in the folder. `broken`: it can't be loaded."
    )
    reason: str = Field(default="", description="Why it is broken.")
    variant: str = Field(default="", examples=["int8"])
    precision: str = Field(default="", examples=["int8"])
    provider: str = Field(default="", examples=["CPUExecutionProvider"])
    bytes: int = Field(default=0, description="Estimated memory.", examples=[27_000_000])
    leases: int = Field(default=0, description="Requests that use it now.")
    seconds_since_use: float | None = Field(
        default=None, description="Since it was last used, or loaded; of models that are served."
    )
    languages: list[dict[str, Any]] = Field(
        default=[],
        description="As in GET /languages.",
        examples=[[{"code": "fr", "name": "French", "targets": ["en", "fr"]}]],
    )


class Versions(BaseModel):
    """All versions of all models, by name, the newest first."""

    models: list[Version]


class Choice(BaseModel):
    """What to load. No body at all is the newest version."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="By default the newest one.", examples=["2"]
    )
    variant: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="By default that of the settings.", examples=["int8"]
    )


def router(dialect: Dialect) -> APIRouter:
    """The routes; their errors are worded in this dialect."""
    routes = APIRouter(tags=["Models"], dependencies=[Depends(enter_as_admin)])
    refusals = dialect.documented(400, 403, 404, 413, 415, 429, 500)

    @routes.get(
        "/models",
        summary="Models that are there",
        response_model=Versions,
        responses=dialect.documented(400, 403, 429, 500),
    )
    async def models(service: ServiceDep) -> Response:
        """Every version of every model in the folder."""
        found = await service.catalogue.listing()
        return JSONResponse({"models": [_version(one) for one in found]})

    @routes.post(
        "/models/{name}/load",
        summary="Serve a model",
        response_model=Version,
        responses={**refusals, **dialect.documented(504)},
        openapi_extra={"requestBody": _choice_documentation()},
    )
    async def load_model(name: str, request: Request, service: ServiceDep) -> Response:
        """Serve a version of a model. If one is served, it goes on until this one is warm, and gets
        no request after that; those under way end as they began."""
        asked = await _choice(request, service.settings.scheduling.deadline_seconds)
        return JSONResponse(
            _version(await service.catalogue.load(name, asked.version, asked.variant))
        )

    @routes.post(
        "/models/{name}/reload",
        summary="Serve the newest version",
        response_model=Version,
        responses=refusals,
    )
    async def reload_model(name: str, service: ServiceDep) -> Response:
        """The same as to load the newest version, of a model that is served, in the variant that it
        was loaded in. A service without a folder of models refuses it."""
        return JSONResponse(_version(await service.catalogue.reload(name)))

    @routes.post(
        "/models/{name}/unload",
        summary="Serve a model no more",
        response_model=Version,
        responses=refusals,
    )
    async def unload_model(name: str, service: ServiceDep) -> Response:
        """Give the model no more requests, and free its memory when those under way have ended."""
        return JSONResponse(_version(await service.catalogue.unload(name)))

    return routes


async def _choice(request: Request, seconds: float) -> Choice:
    # Read here and not by FastAPI, which would read it before it asks who sent it.
    given = await read_json(request, seconds) or {}
    try:
        return Choice.model_validate(
            {name: value for name, value in given.items() if name not in FIELDS}
        )
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


def _choice_documentation() -> dict[str, Any]:
    schema = {"anyOf": [Choice.model_json_schema(), {"type": "null"}], "title": "Choice"}
    return {"content": {JSON: {"schema": schema}}}


def _version(listed: Listed) -> dict[str, Any]:
    known, model = listed.known, listed.model
    languages: list[ListedLanguage] = known.languages.listing() if known else []
    return {
        "name": listed.name,
        "version": listed.version,
        "state": listed.state,
        "reason": listed.reason,
        "variant": known.variant if known else "",
        "precision": known.precision if known else "",
        "provider": model.description.provider if model else "",
        "bytes": known.bytes if known else 0,
        "leases": model.leases if model else 0,
        "seconds_since_use": None
        if listed.used is None
        else round(time.monotonic() - listed.used, 3),
        "languages": languages,
    }
