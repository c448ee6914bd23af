"""The OpenAPI document changes only when somebody means it to, and is true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema_rs import validator_for

from service.access.keys import Key, digest, new_secret, write
from service.app import create_app
from service.opening import open_model_directory
from service.package.manifest import LanguagePair
from service.settings import (
    AccessSettings,
    DecodingSettings,
    GlossarySettings,
    ModelSettings,
    Settings,
    SuggestionSettings,
)
from tests.conftest import DEFAULT_MODEL
from tests.end_to_end.conftest import live_server
from tests.openapi_document import KEPT, current
from tests.service.api.reversing import ReversingEngine, serving

RENEW = "the API has changed: if that is meant, `make openapi` renews the document that is kept"
DOCUMENT = create_app(Settings()).openapi()
JSON = "application/json"


def test_the_document_is_the_one_that_is_kept() -> None:
    assert current() == KEPT.read_text(encoding="utf-8"), RENEW


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def examples() -> Iterator[Any]:
    """A request for every example, and for every operation at least one.

    Paths with parameters and bodies with files are left to the tests of their routes: what they
    name has to be made before.
    """
    for method, path, operation in operations():
        if "{" in path:
            continue
        content = operation.get("requestBody", {}).get("content", {"": {}})
        for kind, media in content.items():
            if "binary" in str(media.get("schema")):
                continue
            for name, body in bodies(media):
                yield pytest.param(method, path, kind, body, id=f"{path} {kind} {name}".strip())


def bodies(media: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Its examples; if it has none, one that is made of its fields' first examples."""
    if "example" in media:
        yield "", media["example"]
    for name, example in media.get("examples", {}).items():
        yield name, example["value"]
    if media and not {"example", "examples"} & media.keys():
        fields = media["schema"]["properties"]
        yield "", {name: one["examples"][0] for name, one in fields.items() if "examples" in one}
    if not media:
        yield "", None


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """All that can be switched on is on."""
    secret, keys = new_secret(), tmp_path_factory.mktemp("keys") / "file"
    write(keys, [Key(name="operator", sha256=digest(secret), admin=True)])
    settings = Settings(
        model=ModelSettings(directory=DEFAULT_MODEL),
        access=AccessSettings(keys_file=keys),
        decoding=DecodingSettings(max_decoding_length=64),
        suggestions=SuggestionSettings(file=tmp_path_factory.mktemp("suggestions") / "file"),
        glossaries=GlossarySettings(directory=tmp_path_factory.mktemp("glossaries")),
    )
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, headers={"X-API-Key": secret}, timeout=60) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def writer() -> Iterator[httpx.Client]:
    """A model that was made to rewrite English."""
    pairs = [LanguagePair(source="en", target="en")]
    with (
        live_server(Settings(), serving(ReversingEngine(), pairs)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


@pytest.mark.parametrize(("method", "path", "kind", "body"), list(examples()))
def test_every_example_works(
    client: httpx.Client, writer: httpx.Client, method: str, path: str, kind: str, body: Any
) -> None:
    client = writer if path.startswith("/v2/write/") else client
    sent = {"json": body} if kind == JSON else {"data": body}
    if kind.startswith("multipart/"):
        sent["files"] = {"": ("", b"")}  # so that it is multipart
    reply = client.request(method, path, **(sent if body is not None else {}))
    assert reply.is_success, reply.text
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    documented = responses[str(reply.status_code)].get("content", {})
    schema = documented.get(reply.headers["Content-Type"], {}).get("schema")
    if schema is not None:
        validator_for(schema | {"components": DOCUMENT["components"]}).validate(reply.json())


def test_every_example_of_an_answer_fits_its_schema() -> None:
    tried = 0
    for _, _, operation in operations():
        for response in operation["responses"].values():
            media = response.get("content", {}).get(JSON, {})
            for example in media.get("examples", {}).values():
                schema = media["schema"] | {"components": DOCUMENT["components"]}
                validator_for(schema).validate(example["value"])
                tried += 1
    assert tried > 50


def test_every_operation_and_every_field_is_described() -> None:
    for _, path, operation in operations():
        assert operation["summary"], path
        assert operation["description"], path
        for media in operation.get("requestBody", {}).get("content", {}).values():
            for name, field in media["schema"].get("properties", {}).items():
                assert field.get("description"), f"{path} {name}"
