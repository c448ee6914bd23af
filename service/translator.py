"""The use case: texts in, translated texts out. It knows no HTTP and no ONNX Runtime."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Protocol, TypeVar

from service.decoding.repetition import as_second_try, repeats_itself, without_repetitions
from service.domain import (
    DecodingOptions,
    Hypothesis,
    Priority,
    Segment,
    Selection,
    SentenceTranslation,
    TextTranslation,
    TextualOptions,
    TranslationRequest,
)
from service.errors import DeadlineExceeded
from service.metrics import Metrics
from service.package.manifest import LanguagePair
from service.scheduling.admission import Admission
from service.scheduling.answers import answers
from service.scheduling.job import Decoder, Job
from service.sentence_options import (
    TargetText,
    of_sentences,
    require_no_attention,
    with_ids,
)
from service.text.languages import Languages
from service.text.minimum_bayes_risk import by_expected_utility, log_probs_at_mean_length

THREAD_FROM_CHARACTERS = 1_000
"""Less text than this takes a millisecond, and hostile text some more: not worth a thread."""

R = TypeVar("R")


class Text(TargetText, Protocol):
    """Strings ↔ ids. Safe for any number of threads."""

    def segments(self, text: str, language: str) -> list[Segment]:
        """Cut a text. The segments' texts, joined, are the text."""

    def encode(self, sentence: str, pair: LanguagePair) -> list[tuple[Segment, tuple[int, ...]]]:
        """Source ids of a sentence, in pieces if it is longer than the model can take.

        The pieces' texts, joined, are the sentence. Pieces that are not translatable have no ids.
        """

    def decode(self, target_ids: Sequence[Sequence[int]]) -> list[str]:
        """Text of each sequence."""

    def start(self, pair: LanguagePair) -> tuple[int, ...]:
        """Target ids that every translation is made to begin with and that are no part of it."""

    def decode_copying(
        self,
        target_ids: Sequence[int],
        sentence: str,
        attention: Sequence[Sequence[float]],
        pair: LanguagePair,
    ) -> str:
        """Text in which the source token that it attended to most stands for an unknown one."""

    def source_tokens(self, sentence: str, pair: LanguagePair) -> list[str]:
        """The tokens of encode()'s ids."""

    def target_tokens(self, target_ids: Sequence[int]) -> list[str]:
        """Tokens as the target's vocabulary spells them."""


