from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from service.access.keys import KEY_PREFIX, Key, KeyFile, digest, new_secret, read, write
from service.errors import InvalidSettings

FIRST, SECOND = new_secret(), new_secret()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.jsonl"
    write(
        path, [Key(name="first", sha256=digest(FIRST)), Key(name="second", sha256=digest(SECOND))]
    )
    return path


def test_a_key_is_long_and_random() -> None:
    assert FIRST != SECOND
    assert FIRST.startswith(KEY_PREFIX)
    assert len(FIRST) == len(KEY_PREFIX) + 43  # 32 bytes in base64


def test_keys_are_found_by_what_was_given_out(path: Path) -> None:
    keys = KeyFile(path)
    found = [keys.find(secret) for secret in (FIRST, SECOND, FIRST + "x", "", digest(FIRST), "é")]
    assert [key.name if key else None for key in found] == ["first", "second", *[None] * 4]


def test_the_file_has_no_key_and_belongs_to_its_owner(path: Path) -> None:
    assert FIRST not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_rights_that_were_given_stay(path: Path) -> None:
    path.chmod(0o640)
    write(path, read(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_group_that_may_read_it_stays(path: Path) -> None:
    own = path.stat().st_gid
    groups = [own + 1] if os.geteuid() == 0 else [one for one in os.getgroups() if one != own]
    if not groups:
        pytest.skip("who tests has no other group")
    os.chown(path, -1, groups[0])
    write(path, read(path))
    assert path.stat().st_gid == groups[0]


def test_the_owner_stays_where_root_makes_keys(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give a file to somebody else")
    os.chown(path, 10001, -1)
    write(path, read(path))
    assert path.stat().st_uid == 10001


def test_a_key_that_is_taken_back_is_no_key_any_more(path: Path) -> None:
    keys = KeyFile(path)
    write(path, [key for key in read(path) if key.name == "second"])
    assert keys.find(FIRST) is None
    assert keys.find(SECOND) is not None


@pytest.mark.parametrize("damage", ["{", "\x00", "[]"])
def test_good_keys_survive_a_bad_change(path: Path, damage: str) -> None:
    keys = KeyFile(path)
    good = path.read_text()
    path.write_text(good + damage)
    assert keys.find(FIRST) is not None
    path.unlink()
    assert keys.find(FIRST) is not None
    path.write_text("\n" + good.splitlines()[1])
    assert keys.find(FIRST) is None
    assert keys.find(SECOND) is not None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 3"),
        ('{"name": "a b", "sha256": "' + digest("") + '"}', "line 3: name"),
        ('{"name": "third", "sha256": "secret"}', "line 3: sha256"),
        ('{"name": "third", "sha256": "' + digest("") + '", "rates": "often"}', "60/minute"),
        ('{"name": "third", "sha256": "' + digest("") + '", "quota": 1}', "line 3: quota"),
        ('{"name": "first", "sha256": "' + digest("") + '"}', "line 3: first is there twice"),
    ],
)
def test_a_line_that_is_no_key_is_refused_without_being_shown(
    path: Path, line: str, says: str
) -> None:
    path.write_text(path.read_text() + line)
    with pytest.raises(InvalidSettings, match=says) as caught:
        KeyFile(path)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="key add NAME"):
        KeyFile(tmp_path / "nothing")
