"""How many characters were translated for each key in each month."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import structlog

from service.errors import InvalidSettings

log = structlog.stdlib.get_logger(__name__)

_TABLE = """
CREATE TABLE IF NOT EXISTS usage (
    key TEXT NOT NULL, month TEXT NOT NULL, characters INTEGER NOT NULL, PRIMARY KEY (key, month)
) WITHOUT ROWID
"""
_ADD = """
INSERT INTO usage VALUES (?1, ?2, MAX(0, ?3))
ON CONFLICT (key, month) DO UPDATE SET characters = MAX(0, characters + ?3)
RETURNING characters
"""
BUSY_SECONDS = 1.0


class Usage:
    """Counters in an SQLite file, which processes of one machine may share, or in memory.

    Months are those of UTC. Used on the thread that made it.

    When the file can't be written any more, as on a full disk, requests go on: what they have used
    is added to what is known, and written when that is possible again.
    """

    def __init__(self, path: Path | None) -> None:
        """path: the file; None counts in memory.

        Raises:
            InvalidSettings: the file can't be used.
        """
        self._known: dict[tuple[str, str], int] = {}
        """Key and month → characters, as of the last time that they were written."""
        self._owed: dict[tuple[str, str], int] = {}
        """The same of those that are not written yet."""
        try:
            self._connection = sqlite3.connect(
                path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None
            )
            # A crash of the machine, not of the process, may lose the latest counts.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(_TABLE)
        except sqlite3.Error as error:
            raise InvalidSettings(f"{path} can't be used to count characters: {error}.") from None

    def add(self, key: str, characters: int) -> int:
        """Count characters of a key; how many it has this month."""
        place = key, _month()
        owed = self._owed.get(place, 0) + characters
        try:
            row = self._connection.execute(_ADD, (*place, owed)).fetchone()
        except sqlite3.Error as error:
            if not self._owed:
                log.error("characters can't be counted in the file", error=str(error))  # noqa: TRY400
            self._owed[place] = owed
            return max(0, self._known.get(place, 0) + owed)
        self._owed.pop(place, None)
        self._known[place] = int(row[0])
        return self._known[place]

    def of(self, key: str) -> int:
        """Characters of a key this month."""
        return self.add(key, 0)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _month() -> str:
    return datetime.now(UTC).strftime("%Y-%m")
