"""Whose request it is, for those that count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from service.access.usage import Usage
from service.errors import QuotaExceeded, ServiceError


@dataclass(frozen=True, slots=True)
class Account:
    """The key of a request, and what was translated for it. Used on the event loop only."""

    key: str
    """Its name."""
    characters_per_month: int | None
    """None is without bounds."""
    usage: Usage
    admin: bool = False
    """Whether it may load and unload models."""

    @property
    def characters(self) -> int:
        """Characters translated this month."""
        return self.usage.of(self.key)

    def charge(self, characters: int) -> None:
        """Count characters.

        Raises:
            QuotaExceeded: so many are not left; none were counted.
        """
        used = self.usage.add(self.key, characters)
        if self.characters_per_month is not None and used > self.characters_per_month:
            self.refund(characters)
            raise QuotaExceeded(
                f"Quota exceeded: this key may translate {self.characters_per_month} characters a "
                "month, and too few of them are left."
            )

    def refund(self, characters: int) -> None:
        """Count characters no more."""
        self.usage.add(self.key, -characters)


ACCOUNT: ContextVar[Account | None] = ContextVar("account", default=None)
"""The account of the request that the current task works for; tasks that it starts inherit it."""


@contextmanager
def charged(characters: int) -> Iterator[None]:
    """Charge the current account for what is done inside.

    An error of the service's is not charged. The work for a client that leaves is.

    Raises:
        QuotaExceeded: too few characters are left.
    """
    account = ACCOUNT.get()
    if account is None:
        yield
        return
    account.charge(characters)
    try:
        yield
    except ServiceError:
        account.refund(characters)
        raise
