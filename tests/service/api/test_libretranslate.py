from __future__ import annotations

import gzip
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.dialects.libretranslate.routes import parse, translation_request
from service.domain import TranslationRequest
from service.errors import ModelFailure, ServiceError
from service.settings import Settings
from tests.service.api.reversing import ReversingEngine

pytestmark = pytest.mark.anyio

FR_EN = {"source": "fr", "target": "en"}


async def translate(client: httpx.AsyncClient, **parameters: Any) -> Any:
    reply = await client.post("/translate", json=FR_EN | parameters)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def refusal(client: httpx.AsyncClient, **parameters: Any) -> str:
    reply = await client.post("/translate", json=FR_EN | parameters)
    assert reply.status_code == 400, reply.text
    assert list(reply.json()) == ["error"]
    error: str = reply.json()["error"]
    return error


async def test_a_text_is_answered_by_a_text_and_nothing_else(client: httpx.AsyncClient) -> None:
    assert await translate(client, q="le chat dort") == {"translatedText": "dort chat le"}


async def test_texts_are_answered_by_texts_in_order(client: httpx.AsyncClient) -> None:
    assert await translate(client, q=["a b", "", "c d\n\n e f"]) == {
        "translatedText": ["b a", "", "d c\n\n f e"]
    }


@pytest.mark.parametrize("text", [" ", "\n\t", "😀", "😀\n👍🏽", "…"])
async def test_text_without_words_comes_back(
    client: httpx.AsyncClient, engine: ReversingEngine, text: str
) -> None:
    assert await translate(client, q=text) == {"translatedText": text}
    assert engine.jobs == []


