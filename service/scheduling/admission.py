"""Decide at the door whether a request may come in, before any work is done for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from service.access.account import charged
from service.errors import Overloaded, ShuttingDown
from service.settings import SchedulingSettings

RETRY_AFTER_SECONDS = 1


class Admission:
    """Counts what was let in and is not answered yet. Used on the event loop only.

    Characters stand for tokens, which nobody has counted yet: a token has at least one.
    """

    def __init__(self, settings: SchedulingSettings) -> None:
        self._settings = settings
        self._open = True
        self._idle = asyncio.Event()
        self._idle.set()
        self.items = 0
        """Texts let in and not answered yet."""
        self.characters = 0
        """Their characters."""

    @property
    def open(self) -> bool:
        """Whether requests are let in at all."""
        return self._open

    def require_room(self, items: int = 1, characters: int = 1) -> None:
        """Check that a request of this size would be let in now.

        Raises:
            Overloaded: there is no room for it.
            ShuttingDown: nothing is let in any more.
        """
        if not self._open:
            raise ShuttingDown("The service is shutting down.", RETRY_AFTER_SECONDS)
        if self.items == 0:
            return
        if self.items + items > self._settings.max_waiting_items:
            raise Overloaded("Too many texts are waiting; try again later.", RETRY_AFTER_SECONDS)
        if self.characters + characters > self._settings.max_waiting_characters:
            raise Overloaded("Too much text is waiting; try again later.", RETRY_AFTER_SECONDS)

    @contextmanager
    def admit(self, items: int, characters: int) -> Iterator[None]:
        """Hold a place for a request while it is worked on, and charge its account.

        A request larger than a whole limit is let in when nothing else is there.

        Raises:
            Overloaded, ShuttingDown: as require_room().
            QuotaExceeded: the key of the request has too few characters left.
        """
        self.require_room(items, characters)
        self.items += items
        self.characters += characters
        self._idle.clear()
        try:
            with charged(characters):
                yield
        finally:
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
