"""The names under which models are served, and what operators are told of them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from enum import StrEnum

from service.catalogue.model import KnownModel, ServedModel


class State(StrEnum):
    """Where a version of a model is."""

    LOADED = "loaded"
    LOADING = "loading"
    WAITING = "waiting"
    """Served, and not in memory until somebody asks for it."""
    LEAVING = "leaving"
    """In memory until the requests that use it have ended."""
    UNLOADED = "unloaded"
    """Not served."""
    BROKEN = "broken"
    """It can't be loaded."""


@dataclass(slots=True, eq=False)
class Entry:
    """A name under which a model is served."""

    known: KnownModel
    model: ServedModel | None = None
    """In memory; None until somebody asks for it."""
    loading: asyncio.Task[ServedModel] | None = None
    """What loads it for those that wait for it."""
    waiting: int = 0
    """How many do."""
    used: float = field(default_factory=time.monotonic)
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A version of a model, for operators."""

    name: str
    version: str
    state: State
    known: KnownModel | None
    """None where it is broken."""
    model: ServedModel | None = None
    used: float | None = None
    """Monotonic seconds."""
    reason: str = ""
    """Why it is broken."""


def listed(entry: Entry) -> Listed:
    """A served model, for operators."""
    state = State.LOADED if entry.model else State.LOADING if entry.loading else State.WAITING
    return Listed(
        entry.known.name, entry.known.version, state, entry.known, entry.model, entry.used
    )
