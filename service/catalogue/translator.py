"""The use case: texts in, translated texts out, by whichever models it takes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from service.catalogue.catalogue import Catalogue
from service.catalogue.pivot import Pivoted, first_request, require_possible, second_request
from service.catalogue.routes import Step
from service.domain import SentenceTranslation, TextTranslation, TranslationRequest
from service.errors import DeadlineExceeded
from service.scheduling.admission import Admission
from service.scheduling.worker import TOO_LATE
from service.sentence_options import require_no_attention
from service.translator import OnSentence, run_sized


class Translator:
    """Translates requests on the event loop. Many may be under way at once."""

    def __init__(self, catalogue: Catalogue, admission: Admission) -> None:
        self._catalogue = catalogue
        self._admission = admission

    @property
    def has_attention(self) -> bool:
        """Whether all models can say what they attended to."""
        return self._catalogue.routes.has_attention

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

    def leaves_alone(self, request: TranslationRequest) -> bool:
        """Whether nothing is to be done, because source and target are the same.

        Raises:
            UnsupportedLanguage: no model translates this pair.
            InvalidRequest: no model of this name is served.
        """
        return not self._catalogue.routes.find(request.source, request.target, request.model)

    async def translate(
        self, request: TranslationRequest, on_sentence: OnSentence | None = None
    ) -> list[TextTranslation]:
        """One translation for each text, in order. Cancelling it frees what it holds.

        Args:
            on_sentence: is told each sentence, in order, as soon as it and all before it are done.
                If one fails, those before it have been told.

        Raises:
            UnsupportedLanguage: no model translates this pair.
            InvalidRequest: the model can't do what an option asks for.
            Overloaded, ShuttingDown: nothing was done.
            DeadlineExceeded, ModelFailure: some sentence has no translation.
        """
        steps = self._catalogue.routes.find(request.source, request.target, request.model)
        if not all(step.model.attention for step in steps):
            require_no_attention(request)
        if len(steps) > 1:
            require_possible(request)
        if not steps:
            return [TextTranslation(text) for text in request.texts]
        if request.deadline <= time.monotonic():
            raise DeadlineExceeded(TOO_LATE)
        characters = sum(map(len, request.texts))
        with self._admission.admit(len(request.texts), characters, request.priority):
            try:
                async with asyncio.timeout(request.deadline - time.monotonic()):
                    return await self._by(steps, request, on_sentence)
            except TimeoutError:
                raise DeadlineExceeded(TOO_LATE) from None

    async def _by(
        self, steps: tuple[Step, ...], request: TranslationRequest, on_sentence: OnSentence | None
    ) -> list[TextTranslation]:
        if len(steps) == 1:
            return await self._step(steps[0], request, on_sentence)
        first, second = steps
        found = await self._step(first, first_request(request))
        size = sum(len(one.text) for one in found)
        pivoted = [await run_sized(size, Pivoted, one) for one in found]

        def tell(sentence: SentenceTranslation) -> None:
            assert on_sentence is not None
            on_sentence(pivoted[0].sentence(sentence))  # only single texts are told of

        told = tell if on_sentence else None
        translations = await self._step(second, second_request(request, found), told)
        return [
            await run_sized(size, one.text, translation)
            for one, translation in zip(pivoted, translations, strict=True)
        ]

    async def _step(
        self, step: Step, request: TranslationRequest, on_sentence: OnSentence | None = None
    ) -> list[TextTranslation]:
        async with self._catalogue.lease(step) as model:
            found = await model.translator.translate(request, step.pair, on_sentence)
            return [replace(one, models=(model.description,)) for one in found]
