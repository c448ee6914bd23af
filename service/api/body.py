"""Read the parameters of a request, from JSON or from a form, and refuse what is not clean text.

Nothing that leaves here holds a lone surrogate: every later encoding of a text succeeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from email.message import Message
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import FailFast
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.api.multipart import MAX_FIELDS, TOO_MANY_FIELDS, Pairs, parse_multipart
from service.errors import ClientClosedRequest, DeadlineExceeded, InvalidRequest

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
WITHOUT_BODY = ("GET", "DELETE")
"""Methods of requests that say what they want in their query."""
PLAIN = "identity"
"""Content-Encoding of a body that is not compressed; the limit of its size is for such bodies."""
COMPRESSED = "Bodies with the Content-Encoding {} are not read; send them uncompressed."
AT_ONCE_BYTES = 16_384
"""Of a form that is parsed in a few milliseconds; during that of a larger one others are served."""
PARSED = "parsed_parameters"
"""Attribute of a request's state that keeps what was read."""


class FirstFault(FailFast):
    """Marks a list of a body that is looked at until something in it is wrong. Pydantic would note
    every wrong value, which takes seconds where there are hundreds of thousands."""

    __hash__ = object.__hash__  # types in a union need one


FIRST_FAULT = FirstFault()


async def read_parameters(
    request: Request, seconds: float, repeatable: Container[str]
) -> dict[str, object]:
    """The parameters by name.

    JSON is read if and only if the Content-Type says so; else the form and the query are. Some
    clients say so of every request, also of a GET without a body.

    Args:
        seconds: how long the body may take to arrive.
        repeatable: fields that have a list of values when a form or the query repeats them; of
            others the first value counts.

    Raises:
        InvalidRequest: the body is not what its Content-Type says.
        HTTPException: 415, the Content-Type is none that is read.
        DeadlineExceeded, ClientClosedRequest, BodyTooLarge: the body did not arrive.
    """
    if not hasattr(request.state, PARSED):  # the doors may have looked for a key in it
        setattr(request.state, PARSED, await _parsed(request, seconds))
    parsed: dict[str, object] | Pairs = getattr(request.state, PARSED)
    return parsed if isinstance(parsed, dict) else _grouped(parsed, repeatable)


def parse_json(body: bytes) -> dict[str, object]:
    """A JSON object. NaN, Infinity, half surrogate pairs and deep nesting are refused."""
    try:
        value = from_json(body.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"Invalid JSON format: {_reason(error)}") from None
    if not isinstance(value, dict):
        raise InvalidRequest("Invalid JSON format")
    return value


async def read_json(request: Request, seconds: float) -> dict[str, object] | None:
    """The JSON object that the body is; None where there is no body, or it is null.

    Raises:
        HTTPException: 415, the Content-Type is none of JSON.
        InvalidRequest, DeadlineExceeded, ClientClosedRequest, BodyTooLarge: as read_parameters().
    """
    content_type = content_type_of(request)
    body = await read_body(request, seconds)
    if not body:
        return None
    if not _is_json(content_type):
        raise HTTPException(415, f"The Content-Type of a body must be {JSON}.")
    return None if body.strip() == b"null" else parse_json(body)


async def _parsed(request: Request, seconds: float) -> dict[str, object] | Pairs:
    content_type = content_type_of(request)
    body = await read_body(request, seconds)
    if _is_json(content_type) and (body or request.method not in WITHOUT_BODY):
        return parse_json(body)  # here: a thread would keep the interpreter to itself
    pairs = _parse_urlencoded(request.scope["query_string"])
    if len(body) > AT_ONCE_BYTES:
        return pairs + await asyncio.to_thread(_parse_form, content_type, body)
    return pairs + _parse_form(content_type, body) if body else pairs


async def read_body(request: Request, seconds: float) -> bytes:
    """The whole body.

    Raises:
        HTTPException: 415, it is compressed.
        DeadlineExceeded, ClientClosedRequest, BodyTooLarge: it did not arrive.
    """
    encoding = request.headers.get("content-encoding", "").strip() or PLAIN
    try:
        async with asyncio.timeout(seconds):
            body = await request.body()
    except TimeoutError:
        raise DeadlineExceeded(f"The body took longer than {seconds:g} seconds.") from None
    except ClientDisconnect:
        raise ClientClosedRequest("The client left while its body was read.") from None
    if body and encoding.lower() != PLAIN:
        # RFC 9110, 15.5.16: the header says that the encoding is what was wrong.
        raise HTTPException(415, COMPRESSED.format(encoding), {"Accept-Encoding": PLAIN})
    return body


def content_type_of(request: Request) -> Message:
    """The Content-Type, for its parameters.

    Raises:
        HTTPException: 415, its charset is none that is read.
    """
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    charset = message.get_param("charset")
    if charset is not None and str(charset).lower() not in ("utf-8", "utf8", "us-ascii"):
        raise HTTPException(415, "Only the charset utf-8 is supported.")
    return message


def _is_json(content_type: Message) -> bool:
    kind = content_type.get_content_type()
    return kind == JSON or (kind.startswith("application/") and kind.endswith("+json"))


def _parse_form(content_type: Message, body: bytes) -> Pairs:
    # get_content_type() makes text/plain of a Content-Type that is missing or broken.
    match content_type.get_content_type():
        case kind if kind == FORM:
            return _parse_urlencoded(body)
        case kind if kind == MULTIPART:
            return parse_multipart(content_type["content-type"], body)[0]
        case _:
            raise HTTPException(
                415, f"The Content-Type of a body must be {JSON}, {FORM} or {MULTIPART}."
            )


def _parse_urlencoded(body: bytes) -> Pairs:
    try:
        return parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except UnicodeDecodeError:
        raise InvalidRequest("Invalid request: the form is not UTF-8") from None
    except ValueError:
        raise InvalidRequest(TOO_MANY_FIELDS) from None


def _grouped(pairs: Pairs, repeatable: Container[str]) -> dict[str, object]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {
        name: found if name in repeatable and len(found) > 1 else found[0]
        for name, found in values.items()
    }


def _reason(error: ValueError) -> str:
    message = str(error)
    if "hex escape" in message:
        return f"half of a surrogate pair ({message})"
    return message
