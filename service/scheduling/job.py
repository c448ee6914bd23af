"""One sentence on its way through the engine."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from service.domain import DecodingOptions, Hypothesis, Priority
from service.errors import ServiceError


class Flow(NamedTuple):
    """Sentences that can be decoded together and that take turns with the others."""

    model: str
    priority: Priority


class Result(Future[tuple[Hypothesis, ...]]):
    """A future that forgets its callbacks when they were called.

    They refer to it and to its job. So each sentence would be left behind as garbage, 3 KB of it,
    that only a search through all objects finds.
    """

    def _invoke_callbacks(self) -> None:
        super()._invoke_callbacks()  # type: ignore[misc]
        self._done_callbacks: list[object] = []


@dataclass(slots=True, eq=False)
class Job:
    """One sentence; its future belongs to the request that waits for it.

    Whoever waits may leave at any time by cancelling the future.
    """

    source_ids: tuple[int, ...]
    options: DecodingOptions
    deadline: float
    """Monotonic seconds. May be put off while it is under way."""
    priority: Priority = Priority.INTERACTIVE
    result: Future[tuple[Hypothesis, ...]] = field(default_factory=Result)
    model: str = ""
    """Under which name its engine knows the model."""
    company: int = sys.maxsize
    """Most sentences of a batch that it may be one of. It is halved where a batch fails, be it for
    want of memory or because of one of them, until the one fails alone."""
    made: float = field(init=False, default_factory=time.monotonic)
    """Monotonic seconds, as the other two."""
    begun: float | None = field(init=False, default=None)
    """When it first joined a batch."""
    ended: float | None = field(init=False, default=None)
    """When it left the batch."""

    @property
    def flow(self) -> Flow:
        """What it takes turns in."""
        return Flow(self.model, self.priority)

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the result any more."""
        return self.result.cancelled()

    def finish(self, hypotheses: tuple[Hypothesis, ...]) -> None:
        """Deliver the result, best hypothesis first."""
        self._end()
        with suppress(InvalidStateError):  # the client left while we were decoding
            self.result.set_result(hypotheses)

    def fail(self, error: ServiceError) -> None:
        """Deliver the reason why there is no result."""
        self._end()
        with suppress(InvalidStateError):
            self.result.set_exception(error)

    def _end(self) -> None:
        if self.ended is None:
            self.ended = time.monotonic()


class Decoder(Protocol):
    """What decodes, such as the engine. It answers or fails every job."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take the jobs. Does not wait."""
