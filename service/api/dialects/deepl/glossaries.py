"""DeepL's glossaries: version 2, of one pair of languages each, and version 3, of several.

Both see the same glossaries, but version 2 only those of one pair.
https://developers.deepl.com/api-reference/glossaries
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from service.api.body import FORM, JSON, read_parameters
from service.api.dependencies import Service, ServiceDep
from service.api.dialects.deepl import glossary_replies as replies
from service.api.dialects.deepl.fields import TranslateBody
from service.api.dialects.deepl.glossary_fields import (
    MOST_DICTIONARIES,
    DictionaryBody,
    GlossaryBody,
    MultilingualBody,
    RenamingBody,
    checked,
)
from service.api.dialects.deepl.replies import DIALECT, in_json, trace
from service.errors import Disabled, GlossaryNotFound, InvalidRequest, UnsupportedLanguage
from service.glossaries import NOT_FOUND, Glossaries, Glossary, Pair
from service.text.glossary_entries import Entries, to_tsv

TSV = "text/tab-separated-values"


def terms(body: TranslateBody, service: Service) -> tuple[tuple[str, str | None], ...]:
    """The terms of the glossaries that a request names, for its languages.

    Raises:
        GlossaryNotFound: one is not there.
        InvalidRequest: one has nothing for these languages.
    """
    found: Entries = {}
    for glossary_id in body.glossaries:
        pair = _pair(service, body.source_lang, body.target_lang)
        entries = _store(service).get(glossary_id).dictionaries.get(pair)
        if entries is None:
            raise InvalidRequest("The glossary has no entries for these languages.")
        found = {**entries, **found}
    return tuple(found.items())


async def create_glossary(request: Request, service: ServiceDep) -> Response:
    """Make a glossary for one pair of languages."""
    body = checked(GlossaryBody, await _parameters(request, service))
    glossary = Glossary.new(body.name, await dictionaries(service, [body]))
    await asyncio.to_thread(_store(service).save, glossary)
    return in_json(replies.info(glossary), 201)


async def list_glossaries(service: ServiceDep) -> Response:
    """All glossaries of one pair of languages."""
    found = [replies.info(one) for one in _store(service).all() if len(one.dictionaries) == 1]
    return in_json({"glossaries": found})


async def get_glossary(glossary_id: str, service: ServiceDep) -> Response:
    """What a glossary is called, and how many entries it has."""
    return in_json(replies.info(_of_one_pair(service, glossary_id)))


async def get_glossary_entries(glossary_id: str, service: ServiceDep) -> Response:
    """The entries of a glossary, one a line: term, tabulator, translation."""
    (entries,) = _of_one_pair(service, glossary_id).dictionaries.values()
    return Response(to_tsv(entries), media_type=f"{TSV}; charset=utf-8", headers=trace())


async def delete_glossary(glossary_id: str, service: ServiceDep) -> Response:
    """Remove a glossary."""
    await asyncio.to_thread(_store(service).delete, glossary_id)
    return Response(status_code=204, headers=trace())


async def glossary_language_pairs(service: ServiceDep) -> Response:
    """Pairs of languages that a glossary can be made for."""
    pairs = [
        (one["code"], target)
        for one in service.languages.listing()
        for target in one["targets"]
        if target != one["code"]
    ]
    return in_json({"supported_languages": [replies.languages(pair) for pair in pairs]})


async def create_multilingual_glossary(request: Request, service: ServiceDep) -> Response:
    """Make a glossary for several pairs of languages."""
    body = checked(MultilingualBody, await _parameters(request, service))
    glossary = Glossary.new(body.name, await dictionaries(service, body.dictionaries))
    await asyncio.to_thread(_store(service).save, glossary)
    return in_json(replies.multilingual_info(glossary), 201)


async def list_multilingual_glossaries(service: ServiceDep) -> Response:
    """All glossaries."""
    found = [replies.multilingual_info(one) for one in _store(service).all()]
    return in_json({"glossaries": found})


async def get_multilingual_glossary(glossary_id: str, service: ServiceDep) -> Response:
    """What a glossary is called, and how many entries it has."""
    return in_json(replies.multilingual_info(_store(service).get(glossary_id)))


async def change_multilingual_glossary(
    glossary_id: str, request: Request, service: ServiceDep
) -> Response:
    """Give a glossary another name, or add entries; those of the same terms are replaced."""
    body = checked(RenamingBody, await _parameters(request, service))
    more = await dictionaries(service, body.dictionaries)

    def change(glossary: Glossary) -> Glossary:
        old = glossary.dictionaries
        added = {pair: {**old.get(pair, {}), **entries} for pair, entries in more.items()}
        return _with(glossary, {**old, **added}, body.name)

    changed = await asyncio.to_thread(_store(service).change, glossary_id, change)
    return in_json(replies.multilingual_info(changed))


async def replace_glossary_dictionary(
    glossary_id: str, request: Request, service: ServiceDep
) -> Response:
    """Put entries in the place of all that a glossary has for a pair of languages."""
    body = checked(DictionaryBody, await _parameters(request, service))
    new = await dictionaries(service, [body])

    def change(glossary: Glossary) -> Glossary:
        return _with(glossary, {**glossary.dictionaries, **new})

    changed = await asyncio.to_thread(_store(service).change, glossary_id, change)
    return in_json(replies.dictionary_info(changed, next(iter(new))))


async def delete_glossary_dictionary(
    glossary_id: str, request: Request, service: ServiceDep
) -> Response:
    """Remove what a glossary has for a pair of languages."""
    pair = await _asked_pair(request, service)

    def change(glossary: Glossary) -> Glossary:
        kept = {one: entries for one, entries in glossary.dictionaries.items() if one != pair}
        if len(kept) == len(glossary.dictionaries):
            raise GlossaryNotFound(NOT_FOUND)
        return _with(glossary, kept)

    await asyncio.to_thread(_store(service).change, glossary_id, change)
    return Response(status_code=204, headers=trace())


async def get_dictionary_entries(
    glossary_id: str, request: Request, service: ServiceDep
) -> Response:
    """The entries of a glossary for a pair of languages."""
    pair = await _asked_pair(request, service)
    entries = _store(service).get(glossary_id).dictionaries.get(pair)
    if entries is None:
        raise GlossaryNotFound(NOT_FOUND)
    found = {**replies.languages(pair), "entries": to_tsv(entries), "entries_format": "tsv"}
    return in_json({"dictionaries": [found]})


def add_to(routes: APIRouter) -> None:
    """Add the routes."""
    for route in _ROUTES:
        status = {"POST": 201, "DELETE": 204}.get(route.method, 200)
        refused = (400, 413, 415, 504) if route.takes or route.by_pair else ()
        failed = () if route.method == "GET" else (507,)
        routes.add_api_route(
            route.path,
            route.handler,
            methods=[route.method],
            name=route.name or None,
            summary=(route.handler.__doc__ or "").split(".")[0],
            status_code=status,
            response_model=route.gives,
            responses=_tsv(route) | DIALECT.documented(*refused, 403, 404, *failed),
            openapi_extra=_takes(route),
        )


class _Route(NamedTuple):
    method: str
    path: str
    handler: Callable[..., Awaitable[Response]]
    gives: type[BaseModel] | None = None
    takes: type[BaseModel] | None = None
    by_pair: bool = False
    """Whether the query names two languages."""
    name: str = ""


_V2, _V3, _ONE = "/v2/glossaries", "/v3/glossaries", "/{glossary_id}"
_DICTIONARIES = f"{_V3}{_ONE}/dictionaries"
_ROUTES = (
    _Route("POST", _V2, create_glossary, replies.GlossaryInfo, GlossaryBody),
    _Route("GET", _V2, list_glossaries, replies.GlossaryList),
    _Route("GET", _V2 + _ONE, get_glossary, replies.GlossaryInfo),
    _Route("GET", f"{_V2}{_ONE}/entries", get_glossary_entries),
    _Route("DELETE", _V2 + _ONE, delete_glossary),
    _Route("GET", "/v2/glossary-language-pairs", glossary_language_pairs, replies.LanguagePairs),
    _Route("POST", _V3, create_multilingual_glossary, replies.MultilingualInfo, MultilingualBody),
    _Route("GET", _V3, list_multilingual_glossaries, replies.MultilingualList),
    _Route("GET", _V3 + _ONE, get_multilingual_glossary, replies.MultilingualInfo),
    _Route(
        "PATCH", _V3 + _ONE, change_multilingual_glossary, replies.MultilingualInfo, RenamingBody
    ),
    _Route("DELETE", _V3 + _ONE, delete_glossary, name="delete_multilingual_glossary"),
    _Route(
        "GET",
        f"{_V3}{_ONE}/entries",
        get_dictionary_entries,
        replies.DictionaryEntries,
        by_pair=True,
    ),
    _Route(
        "PUT", _DICTIONARIES, replace_glossary_dictionary, replies.DictionaryInfo, DictionaryBody
    ),
    _Route("DELETE", _DICTIONARIES, delete_glossary_dictionary, by_pair=True),
)


def _takes(route: _Route) -> dict[str, Any]:
    """OpenAPI of what a route reads by itself."""
    if route.by_pair:
        names = ("source_lang", "target_lang")
        given = {"in": "query", "required": True, "schema": {"type": "string"}}
        return {"parameters": [{"name": name, **given} for name in names]}
    if route.takes is None:
        return {}
    schema: dict[str, Any] = route.takes.model_json_schema()
    if schema.pop("$defs", None):  # a reference has to be to OpenAPI's own components
        schema["properties"]["dictionaries"]["items"] = DictionaryBody.model_json_schema()
    kinds = (JSON, FORM) if "entries" in route.takes.model_fields else (JSON,)
    return {"requestBody": {"required": True, "content": {k: {"schema": schema} for k in kinds}}}


def _tsv(route: _Route) -> dict[int | str, dict[str, Any]]:
    if route.handler is not get_glossary_entries:
        return {}
    return {200: {"content": {TSV: {"schema": {"type": "string"}}}}}


async def _parameters(request: Request, service: Service) -> dict[str, object]:
    _store(service)  # nothing is read where there are no glossaries
    return await read_parameters(request, service.settings.scheduling.deadline_seconds, ())


def _store(service: Service) -> Glossaries:
    if service.glossaries is None:
        raise Disabled("Glossaries are disabled on this server.")
    return service.glossaries


def _of_one_pair(service: Service, glossary_id: str) -> Glossary:
    glossary = _store(service).get(glossary_id)
    if len(glossary.dictionaries) != 1:
        raise GlossaryNotFound("The glossary has not one pair of languages: ask /v3/glossaries.")
    return glossary


def _pair(service: Service, source: str, target: str) -> Pair:
    """The model's languages.

    Raises:
        InvalidRequest: it does not translate these.
    """
    try:
        pair = service.languages.resolve(source, target)
    except UnsupportedLanguage as error:
        raise InvalidRequest(f"Value for 'target_lang' or 'source_lang': {error}.") from None
    if service.languages.leaves_alone(pair):
        raise InvalidRequest("Values for 'source_lang' and 'target_lang' must be different.")
    return pair.source, pair.target


async def _asked_pair(request: Request, service: Service) -> Pair:
    given = await _parameters(request, service)
    source, target = (str(given.get(name, "")) for name in ("source_lang", "target_lang"))
    return _pair(service, source, target)


async def dictionaries(service: Service, bodies: Sequence[DictionaryBody]) -> dict[Pair, Entries]:
    """The entries of some pairs of languages. Others are served while they are read.

    Raises:
        InvalidRequest: a pair is not translated or comes twice, or its entries are none.
    """
    pairs = [_pair(service, body.source_lang, body.target_lang) for body in bodies]
    if len(set(pairs)) < len(pairs):
        raise InvalidRequest("Two dictionaries have the same languages.")
    entries = await asyncio.to_thread(lambda: [body.parsed() for body in bodies])
    return dict(zip(pairs, entries, strict=True))


def _with(
    glossary: Glossary, dictionaries: Mapping[Pair, Entries], name: str | None = None
) -> Glossary:
    if len(dictionaries) > MOST_DICTIONARIES:
        raise InvalidRequest(f"More than {MOST_DICTIONARIES} dictionaries in a glossary.")
    return replace(glossary, name=name or glossary.name, dictionaries=dictionaries)
