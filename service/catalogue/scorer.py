"""The use case: texts and given translations in, their probabilities out, by one model."""

from __future__ import annotations

import asyncio
import time

from service.catalogue.catalogue import Catalogue
from service.domain import ScoringRequest, TargetScore
from service.errors import DeadlineExceeded, InvalidRequest
from service.scheduling.admission import Admission


class CatalogueScorer:
    """Scores requests on the event loop, in the same queue as translations."""

    def __init__(self, catalogue: Catalogue, admission: Admission) -> None:
        self._catalogue = catalogue
        self._admission = admission

    async def score(self, request: ScoringRequest) -> list[TargetScore]:
        """The score of each translation, as one sentence, in order.

        Raises:
            UnsupportedLanguage: no model translates this pair.
            InvalidRequest: a text or a translation is longer than the model can take, or has
                text that it has no token for; or the pair is only translated through a pivot.
            Overloaded, ShuttingDown: nothing was done.
            DeadlineExceeded, ModelFailure: some score is missing.
        """
        steps = self._catalogue.routes.find(request.source, request.target, request.model)
        if not steps:
            raise InvalidRequest("Invalid request: source and target are the same language")
        if len(steps) > 1:
            raise InvalidRequest(
                "Invalid request: these languages are translated by two models here, which give "
                "no scores to given translations"
            )
        characters = sum(map(len, (*request.texts, *request.translations)))
        with self._admission.admit(len(request.texts), characters):
            try:
                async with asyncio.timeout(request.deadline - time.monotonic()):
                    async with self._catalogue.lease(steps[0]) as model:
                        return await model.scorer.score(request, steps[0].pair)
            except TimeoutError:
                raise DeadlineExceeded("The scoring did not end before its deadline.") from None
