"""The translator with a model that does anything: what must survive has to, all the same."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

from service.domain import DecodingOptions, FinishReason, Format, Hypothesis
from service.scheduling.admission import Admission
from service.scheduling.job import Job
from service.settings import SchedulingSettings
from tests.service.one_model import translator_of
from tests.service.test_translator import asking


class AnyModel:
    """Shuffles, drops and doubles words, and attends to anything."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def submit(self, jobs: Any) -> None:
        for job in jobs:
            job.finish(tuple(self._hypothesis(job) for _ in range(job.options.num_hypotheses)))

    def _hypothesis(self, job: Job) -> Hypothesis:
        ids = self._random.sample(job.source_ids, k=len(job.source_ids))
        if self._random.random() < 0.3:
            ids = self._random.choices(job.source_ids, k=self._random.randint(1, 9))
        attention = [[self._random.random() ** 4 for _ in job.source_ids] for _ in ids]
        return Hypothesis(tuple(ids), 0.0, FinishReason.END, tuple(map(tuple, attention)))


def translated(
    text: str, seed: int, *, attention: bool = True, form: Format = Format.HTML, **more: Any
) -> str:
    """The text, translated by a model with this seed.

    more: further fields of the request.
    """

    async def scenario() -> str:
        admission = Admission(SchedulingSettings(max_waiting_characters=10**7))
        translator = translator_of(AnyModel(seed), admission, attention=attention)
        asked = asking(text, options=DecodingOptions(), seconds=60)
        request = replace(asked, format=form, **more)
        (found,) = await translator.translate(request)
        return found.text

    return asyncio.run(scenario())
