"""What the service and an engine in another process say to each other.

The service sends its settings, then Load, Unload, Submit and Cancel; the engine sends Started or
Refused, then Loaded or Refused for each Load, Answer and Progress. Each is JSON; floats come back
to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from service.domain import DecodingOptions, Hypothesis, Priority


@dataclass(frozen=True, slots=True)
class Sentence:
    """A job without its deadline: whoever waits cancels it when its time is over."""

    number: int
    source_ids: tuple[int, ...]
    options: DecodingOptions
    priority: Priority
    model: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """A model to have from now on."""

    name: str
    directory: Path
    variant: str | None
    kind: Literal["load"] = "load"


@dataclass(frozen=True, slots=True)
class Unload:
    """A model that nobody uses any more."""

    name: str
    kind: Literal["unload"] = "unload"


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
    """The engine is ready for models."""

    kind: Literal["started"] = "started"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model is ready."""

    name: str
    provider: str
    """The execution provider that runs its graphs."""
    kind: Literal["loaded"] = "loaded"


@dataclass(frozen=True, slots=True)
class Refused:
    """The engine can't start, and ends; or it can't load a model, and goes on without it."""

    error: str
    """Name of the StartupError."""
    message: str
    name: str = ""
    """Of the model."""
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


@dataclass(frozen=True, slots=True)
class Progress:
    """How the engine is doing, every second in which it has made a step."""

    steps: int
    rows: int
    active: int
    kind: Literal["progress"] = "progress"


Request: TypeAlias = Annotated[Load | Unload | Submit | Cancel, Field(discriminator="kind")]
Reply: TypeAlias = Annotated[
    Started | Refused | Loaded | Answer | Progress, Field(discriminator="kind")
]
REQUEST: TypeAdapter[Load | Unload | Submit | Cancel] = TypeAdapter(Request)
"""What the service sends."""
REPLY: TypeAdapter[Started | Refused | Loaded | Answer | Progress] = TypeAdapter(Reply)
"""What the engine sends."""