async def test_the_same_language_is_identity(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    assert await translate(client, q="le chat", target="fr") == {"translatedText": "le chat"}
    assert engine.jobs == []


async def test_codes_are_case_insensitive(client: httpx.AsyncClient) -> None:
    assert await translate(client, q="a b", source="FR", target="En") == {"translatedText": "b a"}


@pytest.mark.parametrize(
    "request_arguments",
    [
        {"data": FR_EN | {"q": "a b"}},
        {"files": {name: (None, value) for name, value in (FR_EN | {"q": "a b"}).items()}},
        {"params": FR_EN | {"q": "a b"}},
        {"params": FR_EN, "data": {"q": "a b"}},
        {"json": FR_EN | {"q": "a b", "api_key": "k"}, "params": {"api_key": "k"}},
        {
            "content": b'\xef\xbb\xbf{"q": "a b", "source": "fr", "target": "en"}',
            "headers": {"Content-Type": "application/vnd.x+json; charset=UTF-8"},
        },
    ],
    ids=["form", "multipart", "query", "query and form", "json", "json with a BOM"],
)
async def test_parameters_come_in_many_ways(
    client: httpx.AsyncClient, request_arguments: dict[str, Any]
) -> None:
    for path in ("/translate", "/translate/"):
        reply = await client.post(path, **request_arguments)
        assert reply.json() == {"translatedText": "b a"}


@pytest.mark.parametrize("as_what", ["data", "files"])
async def test_a_form_repeats_q_for_a_batch(client: httpx.AsyncClient, as_what: str) -> None:
    form: Any = FR_EN | {"q": ["a b", "é è"]}
    if as_what == "files":
        form = [("q", (None, "a b")), ("q", (None, "é è"))]
        form += [(name, (None, value)) for name, value in FR_EN.items()]
    reply = await client.post("/translate", **{as_what: form})
    assert reply.json() == {"translatedText": ["b a", "è é"]}


async def test_alternatives_differ_from_the_answer_and_from_each_other(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    assert await translate(client, q="a", alternatives=2) == {
        "translatedText": "a",
        "alternatives": ["a a"],
    }
    assert await translate(client, q=["a b", "!"], alternatives="2") == {
        "translatedText": ["b a", "!"],
        "alternatives": [["b b a", "b b a a"], []],
    }
    assert await translate(client, q="a", alternatives=-1) == {"translatedText": "a"}
    await translate(client, q="a", alternatives=9, num_hypotheses=6)
    options = engine.jobs[-1].options
    assert (options.beam_size, options.num_hypotheses) == (10, 10)


async def test_own_options_bring_sentences_and_finish_reasons(client: httpx.AsyncClient) -> None:
    found = await translate(client, q="a b\nc", num_hypotheses=2, beam_size=2)
    assert found == {
        "translatedText": "b a\nc",
        "finish_reason": "eos",
        "sentences": [
            {
                "source": "a b",
                "translations": [
                    {"text": "b a", "finish_reason": "eos"},
                    {"text": "b b a", "finish_reason": "eos"},
                ],
            },
            {
                "source": "c",
                "translations": [
                    {"text": "c", "finish_reason": "eos"},
                    {"text": "c c", "finish_reason": "eos"},
                ],
            },
        ],
    }


async def test_scores_are_returned_on_request(client: httpx.AsyncClient) -> None:
    found = await translate(client, q=["a"], return_scores=True)
    assert found["sentences"][0][0]["translations"][0]["score"] == 0.0


async def test_options_reach_the_search(client: httpx.AsyncClient, engine: ReversingEngine) -> None:
    form = FR_EN | {
        "q": "a",
        "beam_size": "3",
        "num_hypotheses": "2",
        "length_penalty": "0.5",
        "min_decoding_length": "2",
        "max_decoding_length": "7",
        "return_scores": "true",
    }
    reply = await client.post("/translate", data=form)
    assert reply.status_code == 200
    assert all("score" in one for one in reply.json()["sentences"][0]["translations"])
    (job,) = engine.jobs
    options = job.options
    assert (options.beam_size, options.num_hypotheses, options.length_penalty) == (3, 2, 0.5)
    assert (options.min_decoding_length, options.max_decoding_length) == (2, 7)


MBR: dict[str, Any] = {"q": "a b c d", "selection": "mbr", "beam_size": 4, "length_penalty": -10}
"""With this length_penalty all hypotheses weigh the same."""


async def test_minimum_bayes_risk_chooses_from_the_whole_beam(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    # The beam: d c b a · d d c b a · d d c c b a · d d c c b b a
    found = await translate(client, **MBR, return_scores=True)
    assert engine.jobs[-1].options.num_hypotheses == 4
    (sentence,) = found["sentences"]
    assert [one["text"] for one in sentence["translations"]] == [found["translatedText"]]
    assert sentence["translations"][0]["score"] < 0


async def test_alternatives_by_minimum_bayes_risk_are_the_next_ones(
    client: httpx.AsyncClient,
) -> None:
    asked = MBR | {"num_hypotheses": 4, "alternatives": 3}
    found = await translate(client, **asked)
    by_score = await translate(client, **asked | {"selection": "score"})
    assert found["translatedText"] != by_score["translatedText"]
    assert {found["translatedText"], *found["alternatives"]} == {
        by_score["translatedText"],
        *by_score["alternatives"],
    }
    ranked = [one["text"] for one in found["sentences"][0]["translations"]]
    assert ranked == [found["translatedText"], *found["alternatives"]]


async def test_a_translation_without_its_end_says_so_unasked(client: httpx.AsyncClient) -> None:
    found = await translate(client, q=["a b c", "d"], max_decoding_length=2)
    assert found["finish_reason"] == ["length", "eos"]


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({}, "missing q parameter"),
        ({"q": ""}, "missing q parameter"),
        ({"q": []}, "missing q parameter"),
        ({"q": None}, "missing q parameter"),
        ({"q": "a", "source": ""}, "missing source parameter"),
        ({"q": "a", "target": None}, "missing target parameter"),
        ({"q": 5}, "q parameter must be a string or an array of strings"),
        ({"q": [1]}, "q parameter must be a string or an array of strings"),
        ({"q": {"a": 1}}, "q parameter must be a string or an array of strings"),
        ({"q": "a", "source": 5}, "source parameter must be a string"),
        ({"q": "a", "source": ["fr", 1]}, "source parameter must be a string"),
        ({"q": "a", "alternatives": "x"}, "alternatives parameter is not a number"),
        ({"q": "a", "alternatives": True}, "alternatives parameter is not a number"),
        ({"q": "a", "alternatives": 16}, "alternatives parameter must be <= 15"),
        ({"q": "a", "beam_size": "x"}, "beam_size parameter is not a number"),
        ({"q": "a", "beam_size": 1.5}, "beam_size parameter is not a number"),
        ({"q": "a", "beam_size": 0}, "beam_size parameter must be >= 1"),
        ({"q": "a", "beam_size": 10**40}, "beam_size parameter must be <= 16"),
        ({"q": "a", "num_hypotheses": 5}, "num_hypotheses must not be greater than beam_size"),
        ({"q": "a", "length_penalty": "nan"}, "length_penalty parameter is not a number"),
        ({"q": "a", "length_penalty": 11}, "length_penalty parameter must be <= 10"),
        ({"q": "a", "max_decoding_length": 257}, "max_decoding_length parameter must be <= 256"),
        (
            {"q": "a", "min_decoding_length": 3, "max_decoding_length": 2},
            "min_decoding_length parameter must be <= 2",
        ),
        ({"q": "a", "return_scores": "perhaps"}, "return_scores parameter must be true or false"),
        ({"q": "a", "selection": "best"}, "selection parameter must be score or mbr"),
        ({"q": "a", "selection": True}, "selection parameter must be score or mbr"),
        (
            {"q": "a", "selection": "mbr", "beam_size": 1},
            "beam_size parameter must be >= 2 when selection is mbr",
        ),
        ({"q": ["a"] * 11}, "request (11) exceeds text limit (10)"),
        ({"q": ["a" * 1001]}, "request (1001) exceeds text limit (1000)"),
    ],
)
async def test_invalid_parameters(
    client: httpx.AsyncClient, parameters: dict[str, Any], fault: str
) -> None:
    assert await refusal(client, **parameters) == f"Invalid request: {fault}"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"q": "a", "source": "zz"}, "zz is not supported"),
        ({"q": "a", "target": "zz"}, "zz is not supported"),
        ({"q": "a", "target": "auto"}, "auto is not supported"),
        ({"q": "a", "source": "z" * 500}, f"{'z' * 35} is not supported"),
        ({"q": "a", "format": "xyz"}, "xyz format is not supported"),
    ],
)
async def test_what_is_not_supported(
    client: httpx.AsyncClient, parameters: dict[str, Any], message: str
) -> None:
    assert await refusal(client, **parameters) == message


