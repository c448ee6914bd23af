"""What the service and an engine in another process say to each other.

The service sends its settings, then Submit and Cancel; the engine sends Started or Refused, then
Answer. Each is JSON; floats come back to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from service.domain import DecodingOptions, Hypothesis, Priority


@dataclass(frozen=True, slots=True)
class Sentence:
    """A job without its deadline: whoever waits cancels it when its time is over."""

    number: int
    source_ids: tuple[int, ...]
    options: DecodingOptions
    priority: Priority


@dataclass(frozen=True, slots=True)
class Submit:
    """Sentences to translate, with numbers that were not used before."""

    sentences: tuple[Sentence, ...]
    kind: Literal["submit"] = "submit"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for this sentence any more."""

    number: int
    kind: Literal["cancel"] = "cancel"


@dataclass(frozen=True, slots=True)
class Started:
    """The engine is ready."""

    provider: str
    """The execution provider that runs the graphs."""
    kind: Literal["started"] = "started"


@dataclass(frozen=True, slots=True)
class Refused:
    """The engine can't start, and ends."""

    error: str
    """Name of the StartupError."""
    message: str
    kind: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one sentence, and how the engine is doing."""

    number: int
    hypotheses: tuple[Hypothesis, ...]
    """Best first; none when the sentence has failed."""
    failure: str
    """Why it has failed, for the client."""
    steps: int
    rows: int
    active: int
    """Sentences that are being decoded."""
    waited: float | None
    """Seconds until this one joined a batch; None if it never did."""
    decoded: float
    """Seconds that it then took."""
    kind: Literal["answer"] = "answer"


REQUEST: TypeAdapter[Submit | Cancel] = TypeAdapter(
    Annotated[Submit | Cancel, Field(discriminator="kind")]
)
"""What the service sends."""
REPLY: TypeAdapter[Started | Refused | Answer] = TypeAdapter(
    Annotated[Started | Refused | Answer, Field(discriminator="kind")]
)
"""What the engine sends."""
