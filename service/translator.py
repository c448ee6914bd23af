"""Texts in, one model's translations out. It knows no HTTP and no ONNX Runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias, TypeVar

from service.composition import Composition, keep_where_damaged
from service.domain import (
    DecodingOptions,
    Hypothesis,
    Priority,
    Selection,
    SentenceTranslation,
    TextTranslation,
    TranslationRequest,
)
from service.metrics import Metrics
from service.package.manifest import LanguagePair
from service.plan import Piece, Plan, Planner, SourceText, is_marked, sentences
from service.reading import ReadableText, Reader
from service.scheduling.answers import answers
from service.scheduling.job import Decoder, Job
from service.text.minimum_bayes_risk import by_expected_utility, log_probs_at_mean_length
from service.tries import with_attention_for, without_loops

THREAD_FROM_CHARACTERS = 1_000
"""Less text than this takes a millisecond, and hostile text some more: not worth a thread."""
CHARACTERS_PER_TERM = 2
"""Characters that take as long to plan as a term of a glossary."""

SOON = 2
"""So many sentences that somebody watches come before the rest of a long text: the others are begun
when the first one is done, which would take twice as long among them."""

OnSentence: TypeAlias = Callable[[SentenceTranslation], None]
R = TypeVar("R")


class Text(SourceText, ReadableText, Protocol):
    """Strings ↔ ids. Safe for any number of threads."""


class ModelTranslator:
    """Translates requests on the event loop. Many may be under way at once."""

    def __init__(
        self,
        *,
        text: Text,
        decoder: Decoder,
        metrics: Metrics,
        bulk_from_sentences: int,
        attention: bool = True,
    ) -> None:
        """bulk_from_sentences: requests of so many are bulk unless they say otherwise; attention:
        whether the model can say what it attended to."""
        self._text = text
        self._planner = Planner(text, attention=attention)
        self._reader = Reader(text)
        self._decoder = decoder
        self._metrics = metrics
        self._bulk_from_sentences = bulk_from_sentences
        self._attention = attention

    async def translate(
        self,
        request: TranslationRequest,
        pair: LanguagePair,
        on_sentence: OnSentence | None = None,
    ) -> list[TextTranslation]:
        """One translation for each text, in order. Cancelling it frees what it holds.

        Args:
            pair: in the model's own codes, whatever the request says.
            on_sentence: is told each sentence, in order, as soon as it and all before it are done.
                If one fails, those before it have been told.

        Raises:
            InvalidRequest: the model can't do what an option asks for.
            ShuttingDown: nothing was done.
            ModelFailure: some sentence has no translation.
        """
        characters = sum(map(len, request.texts))
        work = characters + CHARACTERS_PER_TERM * len(request.glossary)
        return await self._translate(request, pair, work, on_sentence)

    async def _translate(
        self,
        request: TranslationRequest,
        pair: LanguagePair,
        characters: int,
        on_sentence: OnSentence | None,
    ) -> list[TextTranslation]:
        plan = await run_sized(characters, self._planner.plan, request, pair)
        if on_sentence is not None:
            return await self._in_order(plan, request, pair, on_sentence)
        await self._finish([piece for text in plan for piece in text], request, pair)
        return [
            await run_sized(characters, self._composed, text, pieces, request, pair)
            for text, pieces in zip(request.texts, plan, strict=True)
        ]

    async def _in_order(
        self, plan: Plan, request: TranslationRequest, pair: LanguagePair, on_sentence: OnSentence
    ) -> list[TextTranslation]:
        """Finish each piece by itself; the first ones before the others are begun."""
        pieces = [piece for text in plan for piece in text if any(sentences([piece]))]
        first = replace(request, priority=request.priority or Priority.INTERACTIVE)
        later = replace(request, priority=request.priority or self._priority(len(pieces)))
        under_way = {
            piece: asyncio.ensure_future(self._finish([piece], first, pair))
            for piece in pieces[:SOON]
        }
        before = list(under_way.values())[:1]
        for piece in pieces[SOON:]:
            work = self._finish_after(before, [piece], later, pair)
            under_way[piece] = asyncio.ensure_future(work)
        try:
            found = []
            for text, all_of_it in zip(request.texts, plan, strict=True):
                composition = Composition(text, self._reader, request, pair)
                for piece in all_of_it:
                    if piece in under_way:
                        await under_way[piece]
                    for sentence in composition.add(piece):
                        on_sentence(sentence)
                        await asyncio.sleep(0)  # whoever was told may pass it on at once
                found.append(composition.translation())
            return found
        finally:
            for task in under_way.values():
                task.cancel()
            await asyncio.gather(*under_way.values(), return_exceptions=True)

    async def _finish_after(
        self,
        before: Sequence[asyncio.Future[None]],
        pieces: Sequence[Piece],
        request: TranslationRequest,
        pair: LanguagePair,
    ) -> None:
        await asyncio.wait(before)
        await self._finish(pieces, request, pair)

    def _composed(
        self, text: str, pieces: Sequence[Piece], request: TranslationRequest, pair: LanguagePair
    ) -> TextTranslation:
        composition = Composition(text, self._reader, request, pair)
        for piece in pieces:
            composition.add(piece)
        return composition.translation()

    async def _finish(
        self, pieces: Sequence[Piece], request: TranslationRequest, pair: LanguagePair
    ) -> None:
        """Give the pieces their translations."""
        in_parts = [piece for piece in pieces if piece.parts]
        lost = await self._decoded(list(sentences(pieces)), request, pair)
        again = [piece for piece in lost if piece.try_otherwise()]
        tried = set(map(id, again))
        lost = [piece for piece in lost if id(piece) not in tried]
        lost += await self._decoded(again, request, pair)
        for piece in lost:
            piece.parts = self._planner.around(piece, request, pair)
        await self._decoded(list(sentences(lost)), request, pair)
        keep_where_damaged([*in_parts, *lost])
        self._record(list(sentences(pieces)))

    async def _decoded(
        self, pieces: list[Piece], request: TranslationRequest, pair: LanguagePair
    ) -> list[Piece]:
        """Decode and read pieces; those that are left without a translation."""
        if not pieces:
            return []
        found = await self._decode(pieces, request)
        if request.selection is Selection.MBR:
            found = await asyncio.to_thread(self._select, pieces, found, request.options)
        for piece, hypotheses in zip(pieces, found, strict=True):
            piece.hypotheses = hypotheses
        characters = sum(len(piece.shown) for piece in pieces)
        return await run_sized(characters, self._reader.read, pieces, request, pair)

    async def _decode(
        self, pieces: Sequence[Piece], request: TranslationRequest
    ) -> list[tuple[Hypothesis, ...]]:
        priority = request.priority or self._priority(len(pieces))
        jobs = [Job(one.source_ids, one.options, request.deadline, priority) for one in pieces]
        found = await answers(self._decoder, jobs)
        if request.retry_repetitions:
            jobs, found = await without_loops(self._decoder, jobs, found)
        unknown = self._text.unknown_target
        if unknown is None or not self._attention or request.textual.replace_unknowns is False:
            return found
        return await with_attention_for(unknown, self._decoder, jobs, found)

    def _priority(self, count: int) -> Priority:
        many = count >= self._bulk_from_sentences
        return Priority.BULK if many else Priority.INTERACTIVE

    def _select(
        self,
        pieces: Sequence[Piece],
        found: Sequence[tuple[Hypothesis, ...]],
        options: DecodingOptions,
    ) -> list[tuple[Hypothesis, ...]]:
        """The hypotheses of each piece, by expected utility instead of score."""
        selected = []
        for piece, hypotheses in zip(pieces, found, strict=True):
            most = len(hypotheses) if is_marked(piece) else options.num_hypotheses
            ranking = self._ranking(hypotheses, options)[:most]
            selected.append(tuple(hypotheses[place] for place in ranking))
        return selected

    def _ranking(self, hypotheses: Sequence[Hypothesis], options: DecodingOptions) -> list[int]:
        texts = self._text.decode([one.target_ids for one in hypotheses])
        weights = log_probs_at_mean_length(hypotheses, options.length_penalty)
        if options.samples:  # what is drawn often is there often
            weights = [0.0] * len(hypotheses)
        return by_expected_utility(texts, weights)

    def _record(self, pieces: Sequence[Piece]) -> None:
        self._metrics.sentences.inc(len(pieces))
        self._metrics.source_tokens.inc(sum(len(piece.source_ids) for piece in pieces))
        for piece in pieces:
            best = piece.hypotheses[0]
            self._metrics.target_tokens.inc(len(best.target_ids))
            self._metrics.finished.labels(best.finish_reason.value).inc()


async def run_sized(characters: int, function: Callable[..., R], *arguments: object) -> R:
    """Call a function that takes time in proportion to the characters."""
    if characters < THREAD_FROM_CHARACTERS:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)