@pytest.mark.parametrize("format_", ["", None, "text"])
async def test_no_format_is_text(client: httpx.AsyncClient, format_: str | None) -> None:
    assert await translate(client, q="a b", format=format_) == {"translatedText": "b a"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "Invalid JSON format"),
        (b'"q"', "Invalid JSON format"),
        (b"", "Invalid JSON format: EOF"),
        (b'{"q": ', "Invalid JSON format: EOF"),
        (b'{"q": NaN}', "Invalid JSON format: expected value"),
        (b'{"q": -Infinity}', "Invalid JSON format: invalid number"),
        (b'{"q": "\xff"}', "Invalid JSON format: invalid unicode"),
        (rb'{"q": "\ud800"}', "Invalid JSON format: half of a surrogate pair"),
        (rb'{"\udc00": 1}', "Invalid JSON format: half of a surrogate pair"),
        (b'{"q": "\xed\xa0\x80"}', "Invalid JSON format: invalid unicode"),
        (b"[" * 15_000, "Invalid JSON format: recursion limit"),
        (b'{"a":' * 3_000, "Invalid JSON format: recursion limit"),
        (b'{"beam_size": ' + b"9" * 15_000 + b"}", "Invalid JSON format: number out of range"),
    ],
)
async def test_json_that_is_none(client: httpx.AsyncClient, body: bytes, reason: str) -> None:
    reply = await client.post(
        "/translate", content=body, headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 400
    assert reply.json()["error"].startswith(reason)


async def test_an_infinite_number_is_refused(client: httpx.AsyncClient) -> None:
    body = b'{"q": "a", "source": "fr", "target": "en", "length_penalty": 1e999}'
    reply = await client.post(
        "/translate", content=body, headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 400


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"q=%ff&source=fr&target=en"),
        ("application/x-www-form-urlencoded", b"q=\xff&source=fr&target=en"),
        ("application/x-www-form-urlencoded", b"q=%ed%a0%80&source=fr&target=en"),
        ("application/x-www-form-urlencoded", b"a=1&" * 5000),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b"nothing of the kind"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="q"\r\n\r\n\xff\r\n--x--\r\n',
        ),
    ],
)
async def test_forms_that_are_none(
    client: httpx.AsyncClient, content_type: str, body: bytes
) -> None:
    reply = await client.post("/translate", content=body, headers={"Content-Type": content_type})
    assert reply.status_code in (400, 413)
    assert isinstance(reply.json()["error"], str)


async def test_a_file_is_no_field(client: httpx.AsyncClient) -> None:
    files = {"q": ("a.txt", "x" * 15_000), "source": (None, "fr"), "target": (None, "en")}
    reply = await client.post("/translate", files=files)
    assert reply.json() == {"error": "Invalid request: missing q parameter"}


