"""The service's end: an engine in another process, as a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread

from service.domain import Hypothesis
from service.engine.channel import Channel
from service.engine.messages import (
    REPLY,
    Answer,
    Cancel,
    Load,
    Loaded,
    Progress,
    Refused,
    Request,
    Sentence,
    Submit,
    Unload,
)
from service.errors import (
    CorruptFile,
    InvalidPackage,
    MissingFile,
    ModelFailure,
    ProviderUnavailable,
    ServiceError,
    ShuttingDown,
    StartupError,
    UnsupportedFormat,
)
from service.scheduling.admission import RETRY_AFTER_SECONDS
from service.scheduling.job import Job
from service.scheduling.worker import FAILED, STOPPING

REFUSALS: dict[str, type[StartupError]] = {
    error.__name__: error
    for error in (InvalidPackage, UnsupportedFormat, MissingFile, CorruptFile, ProviderUnavailable)
}
GONE = "The engine has stopped."


class RemoteEngine:
    """Translates submitted jobs. Whatever happens, every job is answered."""

    def __init__(self, channel: Channel) -> None:
        """channel: to an engine that has started."""
        self._channel = channel
        self._numbers = count()
        self._jobs: dict[int, Job] = {}
        self._loading: dict[str, Future[Loaded]] = {}
        self._lock = Lock()  # of these two and whether there may be more
        self._closed = False
        self._active = 0
        self.steps = 0
        """Decoder steps, as of a second ago or the last answer."""
        self.rows = 0
        """Rows that these steps computed, added up."""
        self._outgoing: SimpleQueue[Request | None] = SimpleQueue()
        self._listener = Thread(target=self._listen, name="engine-answers", daemon=True)
        self._sender = Thread(target=self._send, name="engine-requests", daemon=True)
        self._listener.start()
        self._sender.start()

    @property
    def alive(self) -> bool:
        """Whether the engine is there to answer jobs."""
        return self._listener.is_alive()

    @property
    def waiting(self) -> int:
        """Jobs that were not begun yet, as of the last answer."""
        return max(0, len(self._jobs) - self._active)

    def load(self, name: str, directory: Path, variant: str | None = None) -> Loaded:
        """As LocalEngine.load(): wait until a model is loaded, while those that are there go on."""
        loading: Future[Loaded] = Future()
        with self._lock:
            if self._closed:
                raise InvalidPackage(GONE)
            self._loading[name] = loading
        self._outgoing.put(Load(name, directory.absolute(), variant))
        return loading.result()

    def unload(self, name: str) -> None:
        """As LocalEngine.unload()."""
        self._outgoing.put(Unload(name))

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand jobs over; each is answered through its result.

        Raises:
            ShuttingDown: the engine has stopped; no job was taken.
        """
        numbered = list(zip(self._numbers, jobs, strict=False))
        with self._lock:
            if self._closed:
                raise ShuttingDown(STOPPING, RETRY_AFTER_SECONDS)
            self._jobs |= numbered
        sentences = (
            Sentence(number, job.source_ids, job.options, job.priority, job.model)
            for number, job in numbered
        )
        self._outgoing.put(Submit(tuple(sentences)))
        for number, job in numbered:
            job.result.add_done_callback(partial(self._leave, number))

    def stop(self) -> None:
        """Hang up; unanswered jobs fail with ShuttingDown."""
        self._end(ShuttingDown(STOPPING, RETRY_AFTER_SECONDS))
        self._channel.hang_up()
        self._listener.join()
        self._sender.join()

    def _leave(self, number: int, result: Future[tuple[Hypothesis, ...]]) -> None:
        """A job is done; if it was given up, the engine need not go on with it."""
        if result.cancelled() and self._take(number) is not None:
            self._outgoing.put(Cancel(number))

    def _send(self) -> None:
        """Whoever submits does not wait for an engine that is slow to read, or hangs."""
        while (message := self._outgoing.get()) is not None:
            with suppress(OSError):  # _listen() notices too, and answers the jobs
                self._channel.send(message)

    def _listen(self) -> None:
        while (content := self._channel.receive()) is not None:
            reply = REPLY.validate_json(content)
            if isinstance(reply, Answer | Progress):
                self._active = reply.active
                # A Progress is made before it is sent: an Answer may overtake it.
                self.steps, self.rows = max(self.steps, reply.steps), max(self.rows, reply.rows)
            if isinstance(reply, Answer):
                self._answer(reply)
            elif isinstance(reply, Loaded | Refused):
                self._end_loading(reply)
        # Nobody may wait for an engine that is gone.
        self._end(ModelFailure(FAILED))
        self._outgoing.put(None)

    def _answer(self, answer: Answer) -> None:
        job = self._take(answer.number)
        if job is None:  # it was given up meanwhile
            return
        if answer.waited is not None:
            job.begun = job.made + answer.waited
            job.ended = job.begun + answer.decoded
        if answer.failure:
            job.fail(ModelFailure(answer.failure))
        else:
            job.finish(answer.hypotheses)

    def _end_loading(self, reply: Loaded | Refused) -> None:
        with self._lock:
            loading = self._loading.pop(reply.name, None)
        if loading is None:  # it was given up meanwhile
            return
        if isinstance(reply, Loaded):
            loading.set_result(reply)
        else:
            loading.set_exception(refusal(reply))

    def _take(self, number: int) -> Job | None:
        with self._lock:
            return self._jobs.pop(number, None)

    def _end(self, error: ServiceError) -> None:
        with self._lock:
            self._closed = True
            left, self._jobs = self._jobs, {}
            loading, self._loading = self._loading, {}
        for job in left.values():
            job.fail(error)
        for one in loading.values():
            one.set_exception(InvalidPackage(GONE))


def refusal(reply: Refused) -> StartupError:
    """The error that the engine met."""
    return REFUSALS.get(reply.error, InvalidPackage)(reply.message)
