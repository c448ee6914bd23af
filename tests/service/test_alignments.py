"""Which characters of a text its translation comes from, with a model that reverses words."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.catalogue.translator import Translator
from service.domain import (
    DecodingOptions,
    Format,
    Hypothesis,
    TextTranslation,
    TextualOptions,
    TranslationRequest,
)
from service.errors import InvalidRequest
from service.scheduling.admission import Admission
from service.scheduling.job import Job
from service.settings import SchedulingSettings
from service.text.word_alignment import words
from tests.service.api.reversing import LONGEST, ReversingEngine
from tests.service.test_translator import Garbling, translator_with

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def reversing() -> Translator:
    return translator_with(ReversingEngine(), Admission(SchedulingSettings()))


def aligning(*texts: str, form: Format = Format.TEXT) -> TranslationRequest:
    return TranslationRequest(
        texts=texts,
        source="fr",
        target="en",
        options=DecodingOptions(),
        deadline=time.monotonic() + 10,
        format=form,
        align=True,
    )


async def pairs_of(text: str, form: Format = Format.TEXT) -> list[tuple[str, str]]:
    (found,) = await reversing().translate(aligning(text, form=form))
    return pairs(text, found)


def pairs(text: str, found: TextTranslation) -> list[tuple[str, str]]:
    return [(text[slice(*one.source)], found.text[slice(*one.target)]) for one in found.alignments]


async def test_each_word_is_with_its_own() -> None:
    found = await pairs_of("le chat dort")
    assert found == [("dort", "dort"), ("chat", "chat"), ("le", "le")]


async def test_ranges_are_of_the_whole_text() -> None:
    found = await pairs_of("\n le chat\n\n😀 1\ndort bien\n")
    assert found[:2] == [("chat", "chat"), ("le", "le")]
    assert found[-2:] == [("bien", "bien"), ("dort", "dort")]
    assert ("1", "1") in found


async def test_a_placeholder_is_with_itself() -> None:
    found = await pairs_of("le {nom complet} dort {n, plural, one {a} other {b}}")
    assert found[0] == ("{n, plural, one {a} other {b}}", "{n, plural, one {a} other {b}}")


async def test_pieces_of_a_long_sentence_have_places_too() -> None:
    text = " ".join(f"w{number}" for number in range(LONGEST * 2 + 1))
    found = await pairs_of(text)
    assert sorted(found) == sorted((word, word) for word in text.split())


async def test_html_is_told_as_it_is_written() -> None:
    text = "<p>le <b>chat</b> &eacute;t&eacute;</p><p>a &amp; b</p>"
    found = await pairs_of(text, Format.HTML)
    assert found[:3] == [("&eacute;t&eacute;", "été"), ("chat", "chat"), ("le", "le")]
    assert ("&amp;", "&amp;") in found


async def test_sentences_say_where_they_are() -> None:
    text = " a b \n\nc {x} d\n"
    (found,) = await reversing().translate(aligning(text))
    for sentence in found.sentences:
        assert text[slice(*sentence.source_range)] == sentence.source
        assert found.text[slice(*sentence.target_range)] == sentence.translations[0]
    assert [one for sentence in found.sentences for one in sentence.alignments] == list(
        found.alignments
    )


async def test_nothing_is_told_unasked() -> None:
    request = TranslationRequest(
        texts=("a b",), source="fr", target="en", options=DecodingOptions(),
        deadline=time.monotonic() + 10,
    )  # fmt: skip
    (found,) = await reversing().translate(request)
    assert found.alignments == ()


async def test_a_model_without_attention_refuses() -> None:
    translator = translator_with(
        ReversingEngine(), Admission(SchedulingSettings()), attention=False
    )
    with pytest.raises(InvalidRequest, match="return_alignments parameter needs a model with"):
        await translator.translate(aligning("a"))


SPANS = (
    "{name}",
    "%s",
    "{n, plural, one {a} other {b}}",
    "{a}{b}",
    "<0/>",
    "http://a.b/c",
    "a@b.c",
)
MARKUP = ("<b>", "</b>", "<i>x</i>", "<br>", "&amp;", "&eacute;", "<code>c d</code>", "<!--x-->")
WORDS = (
    "le",
    "chat",
    "201",
    "l'",
    "noir.",
    "…",
    "é",
    "猫",
    "😀",
    "\n",
    "\r\n\r\n",
    "\t\n ",
    "&",
    "<",
)


class Attending(Garbling):
    """A model that garbles what it is given and attends at random."""

    def _hypothesis(self, job: Job) -> Hypothesis:
        found = super()._hypothesis(job)
        draw = self._random.random
        return replace(
            found,
            attention=tuple(tuple(draw() for _ in job.source_ids) for _ in found.target_ids),
        )


def joined(*kinds: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from([one for kind in kinds for one in kind]), max_size=30).map(
        " ".join
    )


def told(text: str, form: Format, seed: int, unknowns: bool) -> TextTranslation:
    translator = translator_with(Attending(seed), Admission(SchedulingSettings()))
    request = aligning(text, form=form)
    request = replace(request, textual=TextualOptions(replace_unknowns=unknowns))
    (found,) = asyncio.run(translator.translate(request))
    return found


@settings(deadline=None)
@given(joined(SPANS, WORDS), st.integers(0, 99), st.booleans())
def test_every_word_of_a_text_is_there_and_in_order(text: str, seed: int, unknowns: bool) -> None:
    found = told(text, Format.TEXT, seed, unknowns)
    targets = [one.target for one in found.alignments]
    assert targets == sorted(targets)
    for whole, ranges in ((text, [a.source for a in found.alignments]), (found.text, targets)):
        assert all(0 <= start < end <= len(whole) for start, end in ranges)
        covered = {place for span in ranges for place in range(*span)}
        assert covered >= {place for span in words(whole) for place in range(*span)}


@settings(deadline=None)
@given(joined(SPANS, WORDS, MARKUP), st.integers(0, 99))
def test_ranges_of_html_lie_in_their_sentences(text: str, seed: int) -> None:
    found = told(text, Format.HTML, seed, unknowns=False)
    for sentence in found.sentences:
        source, target = sentence.source_range, sentence.target_range
        assert found.text[slice(*target)] == sentence.translations[0]
        for one in sentence.alignments:
            assert source[0] <= one.source[0] < one.source[1] <= source[1]
            assert target[0] <= one.target[0] < one.target[1] <= target[1]


@settings(deadline=None)
@given(
    joined(SPANS, WORDS, MARKUP), st.sampled_from((Format.TEXT, Format.HTML)), st.integers(0, 99)
)
def test_asking_changes_no_translation(text: str, form: Format, seed: int) -> None:
    translator = translator_with(ReversingEngine(), Admission(SchedulingSettings()))
    asked = aligning(text, form=form)
    with_ranges, without = (
        asyncio.run(translator.translate(one)) for one in (asked, replace(asked, align=False))
    )
    assert with_ranges[0].text == without[0].text
