"""One model's scores: texts and given translations in, their probabilities out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from service.decoding.model import Target
from service.domain import DecodingOptions, Hypothesis, ScoringRequest, TargetScore
from service.errors import InvalidRequest
from service.package.manifest import LanguagePair
from service.scheduling.answers import answers
from service.scheduling.job import Decoder, Job


class ScorableText(Protocol):
    """Strings ↔ ids; see service.text.pipeline."""

    def encode_whole(self, sentence: str, pair: LanguagePair) -> tuple[int, ...] | None:
        """Source ids of a sentence as it is; None if the model can't take so many."""

    def start(self, pair: LanguagePair) -> tuple[int, ...]:
        """Target ids that every translation is made to begin with and that are no part of it."""

    def target_ids(self, text: str) -> tuple[int, ...]:
        """Target ids of a text, without the end token."""

    def target_tokens(self, target_ids: Sequence[int]) -> list[str]:
        """Tokens as the target's vocabulary spells them."""


class Scorer:
    """Scores requests on the event loop, in the same queue as translations."""

    def __init__(
        self,
        *,
        text: ScorableText,
        decoder: Decoder,
        target: Target,
    ) -> None:
        self._text = text
        self._decoder = decoder
        self._target = target

    async def score(self, request: ScoringRequest, pair: LanguagePair) -> list[TargetScore]:
        """The score of each translation, as one sentence, in order.

        pair: in the model's own codes, whatever the request says.

        Raises:
            InvalidRequest: a text or a translation is longer than the model can take, or has
                text that it has no token for.
            ShuttingDown: nothing was done.
            ModelFailure: some score is missing.
        """
        jobs = await asyncio.to_thread(self._jobs, request, pair)
        found = await answers(self._decoder, jobs)
        return [self._score(hypothesis) for (hypothesis,) in found]

    def _jobs(self, request: ScoringRequest, pair: LanguagePair) -> list[Job]:
        start = self._text.start(pair)
        options = (
            DecodingOptions(beam_size=1, start=start, scored_target=self._target_ids(one, start))
            for one in request.translations
        )
        return [
            Job(self._source_ids(text, pair), own, request.deadline)
            for text, own in zip(request.texts, options, strict=True)
        ]

    def _source_ids(self, text: str, pair: LanguagePair) -> tuple[int, ...]:
        ids = self._text.encode_whole(text, pair)
        if ids is None:
            raise InvalidRequest(
                "Invalid request: q parameter has more tokens than the model takes at once"
            )
        if not ids:
            raise InvalidRequest("Invalid request: q parameter has no token that the model knows")
        return ids

    def _target_ids(self, translation: str, start: tuple[int, ...]) -> tuple[int, ...]:
        try:
            ids = self._text.target_ids(translation)
        except ValueError as error:
            raise InvalidRequest(f"Invalid request: translation parameter {error}") from None
        most = self._target.max_length - len(start)
        if len(ids) >= most:
            raise InvalidRequest(
                f"Invalid request: translation parameter has {len(ids)} tokens; less than "
                f"{most} are possible"
            )
        return ids

    def _score(self, hypothesis: Hypothesis) -> TargetScore:
        tokens = self._text.target_tokens((*hypothesis.target_ids, self._target.end))
        return TargetScore(tuple(tokens), hypothesis.log_probs)
