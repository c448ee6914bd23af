"""The engine's end: it takes sentences from a channel and sends their answers."""

from __future__ import annotations

import math
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from service.domain import Hypothesis
from service.engine.channel import Channel
from service.engine.messages import REQUEST, Answer, Cancel, Submit
from service.errors import ServiceError
from service.scheduling.engine import Engine
from service.scheduling.job import Job


class Server:
    """Hands sentences to an engine until the other end hangs up."""

    def __init__(self, engine: Engine, channel: Channel) -> None:
        self._engine = engine
        self._channel = channel
        self._jobs: dict[int, Job] = {}

    def run(self) -> None:
        """Serve. Jobs under way when it returns are nobody's any more."""
        while (content := self._channel.receive()) is not None:
            request = REQUEST.validate_json(content)
            if isinstance(request, Submit):
                self._submit(request)
            else:
                self._cancel(request)

    def _submit(self, request: Submit) -> None:
        jobs = {
            one.number: Job(one.source_ids, one.options, math.inf, one.priority)
            for one in request.sentences
        }
        self._jobs |= jobs
        for number, job in jobs.items():
            job.result.add_done_callback(partial(self._answer, number))
        self._engine.submit(list(jobs.values()))

    def _cancel(self, request: Cancel) -> None:
        if request.number in self._jobs:
            self._jobs[request.number].result.cancel()

    def _answer(self, number: int, result: Future[tuple[Hypothesis, ...]]) -> None:
        job = self._jobs.pop(number)
        if result.cancelled():
            return
        failure = ""
        hypotheses: tuple[Hypothesis, ...] = ()
        try:
            hypotheses = result.result()
        except ServiceError as error:
            failure = str(error)
        engine = self._engine
        answer = Answer(
            number,
            hypotheses,
            failure,
            steps=engine.steps,
            rows=engine.rows,
            active=engine.active,
            waited=None if job.begun is None else job.begun - job.made,
            decoded=(job.ended or 0.0) - (job.begun or 0.0),
        )
        with suppress(OSError):  # the other end is gone, and run() is about to notice
            self._channel.send(answer)
