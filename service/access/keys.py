"""The keys of clients: a file with a JSON object a line, which holds their hashes and not the keys.

A key is 256 random bits, which nobody finds by trying however fast the hash is; so the hash is
SHA-256, and not one of the slow ones that passwords need.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

import structlog
from limits import RateLimitItem, parse_many
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from service.errors import InvalidSettings

log = structlog.stdlib.get_logger(__name__)

KEY_PREFIX = "s2s_"
"""So that tools that look for secrets in repositories find it."""
KEY_BYTES = 32


class Key(BaseModel):
    """A client's key, as a line of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Whose it is. Log lines and the usage have it."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rates: str | None = None
    """Most requests, such as `60/minute;5000/day`; None is the setting's."""
    characters_per_month: int | None = Field(default=None, ge=1)
    """None is the setting's."""
    admin: bool = False
    """Whether it may load and unload models."""

    @field_validator("rates")
    @classmethod
    def _are_rates(cls, value: str | None) -> str | None:
        parse_rates(value)
        return value


def parse_rates(text: str | None) -> tuple[RateLimitItem, ...]:
    """`60/minute;5000/day` as limits of the library `limits`; nothing of nothing.

    Raises:
        ValueError: it is written in another way.
    """
    try:
        return tuple(parse_many(text)) if text else ()
    except ValueError:
        raise ValueError("rates are written like 60/minute;5000/day") from None


def new_secret() -> str:
    """A new key."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def digest(secret: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


class KeyFile:
    """Finds keys. A file that changes is read again before the next key is looked for."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            InvalidSettings: it can't be read, or a line is no key.
        """
        self._path = path
        self._seen = _state(path)
        self._keys = read(path)

    def find(self, secret: str) -> Key | None:
        """The key, if it is one. Takes as long whichever it is, and whether it is one."""
        self._follow_changes()
        given = digest(secret)
        same = [key for key in self._keys if hmac.compare_digest(key.sha256, given)]
        return same[0] if same else None

    def _follow_changes(self) -> None:
        state = _state(self._path)
        if state == self._seen:
            return
        self._seen = state
        try:
            self._keys = read(self._path)
        except InvalidSettings as error:  # keys that were good stay good until it is mended
            log.error("the file of keys can't be read any more", reason=str(error))  # noqa: TRY400
        else:
            log.info("the file of keys was read again", keys=len(self._keys))


def read(path: Path) -> list[Key]:
    """The keys of a file.

    Raises:
        InvalidSettings: it can't be read, or a line is no key.
    """
    keys: dict[str, Key] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(
            f"{path} can't be read ({error}). `python -m service key add NAME` makes a key and the "
            "file."
        ) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            key = Key.model_validate_json(line)
        except ValidationError as error:
            fault = error.errors(include_input=False)[0]
            where = ".".join(map(str, fault["loc"]))
            raise InvalidSettings(f"{path}, line {number}: {where}: {fault['msg']}") from None
        if key.name in keys:
            raise InvalidSettings(f"{path}, line {number}: {key.name} is there twice")
        keys[key.name] = key
    return list(keys.values())


def write(path: Path, keys: list[Key]) -> None:
    """Put keys in place of those of a file, in one step; nobody else may read it.

    Raises:
        OSError: it can't be written.
    """
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    lines = (key.model_dump_json(exclude_defaults=True) for key in keys)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    if path.exists():
        _give_rights_of(path, staged)
    staged.replace(path)


def _give_rights_of(path: Path, staged: Path) -> None:
    """The service may have another user, which was given the right to read it, as the owner, by the
    group or by the mode. Only root may give files away, others to their own groups."""
    found = path.stat()
    with suppress(PermissionError):
        os.chown(staged, -1, found.st_gid)
    with suppress(PermissionError):
        os.chown(staged, found.st_uid, -1)
    staged.chmod(found.st_mode & 0o777)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
