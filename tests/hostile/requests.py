"""Requests of somebody who wishes the service ill, made from its own OpenAPI document.

Each route that takes a body is tried, whichever there are. A request is bytes, as most of these no
client library would send.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
TYPES = (
    JSON,
    FORM,
    MULTIPART,
    "",
    "text/plain",
    "application/xml",
    "application/json; charset=utf-16",
    "application/json; charset=\x00",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    f"multipart/form-data; boundary={'b' * 5000}",
    "application/vnd.api+json",
    ";;;,,,===",
    "application/json" * 1000,
    "*/*",
)
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e308, 2**63, -(2**63), "", "\0", "x" * 1000, "\u202e\u200d\ufeff", [],
    {}, [[]], [{}], [None], ["a", 1], {"a": {"b": []}}, "fr", "zz", "../../etc/passwd", "1e5",
)  # fmt: skip
RAW_NUMBERS = (
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "9" * 5000,
    "0." + "0" * 5000 + "1",
    "-0",
    "1E400",
)
PATTERNS = (
    "a", " ", "\n", "\t", ".", "-", "!", "{", "}", "{{", "{%", "%(", "%", "$", "${", "@", "a@",
    "a.", "http://", "http://a.", "<", "</", "<b>", "</b>", "<b ", "<!--", "<![CDATA[",
    "<!DOCTYPE ", "&", "&#", "&amp;", "&#x110000;", "(", "\\", "'", '"', "\u0301", "\u200d",
    "\U0001f469\u200d", "\u202e", "\ufdfa", "中", "\u2028", "\r", "\x0b", "<0/>", "{0}", "%s", "#{",
    "{a, plural, other {", "\x7f", "\x01", "A\u030a",
)  # fmt: skip
XML_BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {name} "{f"&{other};" * 10}">'
        for other, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><a>&i;</a>"
)
XML_OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'


@dataclass(frozen=True, slots=True)
class Route:
    """A route that takes a body."""

    path: str
    body: dict[str, Any]
    """One that it takes."""

    @property
    def text(self) -> str:
        """The field with the text."""
        return next((name for name in ("q", "text") if name in self.body), next(iter(self.body)))


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent on a connection of its own."""

    kind: str
    content: bytes


def routes(document: dict[str, Any]) -> list[Route]:
    """The routes of an OpenAPI document that take JSON and whose path has no parameters."""
    found = []
    for path, operations in document["paths"].items():
        media = operations.get("post", {}).get("requestBody", {}).get("content", {}).get(JSON)
        if media is not None and "{" not in path:
            found.append(Route(path, _example(media)))
    return found


def requests(document: dict[str, Any], count: int, seed: int) -> Iterator[Request]:
    """So many requests, of all kinds in turn."""
    chance = random.Random(seed)
    known = routes(document)
    kinds = list(KINDS.items())
    for number in range(count):
        kind, make = kinds[number % len(kinds)]
        yield Request(kind, make(chance, chance.choice(known)))


def usual(route: Route) -> Request:
    """One that is as it should be."""
    return Request("usual", _post(route.path, JSON, json.dumps(route.body).encode()))


def _example(media: dict[str, Any]) -> dict[str, Any]:
    for example in media.get("examples", {}).values():
        value: dict[str, Any] = example["value"]
        return value
    fields = media["schema"]["properties"]
    return {name: one["examples"][0] for name, one in fields.items() if one.get("examples")}


