from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from service.access.account import ACCOUNT, Account, charged
from service.access.usage import Usage
from service.errors import InvalidSettings, ModelFailure, QuotaExceeded


@pytest.fixture
def account() -> Account:
    return Account("one", 100, Usage(None))


def test_characters_are_counted_by_key() -> None:
    with Usage(None) as usage:
        assert (usage.add("one", 3), usage.add("one", 4), usage.add("two", 1)) == (3, 7, 1)
        assert (usage.of("one"), usage.of("three")) == (7, 0)


def test_a_file_outlives_the_service_and_may_be_shared(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    with Usage(path) as first, Usage(path) as second:
        first.add("one", 3)
        second.add("one", 4)
        assert first.of("one") == 7
    with Usage(path) as again:
        assert again.of("one") == 7


def test_what_cannot_be_written_is_counted_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    with Usage(path) as usage, closing(sqlite3.connect(path, isolation_level=None)) as other:
        assert usage.add("one", 3) == 3
        other.execute("BEGIN IMMEDIATE")  # nobody else can write now
        assert usage.add("one", 4) == 7
        assert usage.add("one", -1) == 6
        other.execute("COMMIT")
        assert other.execute("SELECT characters FROM usage").fetchone() == (3,)
        assert usage.of("one") == 6
        assert other.execute("SELECT characters FROM usage").fetchone() == (6,)
        assert usage.add("one", 1) == 7


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    path.write_text("something else, and long enough to be taken for a database" * 100)
    with pytest.raises(InvalidSettings, match="count characters"):
        Usage(path)
    with pytest.raises(InvalidSettings, match="count characters"):
        Usage(tmp_path / "nowhere" / "usage.sqlite")


def test_a_quota_is_used_to_the_last_character(account: Account) -> None:
    account.charge(60)
    with pytest.raises(QuotaExceeded, match="100 characters a month"):
        account.charge(41)
    assert account.characters == 60
    account.charge(40)
    with pytest.raises(QuotaExceeded):
        account.charge(1)
    assert account.characters == 100


def test_what_failed_is_not_charged(account: Account) -> None:
    token = ACCOUNT.set(account)
    with charged(10):
        assert account.characters == 10
    with pytest.raises(ModelFailure), charged(20):
        raise ModelFailure("broken")
    assert account.characters == 10
    with pytest.raises(RuntimeError), charged(20):
        raise RuntimeError("a defect")
    assert account.characters == 10
    with pytest.raises(QuotaExceeded), charged(91):
        raise AssertionError("let in")
    ACCOUNT.reset(token)
    with charged(1000):
        assert account.characters == 10


def test_what_is_charged_as_a_whole_is_not_charged_in_parts(account: Account) -> None:
    token = ACCOUNT.set(account)
    with charged(60), charged(60):
        assert account.characters == 60
    with charged(40):
        assert account.characters == 100
    ACCOUNT.reset(token)


def test_work_that_a_client_has_left_is_charged(account: Account) -> None:
    token = ACCOUNT.set(account)
    with pytest.raises(asyncio.CancelledError), charged(10):
        raise asyncio.CancelledError
    assert account.characters == 10
    ACCOUNT.reset(token)
