"""The engine's end: it takes sentences from a channel and sends their answers."""

from __future__ import annotations

import math
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Event, Thread
from typing import Protocol

import structlog

from service.domain import Hypothesis
from service.engine.channel import Channel
from service.engine.interface import ModelEngine
from service.engine.messages import (
    REQUEST,
    Answer,
    Cancel,
    Load,
    Loaded,
    Progress,
    Refused,
    Submit,
    Unload,
)
from service.errors import InvalidPackage, ServiceError, StartupError
from service.scheduling.job import Job

log = structlog.get_logger(__name__)

FAILED = "The model can't be loaded"
PROGRESS_SECONDS = 1.0


class ServedEngine(ModelEngine, Protocol):
    """What a server needs; see service.engine.local."""

    @property
    def active(self) -> int:
        """Jobs that are being decoded."""


class Server:
    """Hands sentences to an engine until the other end hangs up."""

    def __init__(
        self, engine: ServedEngine, channel: Channel, progress_seconds: float = PROGRESS_SECONDS
    ) -> None:
        """progress_seconds: how often it tells how the engine is doing."""
        self._engine = engine
        self._progress_seconds = progress_seconds
        self._channel = channel
        self._jobs: dict[int, Job] = {}

    def run(self) -> None:
        """Serve. Jobs under way when it returns are nobody's any more."""
        ended = Event()
        telling = Thread(target=self._tell, args=[ended], name="engine-progress", daemon=True)
        telling.start()
        try:
            self._serve()
        finally:
            ended.set()
            telling.join()

    def _tell(self, ended: Event) -> None:
        """Tell how the engine is doing, so that whoever waits long knows that it works.

        Hang up when it has died.
        """
        told = 0
        while not ended.wait(self._progress_seconds):
            if not self._engine.alive:
                self._channel.hang_up()
            elif (steps := self._engine.steps) != told:
                told = steps
                with suppress(OSError):  # run() is about to notice
                    self._channel.send(Progress(steps, self._engine.rows, self._engine.active))

    def _serve(self) -> None:
        while (content := self._channel.receive()) is not None:
            request = REQUEST.validate_json(content)
            match request:
                case Submit():
                    self._submit(request)
                case Cancel():
                    self._cancel(request)
                case Load():
                    Thread(target=self._load, args=[request], daemon=True).start()
                case Unload():
                    self._engine.unload(request.name)

    def _submit(self, request: Submit) -> None:
        jobs = {
            one.number: Job(one.source_ids, one.options, math.inf, one.priority, model=one.model)
            for one in request.sentences
        }
        self._jobs |= jobs
        for number, job in jobs.items():
            job.result.add_done_callback(partial(self._answer, number))
        self._engine.submit(list(jobs.values()))

    def _load(self, request: Load) -> None:
        reply: Loaded | Refused
        try:
            reply = self._engine.load(request.name, request.directory, request.variant)
        except StartupError as error:
            reply = Refused(type(error).__name__, str(error), request.name)
        except Exception as error:  # somebody waits for an answer
            log.exception("a model could not be loaded", model=request.name)
            reply = Refused(InvalidPackage.__name__, f"{FAILED}: {error}", request.name)
        with suppress(OSError):
            self._channel.send(reply)

    def _cancel(self, request: Cancel) -> None:
        job = self._jobs.get(request.number)  # a worker may answer it, and so remove it, any moment
        if job is not None:
            job.result.cancel()

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
