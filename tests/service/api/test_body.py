from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.types import Message

from service.api.body import read_parameters
from service.api.dialects.deepl import fields as deepl
from service.api.dialects.deepl.glossary_fields import GlossaryBody
from service.api.dialects.deepl.writing import WritingBody
from service.api.dialects.libretranslate import fields as libretranslate
from service.api.multipart import MAX_FIELDS
from service.errors import InvalidRequest

CONTENT_TYPES = [
    b"application/json",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=x",
]
TYPE_PARTS = [
    *CONTENT_TYPES,
    b"; charset",
    b"*=",
    b"utf-8",
    b"=",
    b"''",
    b'"',
    b"\\",
    b"%zz",
    b"\xff",
]
BODY_PARTS = [
    *(b"--x", b"--", b"\r\n", b'Content-Disposition: form-data; name="q"', b"\xff", b"a"),
    *(b"%ff", b"&", b"=", b"q", b"{", b"}", b'"', b"[", b"]", b":", b",", b"\\ud800", b"1e999"),
    *(b"\x00", b"%u1234", b"Content-Transfer-Encoding: base64", b"\xe2\x80\xa8", b"+"),
]


def pieces(*parts: bytes) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(parts), max_size=12).map(b"".join)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


PART = b'--x\r\nContent-Disposition: form-data; name="q"%b\r\n\r\na\r\n'


async def parameters(content_type: bytes, query: bytes, body: bytes) -> dict[str, object]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"content-type", content_type)],
        "query_string": query,
    }
    return await read_parameters(Request(scope, receive), 5.0, repeatable=("q",))


def read(
    runner: asyncio.Runner, content_type: bytes, query: bytes, body: bytes
) -> dict[str, object]:
    return runner.run(parameters(content_type, query, body))


@given(
    st.sampled_from(CONTENT_TYPES) | pieces(*TYPE_PARTS),
    pieces(*BODY_PARTS),
    pieces(*BODY_PARTS) | st.binary(max_size=50),
)
def test_whatever_arrives_is_clean_text_or_refused(
    runner: asyncio.Runner, content_type: bytes, query: bytes, body: bytes
) -> None:
    try:
        found = read(runner, content_type, query, body)
    except (InvalidRequest, HTTPException):
        return
    json.dumps(found, ensure_ascii=False).encode("utf-8")


def test_of_other_repeated_fields_the_first_counts(runner: asyncio.Runner) -> None:
    found = read(runner, CONTENT_TYPES[1], b"q=1&source=fr", b"q=2&source=en")
    assert found == {"q": ["1", "2"], "source": "fr"}


@pytest.mark.parametrize(
    ("content_type", "fields"),
    [
        (CONTENT_TYPES[1], b"q=a&"),
        (CONTENT_TYPES[2], PART % b""),
        (CONTENT_TYPES[2], PART % b'; filename="f"'),
        (CONTENT_TYPES[2], PART % b"" + PART % b'; filename="f"'),
    ],
    ids=["urlencoded", "multipart", "files", "both"],
)
def test_there_may_not_be_many_fields(
    runner: asyncio.Runner, content_type: bytes, fields: bytes
) -> None:
    most = fields * (MAX_FIELDS // (fields.count(b"form-data") or 1))
    read(runner, content_type, b"", (most + b"--x--").removesuffix(b"&--x--"))
    with pytest.raises(InvalidRequest, match="more than 10000 fields"):
        read(runner, content_type, b"", most + fields * 1000)


def test_others_are_served_while_a_large_form_is_parsed(runner: asyncio.Runner) -> None:
    async def turns(fields: int) -> int:
        reading = asyncio.create_task(parameters(CONTENT_TYPES[2], b"", PART % b"" * fields))
        taken = 0
        while not reading.done():
            await asyncio.sleep(0)
            taken += 1
        return taken

    assert runner.run(turns(10)) < 10
    assert runner.run(turns(MAX_FIELDS)) > 100


MANY = 100
WRONG: tuple[Any, ...] = (
    [5] * MANY,
    [[5] * MANY],
    [[[5]] * MANY],
    [[0, 1]] * MANY + [5],
    {str(number): 5 for number in range(MANY)},
)
BODIES: tuple[type[BaseModel], ...] = (
    libretranslate.TranslateBody,
    libretranslate.ScoreBody,
    libretranslate.DetectBody,
    deepl.TranslateBody,
    WritingBody,
    GlossaryBody,
)


@pytest.mark.parametrize("body", BODIES)
def test_not_every_wrong_value_is_noted(body: type[BaseModel]) -> None:
    """It takes seconds where there are hundreds of thousands, in which nobody else is served."""
    for name in body.model_fields:
        for value in WRONG:
            try:
                body.model_validate({name: value})
            except ValidationError as error:
                faults = [one for one in error.errors() if one["loc"][0] == name]
                assert len(faults) < 10, (name, value)
