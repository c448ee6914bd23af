"""Two models after each other. Each reverses the words, so both together leave them as they are."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.catalogue.translator import Translator
from service.domain import (
    DecodingOptions,
    FinishReason,
    Format,
    SentenceTranslation,
    TextTranslation,
    TextualOptions,
    TranslationRequest,
)
from service.errors import InvalidRequest, UnsupportedLanguage
from service.scheduling.admission import Admission
from service.settings import SchedulingSettings
from tests.service.api.reversing import ReversingEngine
from tests.service.one_model import translator_of
from tests.service.test_translator import asking
from tests.service.text.any_model import AnyModel

pytestmark = pytest.mark.anyio
TEXT = "le chat dort\nune maison de pierre, \n\n3 4\n où\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def engine() -> ReversingEngine:
    return ReversingEngine()


@pytest.fixture
def translator(engine: ReversingEngine) -> Translator:
    return pivoting(engine)


def pivoting(engine: Any, *, attention: bool = True, pivots: str = "en") -> Translator:
    return translator_of(
        engine,
        Admission(SchedulingSettings()),
        "fr-en",
        "en-de",
        attention=attention,
        pivots=pivots,
    )


def asked(*texts: str, **more: Any) -> TranslationRequest:
    return replace(asking(*texts, target="de", seconds=60), **more)


async def translated(translator: Translator, text: str, **more: Any) -> TextTranslation:
    (found,) = await translator.translate(asked(text, **more))
    return found


async def test_a_pair_that_no_model_has_takes_two(translator: Translator) -> None:
    found = await translated(translator, TEXT)
    assert found.text == TEXT
    assert [one.name for one in found.models] == ["fr-en", "en-de"]
    assert [one.source for one in found.sentences] == [
        "le chat dort",
        "une maison de pierre,",
        "où",
    ]
    for one in found.sentences:
        assert TEXT[slice(*one.source_range)] == found.text[slice(*one.target_range)] == one.source


async def test_without_a_pivot_there_is_no_such_pair(engine: ReversingEngine) -> None:
    with pytest.raises(UnsupportedLanguage):
        await translated(pivoting(engine, pivots=""), TEXT)
    with pytest.raises(UnsupportedLanguage):
        await translated(pivoting(engine, pivots="it,fr,de"), TEXT)
    assert (await translated(pivoting(engine, pivots="it,EN"), TEXT)).text == TEXT


async def test_alignments_are_composed(translator: Translator) -> None:
    found = await translated(translator, TEXT, align=True)
    assert [TEXT[slice(*one.source)] for one in found.alignments] == [
        found.text[slice(*one.target)] for one in found.alignments
    ]
    assert [one.source for one in found.alignments] == [one.target for one in found.alignments]
    of_sentences = [pair for one in found.sentences for pair in one.alignments]
    assert of_sentences == [
        one for one in found.alignments if found.text[one.target[0]] not in "34"
    ]


async def test_sentences_are_told_as_they_will_be(translator: Translator) -> None:
    told: list[SentenceTranslation] = []
    (found,) = await translator.translate(asked(TEXT, align=True), told.append)
    assert tuple(told) == found.sentences
    assert found == await translated(translator, TEXT, align=True)


async def test_what_is_asked_of_each_model(translator: Translator, engine: ReversingEngine) -> None:
    options = DecodingOptions(
        beam_size=3, num_hypotheses=2, length_penalty=0.5, min_decoding_length=2
    )
    found = await translated(translator, "a b", options=options)
    first, second = (job.options for job in engine.jobs)
    assert (first.num_hypotheses, second.num_hypotheses) == (1, 2)
    assert (first.min_decoding_length, second.min_decoding_length) == (1, 2)
    assert first.beam_size == second.beam_size == 3
    assert first.length_penalty == second.length_penalty == 0.5
    assert found.alternatives == ("a a b",)
    assert found.sentences[0].scores == (0.0, -1.0)


async def test_a_prefix_is_that_of_the_last_text(translator: Translator) -> None:
    textual = TextualOptions(target_prefixes=("x y",))
    found = await translated(translator, "a b", textual=textual)
    assert found.text == "x y a b"


async def test_attention_is_of_one_model(translator: Translator) -> None:
    with pytest.raises(InvalidRequest, match="return_attention"):
        await translated(translator, "a b", options=DecodingOptions(return_attention=True))


async def test_both_need_attention_for_alignments(engine: ReversingEngine) -> None:
    with pytest.raises(InvalidRequest, match="return_alignments"):
        await translated(pivoting(engine, attention=False), "a b", align=True)


async def test_a_pivot_that_was_cut_is_no_whole_translation(translator: Translator) -> None:
    options = DecodingOptions(max_decoding_length=2)
    found = await translated(translator, "a b c\nd e", options=options)
    assert found.text == "b c\nd e"
    assert [one.finish_reasons for one in found.sentences] == [
        (FinishReason.LENGTH,),
        (FinishReason.END,),
    ]


async def test_terms_are_those_of_the_source(translator: Translator) -> None:
    """The pivot language has words that look like terms."""
    terms = (("chat", "Katze"), ("pain", "Brot"), ("vin", None))
    found = await translated(
        translator, "le chat a mangé du pain\nvin et Katze\nchat", glossary=terms, align=True
    )
    assert found.text == "le Katze a mangé du Brot\nvin et Katze\nKatze"
    pairs = {(one.source, one.target) for one in found.alignments}
    assert ((3, 7), (3, 8)) in pairs


async def test_terms_are_never_left_to_the_first_model(
    translator: Translator, engine: ReversingEngine
) -> None:
    """It may say one by itself, and then nobody would know where."""
    found = await translated(translator, "le chat dort", glossary=(("chat", "Katze"),))
    assert found.text == "le Katze dort"
    assert len(engine.jobs) == 2


async def test_ranges_are_those_of_the_source(translator: Translator) -> None:
    text = "le petit chat dort {name}\n%s www.example.org/x\npetit"
    found = await translated(translator, text, kept=(((3, 13), (46, 51)),))
    assert found.text == text


async def test_markup_goes_through_both(translator: Translator) -> None:
    text = '<p title="x">le <b>petit chat</b> dort</p><code>du code</code> et <i>la</i> fin'
    found = await translated(translator, text, format=Format.HTML, align=True)
    assert found.text == text


MARKS = ("{name}", "%s", "www.example.org", "chat", "Katze", "<0/>")


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from((*MARKS, "a", "bc", "3", "\n")), max_size=12),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_whatever_the_models_do_nothing_is_lost(
    parts: list[str], seed: int, attention: bool
) -> None:
    text = " ".join(parts)
    engine = AnyModel(seed)
    expected = Counter(MARK.findall(text.replace("chat", "Katze")))

    async def scenario() -> TextTranslation:
        translator = pivoting(engine, attention=attention)
        glossary = (("chat", "Katze"), ("Katze", None))
        return await translated(translator, text, glossary=glossary, align=attention)

    found = asyncio.run(scenario())
    assert Counter(MARK.findall(found.text)) == expected
    for one in (*found.alignments, *(pair for s in found.sentences for pair in s.alignments)):
        assert 0 <= one.source[0] < one.source[1] <= len(text)
        assert 0 <= one.target[0] < one.target[1] <= len(found.text)
    places = [place for one in found.sentences for place in one.source_range]
    assert all(0 <= place <= len(text) for place in places)


MARK = re.compile("|".join(map(re.escape, MARKS)))