async def test_a_content_type_is_case_insensitive(client: httpx.AsyncClient) -> None:
    body = b'--X\r\nContent-Disposition: form-data; name="q"\r\n\r\na b\r\n--X--\r\n'
    for kind, content in (
        ("Multipart/Form-Data; boundary=X", body),
        ("Application/X-WWW-Form-Urlencoded", b"q=a+b"),
        ("Application/JSON", b'{"q": "a b", "source": "fr", "target": "en"}'),
    ):
        reply = await client.post(
            "/translate", params=FR_EN, content=content, headers={"Content-Type": kind}
        )
        assert reply.json() == {"translatedText": "b a"}


async def test_a_query_that_is_not_utf8(client: httpx.AsyncClient) -> None:
    reply = await client.post("/translate?q=%ff&source=fr&target=en")
    assert reply.status_code == 400


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "", "nonsense", "application/json; charset=latin-1"],
)
async def test_other_content_types(client: httpx.AsyncClient, content_type: str) -> None:
    reply = await client.post("/translate", content=b"a", headers={"Content-Type": content_type})
    assert reply.status_code == 415
    assert "supported" in reply.json()["error"] or "Content-Type" in reply.json()["error"]


@pytest.mark.parametrize("path", ["/translate", "/v2/translate", "/translate_file"])
async def test_compressed_bodies_are_refused_by_their_name(
    client: httpx.AsyncClient, path: str
) -> None:
    kind = "multipart/form-data; boundary=a" if path == "/translate_file" else "application/json"
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    reply = await client.post(path, content=gzip.compress(b"{}"), headers=headers)
    assert reply.status_code == 415
    assert "Content-Encoding gzip" in reply.text
    assert reply.headers["Accept-Encoding"] == "identity"


async def test_a_body_may_say_that_it_is_not_compressed(client: httpx.AsyncClient) -> None:
    reply = await client.post(
        "/translate", json=FR_EN | {"q": "a b"}, headers={"Content-Encoding": "identity"}
    )
    assert reply.json() == {"translatedText": "b a"}


async def test_control_characters_do_not_break_anything(client: httpx.AsyncClient) -> None:
    text = "a\x00b c\x1bd\u202e \ufffe"
    found = await translate(client, q=text)
    assert found["translatedText"] == " ".join(reversed(text.split(" ")))
    reply = await client.post("/translate", data=FR_EN | {"q": text})
    assert reply.json() == found


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/translate", 405),
        ("DELETE", "/translate/", 405),
        ("POST", "/languages", 405),
        ("GET", "/nothing", 404),
        ("GET", "/docs/assets/nothing.js", 404),
        ("GET", "/docs/assets/../../../../etc/passwd", 404),
    ],
)
async def test_every_error_is_in_the_dialect(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    reply = await client.request(method, path)
    assert reply.status_code == status
    assert isinstance(reply.json()["error"], str)


async def test_languages(client: httpx.AsyncClient) -> None:
    for path in ("/languages", "/languages/"):
        # The official client sends a body on this GET.
        reply = await client.request("GET", path, content=b"api_key=k")
        (french,) = (language for language in reply.json() if language["code"] == "fr")
        assert french == {"code": "fr", "name": "French", "targets": ["de", "en", "fr"]}


async def test_a_failing_model_is_a_500(client: httpx.AsyncClient, engine: ReversingEngine) -> None:
    engine.failure = ModelFailure("The model could not translate this text.")
    reply = await client.post("/translate", json=FR_EN | {"q": "a"})
    assert reply.status_code == 500
    assert reply.json() == {"error": "The model could not translate this text."}


strings = st.sampled_from(
    ["", "fr", "en", "zz", "text", "1", "-3", "1e9", "nan", "true", "9" * 5000]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | strings
names = st.sampled_from(["q", "source", "target", "format", "alternatives", "beam_size", "other"])
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(names, scalars, max_size=2)


@given(st.dictionaries(names, values), st.booleans())
def test_whatever_the_parameters_are_they_are_understood_or_refused(
    parameters: dict[str, object], complete: bool
) -> None:
    given_parameters = parameters | ({"q": "a", **FR_EN} if complete else {})
    try:
        asked = translation_request(parse(given_parameters), Settings(), arrived=0.0)
    except ServiceError:
        return
    assert isinstance(asked, TranslationRequest)
