"""Any text through a real service with a small real model that knows no language: what must survive
does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.opening import open_model_directory
from service.settings import ModelSettings, RuntimeSettings, Settings
from service.text import placeholders
from tests.end_to_end.conftest import FR_EN, live_server
from tests.service.text import test_html, test_xml

LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
SPANS = ("{name}", "%s", "${x}", "{{x}}", "<0/>", "https://a.b/c?d=1", "a@b.fr", "%1$d")
PARTS = ("Le chat dort.", "mot ", " ", "  ", "\n", "\r\n\r\n", "\t", "123", "👍🏽", "!?", "…", ". ")
texts = st.one_of(
    st.lists(st.sampled_from((*SPANS, *PARTS, *PARTS)), max_size=12).map("".join),
    st.text(max_size=30),
    st.text(alphabet=f"ab. {{}}%<>\u00a0\u200b{LINE_ENDS}", max_size=30),
)


@pytest.fixture(scope="module")
def client(tiny_directory: Path) -> Iterator[httpx.Client]:
    settings = Settings(
        model=ModelSettings(directory=tiny_directory),
        runtime=RuntimeSettings(engine="thread", threads=1),
    )
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def translated(client: httpx.Client, text: str, **more: Any) -> str:
    fields = {"q": text, **FR_EN, "max_decoding_length": 8, "beam_size": 2, **more}
    reply = client.post("/translate", json=fields)
    assert reply.status_code == 200, reply.text
    translation: str = reply.json()["translatedText"]
    return translation


@given(texts.filter(bool))
@settings(max_examples=100, deadline=None)
def test_separators_and_placeholders_stay(client: httpx.Client, text: str) -> None:
    found = translated(client, text)
    assert [one for one in found if one in LINE_ENDS] == [one for one in text if one in LINE_ENDS]
    assert found.startswith(text[: len(text) - len(text.lstrip())])
    assert found.endswith(text[len(text.rstrip()) :])
    # The model may leave out what stands between two of them, so that they are found as one.
    spans = Counter(text[start:end] for start, end in placeholders.find(text))
    assert all(found.count(span) >= count for span, count in spans.items())
    if not any(map(str.isalpha, text)):
        assert found == text


@given(st.one_of(test_html.pages, test_html.odd_pages).filter(bool))
@settings(max_examples=60, deadline=None)
def test_html_stays(client: httpx.Client, text: str) -> None:
    found = translated(client, text, format="html")
    assert Counter(test_html.tokens(found)) == Counter(test_html.tokens(text))
    assert test_html.elements(found) == test_html.elements(text)


@given(test_xml.texts.filter(bool))
@settings(max_examples=60, deadline=None)
def test_xml_stays(client: httpx.Client, text: str) -> None:
    found = translated(client, text, format="xml")
    assert test_xml.tokens(found) == test_xml.tokens(text)
    assert test_xml.elements(found) == test_xml.elements(text)
