"""What an engine is, wherever it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from service.engine.messages import Loaded
from service.scheduling.job import Decoder


class WatchedDecoder(Decoder, Protocol):
    """A decoder that can be watched."""

    @property
    def alive(self) -> bool:
        """Whether it answers."""

    @property
    def steps(self) -> int:
        """Decoder steps so far."""

    @property
    def rows(self) -> int:
        """Rows that these steps computed, added up."""

    @property
    def waiting(self) -> int:
        """Sentences that it has not begun."""


class ModelEngine(WatchedDecoder, Protocol):
    """An engine, which has models."""

    def load(self, name: str, directory: Path, variant: str | None) -> Loaded:
        """Load a model, which takes seconds."""

    def unload(self, name: str) -> None:
        """Let go of a model."""
