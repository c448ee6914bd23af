"""What the ingress and a replica of the engine say to each other.

JSON, as between the service and an engine's process. Ray would pickle the values as they are, and
then an ingress could not talk to replicas that are a version older or newer during an update.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from service.domain import DecodingOptions, Hypothesis, Priority


@dataclass(frozen=True, slots=True)
class Sentence:
    """A job without its deadline: whoever waits cancels the call when its time is over."""

    source_ids: tuple[int, ...]
    options: DecodingOptions
    priority: Priority
    model: str = ""
    """What the engine calls its model; empty from an ingress that has only known one."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The end of a sentence."""

    hypotheses: tuple[Hypothesis, ...]
    """Best first; none when the sentence has failed."""
    failure: str = ""
    """Why it has failed, for the client."""
    decoded: float = 0.0
    """Seconds from joining a batch to the end."""


SENTENCE: TypeAdapter[Sentence] = TypeAdapter(Sentence)
DECODED: TypeAdapter[Decoded] = TypeAdapter(Decoded)
