from __future__ import annotations

from pathlib import Path

import pytest

from service.access.doors import Doors, network_of
from service.access.keys import Key, digest, write
from service.access.usage import Usage
from service.errors import InvalidKey, InvalidSettings, MissingKey, TooManyRequests
from service.settings import AccessSettings


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    write(
        path,
        [
            Key(name="slow", sha256=digest("a"), rates="1/hour"),
            Key(name="any", sha256=digest("b")),
            Key(name="other", sha256=digest("c")),
        ],
    )
    return path


def doors(**settings: object) -> Doors:
    return Doors(AccessSettings.model_validate(settings), Usage(None))


def test_without_settings_everybody_comes_in() -> None:
    for _ in range(1000):
        assert doors().enter("whatever", "::1") is None


def test_only_good_keys_come_in(keys: Path) -> None:
    door = doors(keys_file=keys, characters_per_month=9)
    account = door.enter("b", "::1")
    assert account is not None
    assert (account.key, account.characters_per_month) == ("any", 9)
    with pytest.raises(MissingKey):
        door.enter(None, "::1")
    with pytest.raises(InvalidKey):
        door.enter("d", "::1")


def test_a_key_may_be_a_courtesy(keys: Path) -> None:
    door = doors(keys_file=keys, keys_required=False)
    assert door.enter(None, "::1") is None
    assert door.enter("b", "::1") is not None
    with pytest.raises(InvalidKey):
        door.enter("d", "::1")


def test_rates_are_those_of_the_key_or_of_all_keys(keys: Path) -> None:
    door = doors(keys_file=keys, key_rates="2/hour; 100/day")
    for secret, most in (("a", 1), ("b", 2), ("c", 2)):
        for _ in range(most):
            door.enter(secret, "::1")
        with pytest.raises(TooManyRequests, match=f"Slowdown: {most} per 1 hour") as caught:
            door.enter(secret, "::2")
        assert 1 <= caught.value.retry_after_seconds <= 3600


def test_rates_of_addresses_are_for_those_without_a_good_key(keys: Path) -> None:
    door = doors(keys_file=keys, address_rates="2/hour")
    with pytest.raises(MissingKey):
        door.enter(None, "198.51.100.1")
    with pytest.raises(InvalidKey):
        door.enter("guess", "198.51.100.1")
    with pytest.raises(TooManyRequests):
        door.enter("guess", "198.51.100.1")
    assert door.enter("b", "198.51.100.1") is not None
    with pytest.raises(MissingKey):
        door.enter(None, "198.51.100.2")


def test_addresses_of_a_subscriber_count_as_one() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") == "2001:db8::"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("198.51.100.1") != network_of("198.51.100.2")
    assert network_of("::ffff:198.51.100.1") != network_of("::ffff:198.51.100.2")
    assert network_of("unix") == "unix"


@pytest.mark.parametrize("name", ["key_rates", "address_rates"])
def test_a_rate_is_checked_at_the_start(name: str) -> None:
    with pytest.raises(InvalidSettings, match=rf"{name.upper()}: .*60/minute;5000/day"):
        doors(**{name: "often"})
