"""Recurrent models, converted and served over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.opening import open_model_directory
from service.settings import ModelSettings, Settings
from tests.end_to_end.conftest import FR_EN, live_server
from tests.recurrent_models import GOLDEN, SOURCE_WORDS, TARGET_WORDS, convert


def served(name: str, folder: Path) -> Iterator[httpx.Client]:
    directory = convert(name, folder, variants=["fp32"])
    settings = Settings(model=ModelSettings(directory=directory))
    with (
        live_server(settings, open_model_directory) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def attentional(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    yield from served("bidirectional", tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    yield from served("lstm", tmp_path_factory.mktemp("models"))


GREEDY = {**FR_EN, "beam_size": 1, "max_decoding_length": 12, "retry_repetitions": False}


def text(words: list[str], ids: list[int]) -> str:
    return " ".join(words[number] for number in ids if words[number] not in ("[UNK]", "[end]"))


@pytest.mark.parametrize("name", ["bidirectional", "lstm"])
def test_translations_are_the_toolkits_alone_and_at_the_same_time(
    name: str, attentional: httpx.Client, plain: httpx.Client
) -> None:
    client = attentional if name == "bidirectional" else plain

    def translated(source: str) -> str:
        answer = client.post("/translate", json={"q": source, **GREEDY})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["translatedText"])

    sources = [text(SOURCE_WORDS, one["source"]) for one in GOLDEN[name]]
    expected = [text(TARGET_WORDS, one["tokens"]) for one in GOLDEN[name]]
    assert [translated(source) for source in sources] == expected
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(translated, sources * 4)) == expected * 4


def test_attention_is_returned(attentional: httpx.Client) -> None:
    answer = attentional.post(
        "/translate", json={"q": "w1 w2 w3", **GREEDY, "return_attention": True}
    )
    (one,) = answer.json()["sentences"]
    assert one["source_tokens"] == ["w1", "w2", "w3"]
    assert all(abs(sum(row) - 1) < 1e-4 for row in one["translations"][0]["attention"])


@pytest.mark.parametrize(
    "asked", [{"return_attention": True}, {"replace_unknowns": True}, {"coverage_penalty": 0.2}]
)
def test_a_model_without_attention_says_so(plain: httpx.Client, asked: dict[str, object]) -> None:
    answer = plain.post("/translate", json={"q": "w1 w2", **FR_EN, **asked})
    (name,) = asked
    assert answer.status_code == 400
    reason = "parameter needs a model with attention; this one has none"
    assert answer.json() == {"error": f"Invalid request: {name} {reason}"}


def test_scores_and_hypotheses(plain: httpx.Client) -> None:
    scored = plain.post("/score", json={"q": "w1 w2", "translation": "w3 w4", **FR_EN}).json()
    assert scored["tokens"] == ["w3", "w4", "[end]"]
    unknown = plain.post("/score", json={"q": "w1", "translation": "nowhere", **FR_EN})
    assert unknown.status_code == 400
    found = plain.post("/translate", json={"q": "w1 w2", **FR_EN, "num_hypotheses": 4}).json()
    assert len({one["text"] for one in found["sentences"][0]["translations"]}) == 4
