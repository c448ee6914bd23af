"""Decide at the door whether a request may come in, before any work is done for it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.access.account import charged
from service.domain import Priority
from service.errors import Overloaded, ShuttingDown
from service.metrics import Metrics
from service.scheduling.pace import Amount, Pace
from service.settings import SchedulingSettings

RETRY_AFTER_SECONDS = 1
"""Where nothing is known: another process may be there at once."""
LONGEST_RETRY_AFTER = 30
"""Nobody knows what comes later."""
CHARACTERS_PER_SENTENCE = 100
UNREAD = "unread"
"""The priority of a request that is refused before its body is read."""


class Admission:
    """Counts what was let in and is not answered yet. Used on the event loop only.

    Characters stand for tokens, which nobody has counted yet: a token has at least one.
    """

    def __init__(
        self,
        settings: SchedulingSettings,
        metrics: Metrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """metrics: where refusals are counted; clock: seconds."""
        self._settings = settings
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._open = True
        self._idle = asyncio.Event()
        self._idle.set()
        self._pace = Pace()
        self._last = 0.0
        self._promised = 0.0
        """Until when, on the clock, refused requests were told to come back."""
        self.items = 0
        """Texts let in and not answered yet."""
        self.characters = 0
        """Their characters."""

    @property
    def open(self) -> bool:
        """Whether requests are let in at all."""
        return self._open

    def require_room(self) -> None:
        """Refuse a request before it is read, when not the smallest one would be let in.

        Raises:
            Overloaded: there is no room.
            ShuttingDown: nothing is let in any more.
        """
        self._require_room(1, 1, None)

    @contextmanager
    def admit(
        self, items: int, characters: int, priority: Priority | None = None
    ) -> Iterator[None]:
        """Hold a place for a request while it is worked on, and charge its account.

        Bulk requests leave room for interactive ones. A request larger than a whole limit is let in
        when nothing else is there.

        priority: guessed where there is none, as nobody has looked for sentences yet.

        Raises:
            Overloaded, ShuttingDown: as require_room().
            QuotaExceeded: the key of the request has too few characters left.
        """
        self._require_room(items, characters, priority or self._guessed(items, characters))
        self._work()
        self.items += items
        self.characters += characters
        self._idle.clear()
        try:
            with charged(characters):
                yield
        finally:
            self._work()
            self._pace.answer(items, characters)
            self.items -= items
            self.characters -= characters
            if self.items == 0:
                self._idle.set()

    def close(self) -> None:
        """Let nothing in from now on."""
        self._open = False

    async def drained(self, within: float) -> bool:
        """Wait until everything let in was answered; False when that takes longer (seconds)."""
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _require_room(self, items: int, characters: int, priority: Priority | None) -> None:
        if not self._open:
            self._refused("draining", priority)
            raise ShuttingDown("The service is shutting down.", RETRY_AFTER_SECONDS)
        if self.items == 0:
            return
        share = self._settings.bulk_room if priority is Priority.BULK else 1.0
        excess = Amount(
            items=self.items + items - share * self._settings.max_waiting_items,
            characters=self.characters + characters - share * self._settings.max_waiting_characters,
        )
        if excess.items <= 0 and excess.characters <= 0:
            return
        size = Amount(1) if priority is None else Amount(1, items, characters)
        seconds = self._retry_after(excess, size)
        if excess.items > 0:
            self._refused("items", priority)
            raise Overloaded("Too many texts are waiting; try again later.", seconds)
        self._refused("characters", priority)
        raise Overloaded("Too much text is waiting; try again later.", seconds)

    def _guessed(self, items: int, characters: int) -> Priority:
        sentences = max(items, characters // CHARACTERS_PER_SENTENCE)
        bulk = sentences >= self._settings.bulk_from_sentences
        return Priority.BULK if bulk else Priority.INTERACTIVE

    def _refused(self, reason: str, priority: Priority | None) -> None:
        self._metrics.rejections.labels(reason, priority or UNREAD).inc()

    def _retry_after(self, excess: Amount, size: Amount) -> int:
        """When there will be room, behind all who were told to come back.

        excess: what has to be answered first; size: what the request takes up.
        """
        self._work()
        now = self._clock()
        room = max(now + self._pace.seconds(excess), self._promised)
        self._promised = min(room + self._pace.seconds(size), now + LONGEST_RETRY_AFTER)
        return min(max(RETRY_AFTER_SECONDS, math.ceil(room - now)), LONGEST_RETRY_AFTER)

    def _work(self) -> None:
        """Count the time since the last call, if there was work."""
        now = self._clock()
        if self.items:
            self._pace.work(now - self._last)
        self._last = now
