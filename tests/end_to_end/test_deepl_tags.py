"""Tags and sentences in DeepL's API: its own client, and others, over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import deepl
import httpx
import pytest

from service.opening import open_model_directory
from service.settings import ModelSettings, Settings
from tests.conftest import DEFAULT_MODEL
from tests.end_to_end.conftest import live_server


@pytest.fixture
def reversing(url: str) -> Iterator[deepl.DeepLClient]:
    with closing(deepl.DeepLClient("any:fx", server_url=url)) as client:
        yield client


@pytest.fixture(scope="module")
def french() -> Iterator[deepl.DeepLClient]:
    """Of the default model."""
    settings = Settings(model=ModelSettings(directory=DEFAULT_MODEL))
    with (
        live_server(settings, open_model_directory) as url,
        closing(deepl.DeepLClient("any:fx", server_url=url)) as client,
    ):
        yield client


def text_of(client: deepl.DeepLClient, text: str, **options: Any) -> str:
    found = client.translate_text(text, source_lang="FR", target_lang="EN-US", **options)
    assert isinstance(found, deepl.TextResult)
    assert found.billed_characters == len(text)
    return found.text


XML = "<d><p>un deux</p> <q>trois <b>quatre</b></q></d>"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "<d><p>deux un</p> <q><b>quatre</b> trois</q></d>"),
        ({"ignore_tags": "p"}, "<d><p>un deux</p> <q><b>quatre</b> trois</q></d>"),
        ({"ignore_tags": ["x,p", "q"]}, "<d><p>un deux</p> <q>trois <b>quatre</b></q></d>"),
        ({"splitting_tags": ["b"]}, "<d><p>deux un</p> <q>trois <b>quatre</b></q></d>"),
        (
            {"outline_detection": False},
            "<d><q><b>quatre</b> trois</q> <p>deux un</p></d>",
        ),
        (
            {"outline_detection": False, "splitting_tags": ["p", "q"]},
            "<d><p>deux un</p> <q><b>quatre</b> trois</q></d>",
        ),
        (
            {"non_splitting_tags": "p,q"},
            "<d><q><b>quatre</b> trois</q> <p>deux un</p></d>",
        ),
        ({"tag_handling_version": "v2"}, "<d><p>deux un</p> <q><b>quatre</b> trois</q></d>"),
    ],
)
def test_xml(reversing: deepl.DeepLClient, options: dict[str, Any], expected: str) -> None:
    assert text_of(reversing, XML, tag_handling="xml", **options) == expected


LINES, WRAPPED, WHOLE = (
    "deux un\nquatre trois\n\nsix cinq",
    "quatre trois deux un\n\nsix cinq",
    "six cinq quatre trois deux un",
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, LINES),
        ({"split_sentences": "1"}, LINES),
        ({"split_sentences": deepl.SplitSentences.OFF}, WHOLE),
        ({"split_sentences": "nonewlines"}, WRAPPED),
        ({"split_sentences": "nonewlines", "tag_handling": "xml"}, WHOLE),
        ({"tag_handling": "xml"}, LINES),
        ({"tag_handling": "html"}, WHOLE),
        ({"tag_handling": "html", "split_sentences": "1"}, LINES),
        ({"tag_handling": "html", "split_sentences": "0"}, WHOLE),
    ],
)
def test_where_sentences_end(
    reversing: deepl.DeepLClient, options: dict[str, Any], expected: str
) -> None:
    found = text_of(reversing, "un deux\ntrois quatre\n\ncinq six", **options)
    assert re.sub(" +", " ", found) == expected


def test_weblate_marks_what_is_not_to_be_translated(reversing: deepl.DeepLClient) -> None:
    text = 'un <x id="0"></x> deux <x id="1">%s trois</x>'
    expected = '<x id="1">%s trois</x> deux <x id="0"></x> un'
    assert text_of(reversing, text, tag_handling="xml", ignore_tags=["x"]) == expected


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text": ["<a>un</b>"], "tag_handling": "xml"}, "mismatched tag (line 1, column 8)"),
        ({"ignore_tags": ["x"]}, "Parameter 'ignore_tags' needs 'tag_handling'."),
        ({"tag_handling": "html", "outline_detection": False}, "needs 'tag_handling' xml."),
        ({"tag_handling": "html", "non_splitting_tags": "p"}, "needs 'tag_handling' xml."),
        ({"tag_handling": "xml", "ignore_tags": [1]}, "Value for 'ignore_tags' not supported."),
        ({"tag_handling_version": "v9"}, "Value for 'tag_handling_version' not supported."),
    ],
)
@pytest.mark.parametrize("languages", [{"source_lang": "FR"}, {}])
def test_what_is_refused(
    client: httpx.Client, fields: dict[str, Any], says: str, languages: dict[str, str]
) -> None:
    body = {"text": ["un"], "target_lang": "EN"} | languages | fields
    reply = client.post("/v2/translate", json=body)
    assert reply.status_code == 400
    assert says in reply.json()["message"]


def test_forms_repeat_names(client: httpx.Client) -> None:
    form = {"text": "<a>un deux <b>x y</b></a>", "source_lang": "FR", "target_lang": "EN",
            "tag_handling": "xml", "ignore_tags": ["a", "b"], "outline_detection": "0"}  # fmt: skip
    found = client.post("/v2/translate", data=form).json()["translations"][0]["text"]
    assert found == form["text"]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (
            "<d><t>Le chat dort.</t><p>Le chat <b a='1'>noir</b> dort.</p></d>",
            {"tag_handling": "xml"},
            "<d><t>The cat sleeps.</t><p>The <b a='1'>black</b> cat sleeps.</p></d>",
        ),
        (
            "<p>Le chat <b>noir</b>\ndort.</p>",
            {"tag_handling": "html"},
            "<p>The <b>black</b> cat sleeps.</p>",
        ),
        (
            "Où est <x>Jean-Paul</x> ?",
            {"tag_handling": "xml", "ignore_tags": "x"},
            "Where is <x>Jean-Paul</x>?",
        ),
        (
            "Le chat noir\ndort sur le lit.",
            {"split_sentences": "nonewlines"},
            "The black cat sleeps on the bed.",
        ),
    ],
)
def test_the_default_model(
    french: deepl.DeepLClient, text: str, options: dict[str, Any], expected: str
) -> None:
    assert text_of(french, text, **options) == expected
