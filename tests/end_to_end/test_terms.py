"""Glossaries and what is not to be translated, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.opening import open_model_directory
from service.settings import ModelSettings, Settings
from tests.conftest import DEFAULT_MODEL
from tests.end_to_end.conftest import FR_EN, live_server
from tests.service.api.reversing import ReversingEngine


@pytest.fixture(scope="module")
def french() -> Iterator[httpx.Client]:
    """Of the default model."""
    settings = Settings(model=ModelSettings(directory=DEFAULT_MODEL))
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def translated(client: httpx.Client, q: object, **more: Any) -> Any:
    reply = client.post("/translate", json={"q": q, **FR_EN, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()["translatedText"]


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("le chat dort ici", {"glossary": {"chat": "tomcat"}}, "ici dort tomcat le"),
        ("le chat dort", {"glossary": "chat\tcat\r\n\r\ndort\tis asleep"}, "is asleep cat le"),
        ("Le chat dort", {"glossary": {"dort": "sleeps"}}, "Sleeps chat Le"),
        ("Chat dort", {"glossary": {"chat": "cat"}}, "dort cat"),
        ("Il Chat dort", {"glossary": {"chat": "cat"}}, "dort Cat Il"),
        ("Chat", {"glossary": {"chat": "cat"}}, "Cat"),
        ("un chat noir", {"do_not_translate": "chat noir"}, "chat noir un"),
        ("un chat noir", {"do_not_translate": ["noir", "un"]}, "noir chat un"),
        ("un chat", {"glossary": {"chat": "cat"}, "do_not_translate": ["chat"]}, "chat un"),
        ("un deux trois", {"do_not_translate_ranges": [[0, 7]]}, "trois un deux"),
        (["a b c", "d e f"], {"do_not_translate_ranges": [[], [[2, 5]]]}, ["c b a", "e f d"]),
        (
            "un <b>chat noir</b> dort",
            {"glossary": {"noir": "<3"}, "format": "html"},
            "dort <b>&lt;3 chat</b> un",
        ),
        (
            "a <i>b c</i> d",
            {"do_not_translate_ranges": [[0, 8]], "format": "xml"},
            "d <i>b c</i> a",
        ),
    ],
)  # fmt: skip
def test_terms(
    client: httpx.Client, text: object, fields: dict[str, Any], expected: object
) -> None:
    assert translated(client, text, **fields) == expected


@pytest.mark.parametrize(("target", "decoded"), [("chat", 1), ("cat", 2)])
def test_a_number_stands_for_a_term_only_where_the_model_would_say_something_else(
    client: httpx.Client, engine: ReversingEngine, target: str, decoded: int
) -> None:
    found = translated(client, "un chat <b>noir</b>", glossary={"chat": target}, format="html")
    assert found == f"<b>noir</b> {target} un"
    assert len(engine.jobs) == decoded


def test_forms(client: httpx.Client) -> None:
    form = {
        "q": "un chat noir dort",
        **FR_EN,
        "glossary": "chat\tcat",
        "do_not_translate": ["noir"],
    }
    assert client.post("/translate", data=form).json()["translatedText"] == "dort noir cat un"


PAIRS = "do_not_translate_ranges parameter must be an array of pairs"
MANY = {str(number): "b" for number in range(1001)}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"glossary": {"chat": " "}}, "glossary entry 1 has a target term that is empty"),
        ({"glossary": {"a": "b", "": "x"}}, "glossary entry 2 has a source term that is empty"),
        ({"glossary": "chat"}, "glossary entry 1 must be two terms with a tabulator"),
        ({"glossary": "a\tb\n\na\tc"}, "glossary entry 3 has the source term of another entry"),
        ({"glossary": {"a": "b\n"[:1] + "\x00"}}, "has control characters"),
        ({"glossary": {"a " * 31: "b"}}, "has a source term of more than 30 words"),
        ({"glossary": ["a"]}, "glossary parameter must be an object of strings"),
        ({"glossary": MANY}, "more than 1000 items"),
        # They are counted before they are looked at, which takes long.
        ({"glossary": {**MANY, "": ""}}, "more than 1000 items"),
        ({"glossary": "\n".join(f"{term}\tb" for term in MANY) + "\n?"}, "more than 1000 items"),
        ({"do_not_translate": [*MANY, ""]}, "more than 1000 items"),
        ({"do_not_translate_ranges": [[0, 1]] * 1000 + [[5, 0]]}, "more than 1000 items"),
        ({"do_not_translate": [1]}, "do_not_translate parameter must be a string or an array"),
        ({"do_not_translate_ranges": [[0, 99]]}, PAIRS),
        ({"do_not_translate_ranges": [[2, 1]]}, PAIRS),
        ({"do_not_translate_ranges": [[[0, 1]]]}, PAIRS),
        ({"do_not_translate_ranges": "x"}, PAIRS),
        ({"q": ["a", "b"], "do_not_translate_ranges": [[[0, 1]]]}, PAIRS),
    ],
)
def test_what_is_refused(client: httpx.Client, fields: dict[str, Any], says: str) -> None:
    reply = client.post("/translate", json={"q": "un chat", **FR_EN, **fields})
    assert reply.status_code == 400
    assert says in reply.json()["error"]


def test_the_default_model_keeps_every_term(french: httpx.Client) -> None:
    terms = {"chat": "tomcat", "voiture": "automobile", "Le Monde": "Le Monde", "maison": "home"}
    frames = (
        "Le {} dort.", "Où est la {} ?", "J'ai vu une {} et une {} hier.", "Les gens aiment {}.",
        "Il a acheté {} pour sa fille. Elle en voulait une {}.", "{} !", "- {}",
    )  # fmt: skip
    names = [name for name in terms for _ in terms]
    texts = [frame.replace("{}", "{0}").format(name) for frame in frames for name in names]
    for text, translation in zip(texts, translated(french, texts, glossary=terms), strict=True):
        name = next(name for name in terms if name in text)
        target = terms[name]
        assert translation.lower().count(target.lower()) == text.count(name), (text, translation)