class Translator:
    """Translates requests on the event loop. Many may be under way at once."""

    def __init__(
        self,
        *,
        text: Text,
        languages: Languages,
        decoder: Decoder,
        admission: Admission,
        metrics: Metrics,
        bulk_from_sentences: int,
        attention: bool = True,
    ) -> None:
        """bulk_from_sentences: requests of so many are bulk unless they say otherwise; attention:
        whether the model can say what it attended to."""
        self._text = text
        self._languages = languages
        self._decoder = decoder
        self._admission = admission
        self._metrics = metrics
        self._bulk_from_sentences = bulk_from_sentences
        self._attention = attention

    def require_room(self) -> None:
        """Refuse a request before it is even read, when not the smallest one would be let in.

        Raises:
            Overloaded, ShuttingDown: nothing can be let in now.
        """
        self._admission.require_room()

    def close(self) -> None:
        """Refuse every request from now on. Those under way go on."""
        self._admission.close()

    async def drained(self, seconds: float) -> bool:
        """Wait until every request under way has ended; False if it took longer."""
        return await self._admission.drained(seconds)

    async def translate(self, request: TranslationRequest) -> list[TextTranslation]:
        """One translation for each text, in order. Cancelling it frees what it holds.

        Raises:
            UnsupportedLanguage: the model does not translate this pair.
            InvalidRequest: the model can't do what an option asks for.
            Overloaded, ShuttingDown: nothing was done.
            DeadlineExceeded, ModelFailure: some sentence has no translation.
        """
        pair = self._languages.resolve(request.source, request.target)
        if not self._attention:
            require_no_attention(request.options, request.textual)
        if self._languages.leaves_alone(pair):
            return [TextTranslation(text) for text in request.texts]
        characters = sum(map(len, request.texts))
        with self._admission.admit(len(request.texts), characters):
            try:
                async with asyncio.timeout(request.deadline - time.monotonic()):
                    return await self._translate(request, pair, characters)
            except TimeoutError:
                raise DeadlineExceeded("The translation did not end before its deadline.") from None

    async def _translate(
        self, request: TranslationRequest, pair: LanguagePair, characters: int
    ) -> list[TextTranslation]:
        plan = await _run(characters, self._plan, request, pair)
        hypotheses = await self._decode(plan, request)
        if request.selection is Selection.MBR:
            hypotheses = await asyncio.to_thread(self._select, hypotheses, request.options)
        self._record(plan.source_ids, hypotheses)
        return await _run(characters, self._compose, plan, hypotheses, request)

    def _plan(self, request: TranslationRequest, pair: LanguagePair) -> _Plan:
        pieces = [
            [
                piece
                for segment in self._text.segments(text, pair.source)
                for piece in self._cut(segment, pair)
            ]
            for text in request.texts
        ]
        ids = [[ids for segment, ids in text if segment.translatable] for text in pieces]
        options = with_ids(request.options, request.textual, self._text)
        options = replace(options, start=self._text.start(pair))
        prefixes = request.textual.target_prefixes
        return _Plan(
            pair=pair,
            texts=[[segment for segment, _ in text] for text in pieces],
            source_ids=list(chain.from_iterable(ids)),
            options=list(of_sentences(options, prefixes, ids, self._text)),
        )

    def _cut(self, segment: Segment, pair: LanguagePair) -> list[tuple[Segment, tuple[int, ...]]]:
        return self._text.encode(segment.text, pair) if segment.translatable else [(segment, ())]

    async def _decode(
        self, plan: _Plan, request: TranslationRequest
    ) -> list[tuple[Hypothesis, ...]]:
        priority = request.priority or self._priority(len(plan.source_ids))
        jobs = [
            Job(ids, _search_options(options, request.selection), request.deadline, priority)
            for ids, options in zip(plan.source_ids, plan.options, strict=True)
        ]
        found = await answers(self._decoder, jobs)
        if request.retry_repetitions:
            again = {
                index: replace(job, options=without_repetitions(job.options), result=Future())
                for index, job in enumerate(jobs)
                if repeats_itself(found[index][0].target_ids, job.source_ids)
            }
            second = await answers(self._decoder, list(again.values()))
            for index, hypotheses in zip(again, second, strict=True):
                found[index] = as_second_try(hypotheses)
        return found

    def _priority(self, sentences: int) -> Priority:
        many = sentences >= self._bulk_from_sentences
        return Priority.BULK if many else Priority.INTERACTIVE

    def _select(
        self, hypotheses: Sequence[tuple[Hypothesis, ...]], options: DecodingOptions
    ) -> list[tuple[Hypothesis, ...]]:
        """The hypotheses of each sentence, by expected utility instead of score."""
        return [
            tuple(found[place] for place in self._ranking(found, options)[: options.num_hypotheses])
            for found in hypotheses
        ]

    def _ranking(self, hypotheses: Sequence[Hypothesis], options: DecodingOptions) -> list[int]:
        texts = self._text.decode([one.target_ids for one in hypotheses])
        weights = log_probs_at_mean_length(hypotheses, options.length_penalty)
        if options.samples:  # what is drawn often is there often
            weights = [0.0] * len(hypotheses)
        return by_expected_utility(texts, weights)

    def _record(
        self, source_ids: Sequence[tuple[int, ...]], hypotheses: Sequence[tuple[Hypothesis, ...]]
    ) -> None:
        self._metrics.sentences.inc(len(source_ids))
        self._metrics.source_tokens.inc(sum(map(len, source_ids)))
        self._metrics.target_tokens.inc(sum(len(best.target_ids) for best, *_ in hypotheses))
        for best, *_ in hypotheses:
            self._metrics.finished.labels(best.finish_reason.value).inc()

    def _compose(
        self,
        plan: _Plan,
        hypotheses: Sequence[tuple[Hypothesis, ...]],
        request: TranslationRequest,
    ) -> list[TextTranslation]:
        translated = iter(self._sentences(plan, hypotheses, request))
        return [
            _joined(segments, list(islice(translated, _sentences_of(segments))), request.options)
            for segments in plan.texts
        ]

    def _sentences(
        self,
        plan: _Plan,
        hypotheses: Sequence[tuple[Hypothesis, ...]],
        request: TranslationRequest,
    ) -> Iterator[SentenceTranslation]:
        sources = (
            segment.text for segment in chain.from_iterable(plan.texts) if segment.translatable
        )
        for source, found in zip(sources, hypotheses, strict=True):
            sentence = SentenceTranslation(
                source=source,
                translations=self._texts(source, found, plan.pair, request.textual),
                scores=tuple(one.score for one in found),
                finish_reasons=tuple(one.finish_reason for one in found),
            )
            attended = request.options.return_attention
            yield self._with_attention(sentence, found, plan.pair) if attended else sentence

    def _texts(
        self, source: str, found: Sequence[Hypothesis], pair: LanguagePair, textual: TextualOptions
    ) -> tuple[str, ...]:
        if not textual.replace_unknowns:
            return tuple(self._text.decode([one.target_ids for one in found]))
        copying = self._text.decode_copying
        return tuple(copying(one.target_ids, source, one.attention, pair) for one in found)

    def _with_attention(
        self, sentence: SentenceTranslation, found: Sequence[Hypothesis], pair: LanguagePair
    ) -> SentenceTranslation:
        return replace(
            sentence,
            source_tokens=tuple(self._text.source_tokens(sentence.source, pair)),
            tokens=tuple(tuple(self._text.target_tokens(one.target_ids)) for one in found),
            attention=tuple(one.attention for one in found),
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    pair: LanguagePair
    texts: list[list[Segment]]
    source_ids: list[tuple[int, ...]]
    """Of every translatable segment, in order."""
    options: list[DecodingOptions]
    """The same."""


async def _run(characters: int, function: Callable[..., R], *arguments: object) -> R:
    """Call a function that takes time in proportion to the characters."""
    if characters < THREAD_FROM_CHARACTERS:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


def _search_options(options: DecodingOptions, selection: Selection) -> DecodingOptions:
    """Minimum Bayes risk compares all hypotheses of the beam, however many are returned."""
    if selection is Selection.SCORE or options.return_alternatives:
        return options
    everything = int(min(options.beam_size, options.most_hypotheses))
    return replace(options, num_hypotheses=max(options.num_hypotheses, everything))


def _sentences_of(segments: Sequence[Segment]) -> int:
    return sum(segment.translatable for segment in segments)


def _joined(
    segments: Sequence[Segment], sentences: list[SentenceTranslation], options: DecodingOptions
) -> TextTranslation:
    best, *others = (_text(segments, sentences, rank) for rank in range(options.num_hypotheses))
    return TextTranslation(best, tuple(others), tuple(sentences))


def _text(segments: Sequence[Segment], sentences: Sequence[SentenceTranslation], rank: int) -> str:
    """Every sentence's translation of this rank; its last one where it has fewer."""
    translated = iter(sentences)
    return "".join(
        _ranked(next(translated), rank) if segment.translatable else segment.text
        for segment in segments
    )


def _ranked(sentence: SentenceTranslation, rank: int) -> str:
    return sentence.translations[min(rank, len(sentence.translations) - 1)]
