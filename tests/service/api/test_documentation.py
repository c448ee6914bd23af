from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from service.api.dialects.libretranslate.fields import TranslateBody

pytestmark = pytest.mark.anyio


async def operation(client: httpx.AsyncClient) -> Any:
    return (await client.get("/openapi.json")).json()["paths"]["/translate"]["post"]


async def test_the_root_leads_to_the_page(client: httpx.AsyncClient) -> None:
    reply = await client.get("/")
    assert reply.is_redirect
    assert reply.headers["Location"] == "/docs"


async def test_the_page_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "http" not in policy
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 4
    for link in links:
        if not link.startswith("data:"):
            assert (await client.get(f"/{link}")).status_code == 200


async def test_every_example_works_as_it_stands(client: httpx.AsyncClient) -> None:
    content = (await operation(client))["requestBody"]["content"]
    examples = content["application/json"]["examples"]
    assert set(examples) == {
        "one text",
        "a piece of XML",
        "a glossary",
        "detection",
        "many texts",
        "a piece of a page",
        "alternatives",
        "options",
        "alignments",
        "a stream",
        "minimum Bayes risk",
    }
    for example in examples.values():
        reply = await client.post("/translate", json=example["value"])
        assert reply.status_code == 200, reply.text
    form = content["application/x-www-form-urlencoded"]
    assert (await client.post("/translate", data=form["example"])).status_code == 200


async def test_a_stream_has_an_example(client: httpx.AsyncClient) -> None:
    content = (await operation(client))["responses"]["200"]["content"]["text/event-stream"]
    names = re.findall(r"^event: (\w+)\ndata: \{.*\}\n$", content["example"], re.MULTILINE)
    assert names == ["sentence", "sentence", "done"]


async def test_every_field_is_described(client: httpx.AsyncClient) -> None:
    content = (await operation(client))["requestBody"]["content"]
    for media_type in content.values():
        properties = media_type["schema"]["properties"]
        assert set(properties) == set(TranslateBody.model_fields)
        assert all(field["description"] for field in properties.values())


async def test_bounds_are_those_of_the_settings(client: httpx.AsyncClient) -> None:
    content = (await operation(client))["requestBody"]["content"]
    beam_size = content["application/json"]["schema"]["properties"]["beam_size"]
    assert (beam_size["minimum"], beam_size["maximum"], beam_size["default"]) == (1, 16, 4)


async def test_every_error_status_has_an_example(client: httpx.AsyncClient) -> None:
    responses = (await operation(client))["responses"]
    assert set(responses) == {"200", "400", "413", "415", "500", "503", "504"}
    for status, response in responses.items():
        for example in response["content"]["application/json"]["examples"].values():
            assert set(example["value"]) >= {"translatedText" if status == "200" else "error"}
    assert "Retry-After" in responses["503"]["headers"]


async def test_errors_that_a_body_may_cause_are_told_of_every_operation_with_one(
    client: httpx.AsyncClient,
) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    operations = [one for of_path in paths.values() for one in of_path.values()]
    assert len(operations) > 30
    for operation in operations:
        responses = set(operation["responses"])
        assert "422" not in responses  # what is invalid is 400
        if "requestBody" in operation:
            assert responses >= {"400", "413", "415", "504"}, operation["summary"]


async def test_every_reference_is_there(client: httpx.AsyncClient) -> None:
    text = (await client.get("/openapi.json")).text
    found = re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', text)
    assert len(found) == text.count('"$ref"')
    assert set(found) <= set(json.loads(text)["components"]["schemas"])
