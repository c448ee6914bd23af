"""How fast work is answered, and so when there will be room for more."""

from __future__ import annotations

import math
from dataclasses import dataclass

MEMORY_SECONDS = 10.0
"""Of work: what is this long ago counts a third (1/e) of what is now."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Work, or room for it."""

    requests: float = 0.0
    items: float = 0.0
    characters: float = 0.0


class Pace:
    """A mean rate of answers that forgets exponentially. Time without work does not count."""

    def __init__(self) -> None:
        self._busy_seconds = 0.0
        self._requests = 0.0
        self._items = 0.0
        self._characters = 0.0

    def work(self, seconds: float) -> None:
        """So much time has passed in which there was work."""
        kept = math.exp(-seconds / MEMORY_SECONDS)
        self._busy_seconds = self._busy_seconds * kept + seconds
        self._requests *= kept
        self._items *= kept
        self._characters *= kept

    def answer(self, items: int, characters: int) -> None:
        """A request has been answered."""
        self._requests += 1
        self._items += items
        self._characters += characters

    def seconds(self, amount: Amount) -> float:
        """How long it takes to answer so much: what of it takes longest. 0 if nothing is known."""
        return max(
            self._seconds(amount.requests, self._requests),
            self._seconds(amount.items, self._items),
            self._seconds(amount.characters, self._characters),
        )

    def _seconds(self, asked: float, answered: float) -> float:
        return asked * self._busy_seconds / answered if answered and asked > 0 else 0.0
