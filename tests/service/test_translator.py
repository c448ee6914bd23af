from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.catalogue.translator import Translator
from service.domain import (
    DecodingOptions,
    FinishReason,
    Hypothesis,
    Splitting,
    TextTranslation,
    TranslationRequest,
)
from service.errors import (
    DeadlineExceeded,
    ModelFailure,
    Overloaded,
    ShuttingDown,
    UnsupportedLanguage,
)
from service.scheduling.admission import Admission
from service.scheduling.cache import CachingDecoder
from service.scheduling.job import Decoder, Job
from service.settings import SchedulingSettings
from service.text import placeholders
from service.translator import THREAD_FROM_CHARACTERS
from tests.service.api.reversing import LONGEST, ReversingEngine
from tests.service.one_model import translator_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def engine() -> ReversingEngine:
    return ReversingEngine()


@pytest.fixture
def admission() -> Admission:
    return Admission(SchedulingSettings(max_waiting_items=4))


@pytest.fixture
def translator(engine: ReversingEngine, admission: Admission) -> Translator:
    return translator_with(engine, admission)


def translator_with(engine: Decoder, admission: Admission, *, attention: bool = True) -> Translator:
    return translator_of(engine, admission, attention=attention)


def asking(
    *texts: str,
    options: DecodingOptions | None = None,
    source: str = "fr",
    target: str = "en",
    seconds: float = 10.0,
) -> TranslationRequest:
    return TranslationRequest(
        texts=texts,
        source=source,
        target=target,
        options=options or DecodingOptions(),
        deadline=time.monotonic() + seconds,
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (it happens in the engine)
            await asyncio.sleep(0)


async def test_texts_keep_their_order_and_their_spacing(translator: Translator) -> None:
    found = await translator.translate(asking("a b\n\n\t c d \n", "", "e f", "\n"))
    assert [text.text for text in found] == ["b a\n\n\t d c \n", "", "f e", "\n"]


async def test_markers_at_the_beginning_of_lines_stay_there(translator: Translator) -> None:
    texts = ("- a b\n  – c d\n-e f\n-5 g", "1. a b\n\na) c d", "- • a b - c")
    found = await translator.translate(asking(*texts))
    expected = ["- b a\n  – d c\n-f e\ng -5", "1. b a\n\na) d c", "- • c - b a"]
    assert [text.text for text in found] == expected
    whole = await translator.translate(replace(asking("- a b"), splitting=Splitting.NONE))
    assert whole[0].text == "b a -"


async def test_a_sentence_is_told_with_its_hypotheses(translator: Translator) -> None:
    options = DecodingOptions(beam_size=2, num_hypotheses=2)
    (found,) = await translator.translate(asking("a b\nc", options=options))
    assert found.alternatives == ("b b a\nc c",)
    first, second = found.sentences
    assert (first.source, first.translations) == ("a b", ("b a", "b b a"))
    assert first.scores == (0.0, -1.0)
    assert second.finish_reasons == (FinishReason.END, FinishReason.END)


async def test_a_sentence_that_is_too_long_is_translated_in_pieces(
    translator: Translator, engine: ReversingEngine
) -> None:
    words = [f"w{number}" for number in range(LONGEST * 2 + 1)]
    (found,) = await translator.translate(asking(" ".join(words)))
    assert sorted(found.text.split(" ")) == sorted(words)
    assert [len(job.source_ids) for job in engine.jobs] == [LONGEST, LONGEST, 1]


async def test_a_large_text_leaves_the_loop_free(translator: Translator) -> None:
    text = "\n".join(["mot suivant"] * THREAD_FROM_CHARACTERS)
    (found,) = await translator.translate(asking(text))
    assert found.text == "\n".join(["suivant mot"] * THREAD_FROM_CHARACTERS)


async def test_the_same_language_is_identity(
    translator: Translator, engine: ReversingEngine
) -> None:
    assert await translator.translate(asking(" a b", target="fr")) == [TextTranslation(" a b")]
    assert engine.jobs == []


async def test_an_unknown_language_is_refused_before_anything_else(
    translator: Translator, admission: Admission
) -> None:
    admission.close()
    with pytest.raises(UnsupportedLanguage):
        await translator.translate(asking("a", source="zz"))


async def test_a_failure_frees_the_other_sentences(
    translator: Translator, engine: ReversingEngine, admission: Admission
) -> None:
    engine.hold()
    work = asyncio.ensure_future(translator.translate(asking("a\nb\nc")))
    await until(lambda: engine.waiting == 3)
    engine.jobs[1].fail(ModelFailure("no"))
    with pytest.raises(ModelFailure):
        await work
    assert [job.abandoned for job in engine.jobs] == [True, False, True]
    assert admission.items == 0


async def test_leaving_frees_everything(
    translator: Translator, engine: ReversingEngine, admission: Admission
) -> None:
    engine.hold()
    work = asyncio.ensure_future(translator.translate(asking("a", "b")))
    await until(lambda: engine.waiting == 2)
    assert admission.items == 2
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert all(job.abandoned for job in engine.jobs)
    assert admission.items == 0
    engine.release()


async def test_a_deadline_is_kept_even_if_the_engine_does_not(
    translator: Translator, engine: ReversingEngine
) -> None:
    engine.hold()
    with pytest.raises(DeadlineExceeded):
        await translator.translate(asking("a", seconds=0.01))
    assert engine.jobs[0].abandoned


async def test_a_request_that_comes_too_late_is_not_begun(translator: Translator) -> None:
    with pytest.raises(DeadlineExceeded):
        await translator.translate(asking("a\n" * THREAD_FROM_CHARACTERS, seconds=-1.0))


async def test_what_does_not_fit_is_refused_until_there_is_room(
    translator: Translator, engine: ReversingEngine
) -> None:
    engine.hold()
    work = asyncio.ensure_future(translator.translate(asking("a", "b", "c")))
    await until(lambda: engine.waiting == 3)
    with pytest.raises(Overloaded):
        await translator.translate(asking("d", "e"))
    engine.release()
    assert len(await work) == 3
    assert len(await translator.translate(asking("d", "e"))) == 2


async def test_a_closed_translator_finishes_what_it_has(
    translator: Translator, engine: ReversingEngine
) -> None:
    engine.hold()
    work: Awaitable[list[TextTranslation]] = asyncio.ensure_future(
        translator.translate(asking("a"))
    )
    await until(lambda: engine.waiting == 1)
    translator.close()
    with pytest.raises(ShuttingDown):
        await translator.translate(asking("b"))
    assert not await translator.drained(0.01)
    engine.release()
    assert await translator.drained(5)
    assert [text.text for text in await work] == ["a"]


async def test_two_clients_share_a_sentence_until_the_first_leaves(
    engine: ReversingEngine, admission: Admission
) -> None:
    translator = translator_with(CachingDecoder(engine, 2**20), admission)
    engine.hold()
    first, second = (asyncio.ensure_future(translator.translate(asking("a b"))) for _ in range(2))
    await until(lambda: admission.items == 2)
    assert len(engine.jobs) == 1
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    engine.release()
    assert [text.text for text in await second] == ["b a"]


async def test_two_clients_share_a_sentence_beyond_the_deadline_of_the_first(
    engine: ReversingEngine, admission: Admission
) -> None:
    translator = translator_with(CachingDecoder(engine, 2**20), admission)
    engine.hold()
    second = asyncio.ensure_future(translator.translate(asking("a b")))
    await until(lambda: engine.waiting == 1)
    with pytest.raises(DeadlineExceeded):
        await translator.translate(asking("a b", seconds=0.01))
    engine.release()
    assert [text.text for text in await second] == ["b a"]
    assert len(engine.jobs) == 1


class Garbling:
    """A model that drops, doubles and shuffles words, at random but always the same way."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            job.finish(tuple(self._hypothesis(job) for _ in range(job.options.num_hypotheses)))

    def _hypothesis(self, job: Job) -> Hypothesis:
        ids = self._random.choices(job.source_ids, k=len(job.source_ids) + 1)
        if self._random.random() < 0.5:
            ids = self._random.sample(job.source_ids, k=len(job.source_ids))
        return Hypothesis(tuple(ids), 0.0, FinishReason.END)


SPANS = (
    "{name}",
    "%s",
    "%1$d",
    "${x}",
    "{{x}}",
    "<0/>",
    "{n, plural, one {a} other {b}}",
    "{a}{b}",
)
parts = st.lists(st.sampled_from((*SPANS, "le", "chat", "201", "302", "\n", "\r\n\r\n", "\t\n ")))


@settings(deadline=None)
@given(st.lists(parts.map(" ".join), min_size=1, max_size=3), st.integers(0, 99))
def test_placeholders_and_separators_survive_any_model(texts: list[str], seed: int) -> None:
    async def scenario() -> None:
        translator = translator_with(Garbling(seed), Admission(SchedulingSettings()))
        for found, text in zip(await translator.translate(asking(*texts)), texts, strict=True):
            lines, source = (re.split(r"(\s*\n\s*)", one) for one in (found.text, text))
            assert lines[1::2] == source[1::2]
            for line, original in zip(lines[::2], source[::2], strict=True):
                assert placeholders.same(original, line), (original, line)

    asyncio.run(scenario())


async def test_a_lost_placeholder_is_translated_around(engine: ReversingEngine) -> None:
    class Forgetful(ReversingEngine):
        """Forgets the last word of whatever has more than four."""

        def submit(self, jobs: Sequence[Job]) -> None:
            super().submit(
                [replace(job, source_ids=job.source_ids[: 4 + (len(job.source_ids) < 5)])
                 for job in jobs]
            )  # fmt: skip

    forgetful = Forgetful()
    translator = translator_with(forgetful, Admission(SchedulingSettings()))
    (found,) = await translator.translate(asking("a b\nc d {x} e f {y}"))
    assert found.text == "b a\nd c {x} f e {y}"
    assert [sentence.source for sentence in found.sentences] == ["a b", "c d", "e f"]


async def test_no_more_hypotheses_than_asked_for_are_returned(translator: Translator) -> None:
    options = DecodingOptions(beam_size=2, num_hypotheses=1)
    (found,) = await translator.translate(asking("{x} a b", options=options))
    assert found.text == "b a {x}"
    assert len(found.sentences[0].translations) == 1


async def test_placeholders_are_words_to_those_who_want_it_so(translator: Translator) -> None:
    (found,) = await translator.translate(replace(asking("a {x, y} {z}"), protect=False))
    assert found.text == "{z} y} {x, a"


lines = st.lists(st.sampled_from(["a", "bc", " ", "\n", "\r\n", "😀", "1", "\x00", "\u2028"]))


@settings(deadline=None)
@given(st.lists(lines.map("".join), max_size=3))
def test_what_is_not_a_sentence_stays_byte_for_byte(texts: list[str]) -> None:
    async def scenario() -> None:
        translator = translator_with(ReversingEngine(), Admission(SchedulingSettings()))
        found = await translator.translate(asking(*texts))
        for text, translated in zip(texts, found, strict=True):
            rest = translated.text
            for sentence in translated.sentences:
                before, after = rest.split(sentence.translations[0], 1)
                assert text.startswith(before + sentence.source)
                text, rest = text[len(before + sentence.source) :], after
            assert text == rest

    asyncio.run(scenario())
