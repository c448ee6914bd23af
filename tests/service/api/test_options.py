"""Decoding options and POST /score over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from service.api.dialects.libretranslate.fields import OWN_FIELDS
from service.api.dialects.libretranslate.options import bounds
from service.domain import DecodingOptions
from service.settings import Settings
from tests.service.api.reversing import UNKNOWN, ReversingEngine

pytestmark = pytest.mark.anyio

FR_EN = {"source": "fr", "target": "en"}
OPTIONS: dict[str, Any] = {
    "beam_size": 3,
    "patience": 2.0,
    "num_hypotheses": 5,
    "length_penalty": 0.5,
    "coverage_penalty": 0.1,
    "repetition_penalty": 1.2,
    "no_repeat_ngram_size": 3,
    "disable_unk": True,
    "prefix_bias_beta": 0.5,
    "min_alternative_expansion_prob": 0.25,
    "sampling_topk": 9,
    "sampling_topp": 0.75,
    "sampling_temperature": 0.5,
    "min_decoding_length": 2,
    "max_decoding_length": 7,
    "return_attention": True,
}


async def post(client: httpx.AsyncClient, path: str = "/translate", **parameters: Any) -> Any:
    reply = await client.post(path, json=FR_EN | parameters)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def refusal(client: httpx.AsyncClient, path: str = "/translate", **parameters: Any) -> str:
    reply = await client.post(path, json=FR_EN | parameters)
    assert reply.status_code == 400, reply.text
    error: str = reply.json()["error"]
    return error.removeprefix("Invalid request: ")


@pytest.mark.parametrize("as_form", [False, True])
async def test_every_option_reaches_the_search(
    client: httpx.AsyncClient, engine: ReversingEngine, as_form: bool
) -> None:
    if as_form:
        form = {name: str(value).lower() for name, value in OPTIONS.items()}
        await client.post("/translate", data=FR_EN | {"q": "a b"} | form)
    else:
        await post(client, q="a b", **OPTIONS)
    (job,) = engine.jobs
    assert {name: getattr(job.options, name) for name in OPTIONS} == OPTIONS


async def test_alternatives_behind_the_prefix_reach_the_search(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    await post(client, q="a b", beam_size=1, return_alternatives=True, num_hypotheses=6)
    await post(client, q="a b", beam_size=1, return_alternatives=True, alternatives=5)
    for job in engine.jobs:
        assert job.options.return_alternatives
        assert (job.options.beam_size, job.options.num_hypotheses) == (1, 6)


async def test_the_length_follows_the_source(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    await post(client, q="a b c\nd", max_decoding_length_ratio=1.5)
    assert [job.options.max_decoding_length for job in engine.jobs] == [5, 2]


async def test_a_prefix_begins_the_first_sentence_of_its_text(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    found = await post(client, q="a b\nc", target_prefix="x y")
    assert found["translatedText"] == "x y b a\nc"
    found = await post(client, q=["a b", "c", "!"], target_prefix=["", "x", "z"])
    assert found["translatedText"] == ["b a", "x c", "!"]


async def test_sequences_and_end_tokens_are_texts_or_tokens(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    await post(client, q="a b c d")
    await post(
        client,
        q="a",
        suppress_sequences=["a b", ["c", "d"], "", []],
        end_token=["d"],
    )
    a, b, c, d = engine.jobs[0].source_ids
    options = engine.jobs[1].options
    assert options.suppress_sequences == ((a, b), (c, d))
    assert options.end_token == (d,)
    reply = await client.post(
        "/translate", data=FR_EN | {"q": "a", "suppress_sequences": ["a b", "c"], "end_token": "d"}
    )
    assert reply.status_code == 200
    assert engine.jobs[2].options.suppress_sequences == ((a, b), (c,))
    assert engine.jobs[2].options.end_token == (d,)


async def test_a_seed_gives_a_text_the_same_draws_wherever_it_stands(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    sampling: dict[str, Any] = {"beam_size": 1, "sampling_topk": 0}
    await post(client, q=["a\nb", "c\nd"], **sampling, sampling_seed=5)
    await post(client, q="c\nd", **sampling, sampling_seed=5)
    seeds = [job.options.sampling_seed for job in engine.jobs]
    assert seeds[0:2] == seeds[2:4] == seeds[4:6]
    assert seeds[0] != seeds[1]


async def test_without_a_seed_every_request_draws_anew(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    for _ in range(2):
        await post(client, q="a", beam_size=1, sampling_topk=0)
    first, second = engine.jobs
    assert first.options.sampling_seed != second.options.sampling_seed


async def test_attention_comes_with_tokens_and_alignment(client: httpx.AsyncClient) -> None:
    found = await post(client, q="a b c", return_attention=True)
    (sentence,) = found["sentences"]
    assert sentence["source_tokens"] == ["a", "b", "c"]
    (translation,) = sentence["translations"]
    assert translation["tokens"] == ["c", "b", "a"]
    assert translation["attention"] == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert translation["alignment"] == [2, 1, 0]
    plain = await post(client, q="a b c", num_hypotheses=1)
    assert set(plain["sentences"][0]) == {"source", "translations"}
    assert set(plain["sentences"][0]["translations"][0]) == {"text", "finish_reason"}


async def test_unknown_tokens_are_taken_from_the_source(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    text = f"a {UNKNOWN} b"
    found = await post(client, q=["a b", text], return_scores=True)
    assert found["translatedText"] == ["b a", f"b {UNKNOWN} a"]
    assert [job.options.return_attention for job in engine.jobs] == [False, False, True]
    assert "attention" not in found["sentences"][1][0]["translations"][0]
    found = await post(client, q=text, replace_unknowns=False)
    assert found["translatedText"] == "b a"
    assert len(engine.jobs) == 3  # the translation was kept


async def test_of_a_second_try_unknown_tokens_are_taken_too(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    prefix = " ".join(["x y"] * 8)
    found = await post(client, q=f"a {UNKNOWN}", target_prefix=prefix)
    assert found["finish_reason"] == "repetition"
    assert UNKNOWN in found["translatedText"]
    options = [job.options for job in engine.jobs]
    assert [one.no_repeat_ngram_size for one in options] == [0, 3, 3]
    assert [one.return_attention for one in options] == [False, False, True]


async def test_a_translation_that_repeats_itself_is_made_again(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    prefix = " ".join(["x y"] * 8)  # the model repeats whatever it is told to
    found = await post(client, q=["a", "b c"], target_prefix=[prefix, ""])
    assert found["finish_reason"] == ["repetition", "eos"]
    assert [job.options.no_repeat_ngram_size for job in engine.jobs] == [0, 0, 3]
    metrics = (await client.get("/metrics")).text
    assert 'seq2seq_finished_total{reason="repetition"} 1.0' in metrics
    found = await post(client, q="a", target_prefix=prefix, retry_repetitions=False)
    assert found["finish_reason"] == "eos"
    assert len(engine.jobs) == 3  # the first result was kept


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"patience": "x"}, "patience parameter is not a number"),
        ({"patience": 0}, "patience parameter must be >= 0.1"),
        (
            {"patience": 2, "beam_size": 2, "num_hypotheses": 5},
            "num_hypotheses must not be greater",
        ),
        (
            {"patience": 0.1, "beam_size": 4, "return_alternatives": True},
            "beam_size * patience must be at least 0.5",
        ),
        ({"repetition_penalty": -1}, "repetition_penalty parameter must be >= 0.01"),
        ({"coverage_penalty": 11}, "coverage_penalty parameter must be <= 10"),
        ({"no_repeat_ngram_size": 300}, "no_repeat_ngram_size parameter must be <= 256"),
        ({"disable_unk": 5}, "disable_unk parameter must be true or false"),
        ({"suppress_sequences": 5}, "suppress_sequences parameter must be an array of strings and"),
        ({"suppress_sequences": ["a?"]}, "suppress_sequences parameter has text that the model"),
        ({"suppress_sequences": [["zz"]]}, "suppress_sequences parameter has a token that the"),
        ({"suppress_sequences": ["a"] * 101}, "suppress_sequences parameter must not have more"),
        ({"suppress_sequences": ["a" * 1000]}, "request (1001) exceeds text limit (1000)"),
        ({"end_token": {}}, "end_token parameter must be a string or an array of strings"),
        ({"end_token": "zz"}, "end_token parameter has a token that the model does not know"),
        ({"target_prefix": "a?"}, "target_prefix parameter has text that the model has"),
        ({"target_prefix": ["a"]}, "target_prefix parameter must be a string if q is one, else"),
        ({"q": ["a"], "target_prefix": "a"}, "target_prefix parameter must be a string if q is"),
        ({"q": ["a"], "target_prefix": ["a", "b"]}, "target_prefix parameter must be a string if"),
        ({"prefix_bias_beta": 1}, "prefix_bias_beta parameter must be <= 0.999999"),
        ({"prefix_bias_beta": 0.5, "return_alternatives": True}, "prefix_bias_beta can't be"),
        ({"sampling_topp": 0}, "sampling_topp parameter must be >= 1e-06"),
        ({"sampling_topk": 5, "beam_size": 4}, "sampling_topk must be 0 or at least 2 * beam_size"),
        ({"sampling_temperature": -1}, "sampling_temperature parameter must be >= 0"),
        ({"sampling_seed": -1}, "sampling_seed parameter must be >= 0"),
        ({"max_decoding_length_ratio": 0}, "max_decoding_length_ratio parameter must be >= 0.01"),
        (
            {"return_alternatives": True, "num_hypotheses": 16, "beam_size": 16},
            "beam_size × num_hypotheses must be <= 128 here",
        ),
    ],
    ids=str,
)
async def test_invalid_options(
    client: httpx.AsyncClient, engine: ReversingEngine, parameters: dict[str, Any], fault: str
) -> None:
    assert (await refusal(client, **{"q": "a"} | parameters)).startswith(fault)
    assert engine.jobs == []


async def test_a_translation_is_scored_as_one_sentence(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    found = await post(client, "/score", q="a b", translation="x y z")
    assert found == {
        "score": -4.0,
        "tokens": ["x", "y", "z", "</s>"],
        "log_probs": [-1.0, -1.0, -1.0, -1.0],
    }
    found = await post(client, "/score/", q=["a", "b"], translation=["c", "d e"])
    assert (found["score"], found["tokens"]) == ([-2, -3], [["c", "</s>"], ["d", "e", "</s>"]])
    reply = await client.post("/score", data=FR_EN | {"q": ["a", "b"], "translation": ["c", "d"]})
    assert reply.json()["score"] == [-2, -2]


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"q": "a"}, "missing translation parameter"),
        ({"q": "a", "translation": 5}, "translation parameter must be a string or an array of"),
        ({"q": "a", "translation": ["b"]}, "translation parameter must be a string if q is one"),
        ({"q": ["a"], "translation": ["b", "c"]}, "translation parameter must be a string if q is"),
        ({"q": "a", "translation": "b?"}, "translation parameter has text that the model"),
        ({"q": "a", "translation": "b " * 60}, "translation parameter has 61 tokens; less than 50"),
        ({"q": "a " * 30, "translation": "b"}, "q parameter has more tokens than the model takes"),
        ({"q": "a", "translation": "b" * 1000}, "request (1001) exceeds text limit (1000)"),
        ({"q": ["a"] * 11, "translation": ["b"] * 11}, "request (11) exceeds text limit (10)"),
        ({"q": "a", "translation": "b", "target": "fr"}, "source and target are the same language"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_invalid_scoring(
    client: httpx.AsyncClient, engine: ReversingEngine, parameters: dict[str, Any], fault: str
) -> None:
    assert (await refusal(client, "/score", **parameters)).startswith(fault)
    assert engine.jobs == []


async def test_scoring_has_the_same_door(
    client: httpx.AsyncClient, engine: ReversingEngine
) -> None:
    reply = await client.post("/score", json=FR_EN | {"q": "a", "translation": "b", "target": "zz"})
    assert reply.json() == {"error": "zz is not supported"}


def test_the_documentation_names_every_option() -> None:
    numbers = bounds(Settings())
    assert set(numbers) <= OWN_FIELDS | {"alternatives"}
    derived = {
        "selection",
        "priority",
        "target_prefix",
        "retry_repetitions",
        "protect_placeholders",
        "split_sentences",
        "glossary",
        "do_not_translate",
        "do_not_translate_ranges",
        "replace_unknowns",
        "return_scores",
        "return_alignments",
        "return_details",
        "deadline_seconds",
        "stream",
        "model",
    }
    known = set(DecodingOptions.__dataclass_fields__) - {"scored_target", "start"}
    assert known | derived == set(OWN_FIELDS)
