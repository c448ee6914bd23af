"""Whose request it is, for those that count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

from service.access.usage import Usage
from service.errors import QuotaExceeded


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
"""The account of the request that the current task works for; tasks that it starts inherit it. None
where there is none, and for work that is paid already."""
Charge: TypeAlias = Callable[[int], None]
"""Counts characters. Raises QuotaExceeded if so many are not left; none were counted then."""


@contextmanager
def bill() -> Iterator[Charge]:
    """What charges the current account, for all that is done inside: it is not charged by others.

    Whatever ends by an error is not charged. The work for a client that leaves, which is cancelled,
    is.
    """
    account = ACCOUNT.get()
    counted = 0

    def charge(characters: int) -> None:
        nonlocal counted
        if account is not None:
            account.charge(characters)
            counted += characters

    token = ACCOUNT.set(None)
    try:
        yield charge
    except Exception:
        if account is not None:
            account.refund(counted)
        raise
    finally:
        ACCOUNT.reset(token)


@contextmanager
def charged(characters: int) -> Iterator[None]:
    """Charge the current account for what is done inside, as bill() does.

    Raises:
        QuotaExceeded: too few characters are left.
    """
    with bill() as charge:
        charge(characters)
        yield
