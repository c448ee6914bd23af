"""Decide whether a client may come in, by its key or its address, before its request is read."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from service.access.account import Account
from service.access.keys import Key, KeyFile, parse_rates
from service.access.usage import Usage
from service.errors import InvalidKey, InvalidSettings, MissingKey, TooManyRequests
from service.settings import AccessSettings

IPV6_PREFIX = 64
"""A subscriber has all addresses of such a network."""


class Doors:
    """Keys, and rates of requests. Used on the event loop only."""

    def __init__(self, settings: AccessSettings, usage: Usage) -> None:
        """usage: where characters are counted.

        Raises:
            InvalidSettings: the file of keys or a rate is wrong.
        """
        self._settings = settings
        self._usage = usage
        self._keys = KeyFile(settings.keys_file) if settings.keys_file else None
        self._key_rates = _rates("KEY_RATES", settings.key_rates)
        self._address_rates = _rates("ADDRESS_RATES", settings.address_rates)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def enter(self, secret: str | None, address: str) -> Account | None:
        """Let a request in; the account of its key, None if it has none and needs none.

        Raises:
            MissingKey: it needs one.
            InvalidKey: it is none of the file's.
            TooManyRequests: there were too many in a short time, with this key or, if it is not
                good, from this address.
        """
        key = self._keys.find(secret) if self._keys and secret else None
        if key is not None:
            return self._enter_with(key)
        self.count(address)
        if self._keys and secret:
            raise InvalidKey("Invalid API key")
        if self._keys and self._settings.keys_required:
            raise MissingKey("Please contact the server operator to get an API key")
        return None

    def count(self, address: str) -> None:
        """Count a request that has no good key, or whose key can't be read.

        Raises:
            TooManyRequests: there were too many of them in a short time from this address.
        """
        self._count(self._address_rates, f"address {network_of(address)}")

    def _enter_with(self, key: Key) -> Account:
        rates = self._key_rates if key.rates is None else parse_rates(key.rates)
        self._count(rates, f"key {key.name}")
        quota = key.characters_per_month or self._settings.characters_per_month
        return Account(key.name, quota, self._usage, key.admin)

    def _count(self, rates: Sequence[RateLimitItem], client: str) -> None:
        """Count a request that is let in; one that is refused uses up none of the rates."""
        used_up = [rate for rate in rates if not self._limiter.test(rate, client)]
        if used_up:
            raise self._refusal(used_up, client)
        for rate in rates:
            self._limiter.hit(rate, client)

    def _refusal(self, used_up: Sequence[RateLimitItem], client: str) -> TooManyRequests:
        """That of the rate that lasts longest: there is no use in coming back before."""
        stats = self._limiter.get_window_stats
        reset, rate = max((stats(rate, client).reset_time, rate) for rate in used_up)
        return TooManyRequests(f"Slowdown: {rate}", max(1, math.ceil(reset - time.time())))


def network_of(address: str) -> str:
    """What is counted as one client: an IPv4 address, or the network of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:  # not from the internet, as with a socket of the machine
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Address(int(parsed) >> IPV6_PREFIX << IPV6_PREFIX))
    return str(parsed)


def _rates(name: str, text: str) -> tuple[RateLimitItem, ...]:
    try:
        return parse_rates(text)
    except ValueError as error:
        raise InvalidSettings(f"SEQ2SEQ_ACCESS__{name}: {error}") from None