def _head(path: str, kind: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: service", "Connection: close", *headers]
    lines += [f"Content-Type: {kind}"] if kind else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _post(path: str, kind: str, body: bytes, *headers: str) -> bytes:
    return _head(path, kind, f"Content-Length: {len(body)}", *headers) + body


def _json(path: str, body: object) -> bytes:
    return _post(path, JSON, json.dumps(body).encode())


def _with_text(chance: random.Random, route: Route, text: str) -> bytes:
    body = route.body | {route.text: chance.choice((text, [text]))}
    if "format" in route.body or chance.random() < 0.5:
        body["format"] = chance.choice(("text", "html", "xml"))
    if "target_lang" in route.body:
        body |= chance.choice(({}, {"tag_handling": "xml"}, {"tag_handling": "html"}))
    return _json(route.path, body)


def nesting(chance: random.Random, route: Route) -> bytes:
    """Brackets within brackets."""
    depth = chance.choice((100, 1_000, 10_000, 100_000, 250_000))
    opening, closing = chance.choice((("[", "]"), ('{"a":', "}"), ('[{"q":', "}]"), ("[[", "]]")))
    text = opening * depth + chance.choice(("", "1" + closing * depth))
    return _post(route.path, JSON, f'{{"{route.text}": {text}}}'[:1_040_000].encode())


def numbers(chance: random.Random, route: Route) -> bytes:
    """Numbers that are none, or too large."""
    name = chance.choice((*route.body, "beam_size", "alternatives", "sampling_temperature"))
    rest = json.dumps({key: value for key, value in route.body.items() if key != name})
    text = f'{rest[:-1]}, "{name}": {chance.choice(RAW_NUMBERS)}}}'
    return _post(route.path, JSON, text.encode())


def values(chance: random.Random, route: Route) -> bytes:
    """Values of wrong types."""
    body = dict(route.body)
    for _ in range(chance.randint(1, 3)):
        body[chance.choice((*body, "format", "priority", "end_token", "x" * 100))] = chance.choice(
            VALUES
        )
    return _json(route.path, body)


def repetition(chance: random.Random, route: Route) -> bytes:
    """What makes a careless pattern slow."""
    size = chance.choice((100, 3_000, 20_000, 49_000))
    first, second = chance.choices(PATTERNS, k=2)
    text = chance.choice((first, first + second)) * size
    return _with_text(chance, route, (text[:size] + chance.choice(("", "!", "\0", second))))


def mixture(chance: random.Random, route: Route) -> bytes:
    """All of that in any order."""
    return _with_text(
        chance, route, "".join(chance.choices(PATTERNS, k=chance.choice((20, 500, 5_000))))
    )


def tags(chance: random.Random, route: Route) -> bytes:
    """Tags that are never closed, or never opened."""
    tag = chance.choice(
        ("<b>", "</b>", "<p>", "<i><b>", "<table>", "<svg>", "<a href='", "<b x=y ")
    )
    count = chance.choice((1_000, 12_000, 100_000))
    return _with_text(chance, route, (tag * count)[: chance.choice((49_000, 400_000))] + "Bonjour")


def entities(chance: random.Random, route: Route) -> bytes:
    """XML that is more than it looks."""
    return _with_text(chance, route, chance.choice((XML_BOMB, XML_OUTSIDE)))


def items(chance: random.Random, route: Route) -> bytes:
    """Many texts."""
    count = chance.choice((129, 10_000, 100_000))
    return _json(route.path, route.body | {route.text: [chance.choice(("", "a", " "))] * count})


def surrogates(chance: random.Random, route: Route) -> bytes:
    """Halves of pairs, in JSON and in UTF-8."""
    half = chance.choice(("\\ud800", "\\udc00", "\\udfff\\ud800", "\\ud83d")) * chance.choice(
        (1, 1000)
    )
    if chance.random() < 0.5:
        rest = json.dumps(route.body)
        return _post(route.path, JSON, f'{rest[:-1]}, "{route.text}": "{half}"}}'.encode())
    return _post(route.path, FORM, f"{route.text}=".encode() + b"\xed\xa0\x80" * 100)


def duplicates(chance: random.Random, route: Route) -> bytes:
    """One name, many values."""
    pair = json.dumps({route.text: "a"})[1:-1]
    count = chance.choice((2, 1_000, 50_000))
    rest = json.dumps(route.body)
    return _post(route.path, JSON, (rest[:-1] + f", {pair}" * count + "}").encode())


def names(chance: random.Random, route: Route) -> bytes:
    """Many fields."""
    count = chance.choice((100, 10_001, 100_000))
    if chance.random() < 0.5:
        return _json(route.path, {str(number): 0 for number in range(count)})
    return _post(route.path, FORM, b"&".join(b"%d=" % number for number in range(count)))


def noise(chance: random.Random, route: Route) -> bytes:
    """Bytes."""
    return _post(
        route.path, chance.choice(TYPES), chance.randbytes(chance.choice((0, 1, 100, 100_000)))
    )


def damage(chance: random.Random, route: Route) -> bytes:
    """A good body with some bytes changed, cut or doubled."""
    body = bytearray(json.dumps(route.body, ensure_ascii=False).encode())
    for _ in range(chance.randint(1, 5)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    end = chance.randrange(1, 2 * len(body))
    return _post(route.path, chance.choice((JSON, JSON, FORM)), bytes(body + body)[:end])


def types(chance: random.Random, route: Route) -> bytes:
    """A good body of another type than it says."""
    return _post(route.path, chance.choice(TYPES), json.dumps(route.body).encode())


def forms(chance: random.Random, route: Route) -> bytes:
    """Escapes that are none."""
    value = chance.choice(
        ("%", "%zz", "%u0041", "%00", "%ff%fe", "+" * 10_000, "=&;", "%25" * 10_000)
    )
    return _post(
        route.path, FORM, f"{route.text}={value}&source=fr&target=en&target_lang=EN".encode()
    )


def parts(chance: random.Random, route: Route) -> bytes:
    """Multipart that is broken."""
    field = f'--b\r\nContent-Disposition: form-data; name="{route.text}"\r\n\r\na\r\n'
    body = chance.choice(
        (
            field,
            field * 5_000 + "--b--\r\n",
            field[:-20],
            "--b--",
            "--b\r\n" * 10_000,
            f"--b\r\nContent-Disposition: form-data; name={'x' * 100_000}\r\n\r\n\r\n--b--",
            "--b\r\n" + "X: y\r\n" * 10_000 + "\r\na\r\n--b--",
            "--b\r\nContent-Disposition: form-data\r\n\r\na\r\n--b--",
            '--b\r\nContent-Disposition: form-data; name="file"; filename="../../a"\r\n\r\na\r\n',
            "-" * 500_000,
            "\r\n--" * 100_000,
        )
    )
    return _post(route.path, chance.choice((MULTIPART, "multipart/form-data")), body.encode())


def headers(chance: random.Random, route: Route) -> bytes:
    """Heads that lie, or are too large."""
    odd = chance.choice(
        (
            "X: " + "x" * 70_000,
            "\r\n".join(f"X-{number}: y" for number in range(5_000)),
            "Content-Length: -1",
            "Content-Length: 99999999999999999999",
            "Content-Length: 1",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Content-Encoding: gzip",
            "Expect: 200-maybe",
            "Upgrade: websocket\r\nConnection: upgrade",
            "Authorization: Bearer " + "x" * 10_000,
            "X-Request-ID: " + "\xff" * 100,
            "traceparent: 00-" + "f" * 1_000,
            "X-Forwarded-For: " + "1," * 10_000,
            "Cookie: " + "a=b;" * 5_000,
            "Accept-Language: " + "fr;q=0.1," * 2_000,
            "Range: bytes=0-,0-,0-",
            "\x00: y",
            "no colon",
            ": no name",
            "Host: other\r\nHost: third",
        )
    )
    return _post(route.path, JSON, json.dumps(route.body).encode(), odd)


def targets(chance: random.Random, route: Route) -> bytes:
    """Paths and queries."""
    path = chance.choice(
        (
            route.path + "/../../../../etc/passwd",
            "/docs/assets/../../../../../etc/passwd",
            "/docs/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
            "/docs/assets/..%5c..%5c",
            "/%00",
            "//" + route.path,
            route.path + "%ff%fe",
            route.path + "?" + "q=a&" * 10_000,
            route.path + "?q=%ff&api_key=%00",
            route.path + "/" * 10_000,
            "/" + "a/" * 20_000,
            route.path + ";a=b",
            "*",
            "http://other" + route.path,
        )
    )
    method = chance.choice(("POST", "GET", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND"))
    return _json(path, route.body).replace(b"POST", method.encode(), 1)


def chunks(chance: random.Random, route: Route) -> bytes:
    """Bodies in broken or countless pieces."""
    body = chance.choice(
        (
            b"1\r\n{\r\n" * 20_000 + b"0\r\n\r\n",
            b"ffffffffffffffff\r\n{",
            b"-1\r\n{\r\n0\r\n\r\n",
            b"zz\r\n",
            b"5;" + b"x" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
            b"0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
            b"5\r\nhelloworld\r\n0\r\n\r\n",
        )
    )
    return _head(route.path, JSON, "Transfer-Encoding: chunked") + body


def compressed(chance: random.Random, route: Route) -> bytes:
    """Zeros, which are few bytes when packed."""
    body = gzip.compress(b"\0" * chance.choice((1_000_000, 50_000_000)), 1)[:1_000_000]
    return _post(route.path, JSON, body, "Content-Encoding: gzip")


def large(chance: random.Random, route: Route) -> bytes:
    """Bodies at and beyond the limit."""
    size = chance.choice((1_048_000, 1_048_577, 3_000_000))
    name = chance.choice((route.text, "ignored"))
    return _json(route.path, route.body | {name: "é" * (size // 6)})


KINDS: dict[str, Callable[[random.Random, Route], bytes]] = {
    make.__name__: make
    for make in (
        nesting, numbers, values, repetition, mixture, tags, entities, items, surrogates,
        duplicates, names, noise, damage, types, forms, parts, headers, targets, chunks,
        compressed, large,
    )
}  # fmt: skip
