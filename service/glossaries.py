"""Glossaries that clients make: in memory, and each in a file of a folder."""

from __future__ import annotations

import json
import os
import re
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from service.errors import Disabled, GlossaryNotFound, InvalidSettings
from service.storage import not_stored
from service.text.glossary_entries import Entries

FULL = "No more glossaries are taken on this server."
NOT_FOUND = "Glossary not found."
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Pair = tuple[str, str]
"""Source and target language."""


@dataclass(frozen=True, slots=True)
class Glossary:
    """Entries for pairs of languages, under a name. It never changes."""

    glossary_id: str
    name: str
    creation_time: str
    """ISO 8601, with fractions of a second."""
    dictionaries: Mapping[Pair, Entries]

    @classmethod
    def new(cls, name: str, dictionaries: Mapping[Pair, Entries]) -> Glossary:
        """A glossary with an id of its own."""
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        return cls(str(uuid.uuid4()), name, now, dictionaries)

    @classmethod
    def of_json(cls, text: str) -> Glossary:
        """What to_json() wrote.

        Raises:
            ValueError, KeyError, TypeError: it did not.
        """
        content = json.loads(text)
        dictionaries = {
            (str(one["source_lang"]), str(one["target_lang"])): {
                str(source): str(target) for source, target in one["entries"].items()
            }
            for one in content["dictionaries"]
        }
        if not _ID.fullmatch(content["glossary_id"]):
            raise ValueError("glossary_id")
        return cls(
            content["glossary_id"], str(content["name"]), content["creation_time"], dictionaries
        )

    def to_json(self) -> str:
        """All of it."""
        content = {
            "glossary_id": self.glossary_id,
            "name": self.name,
            "creation_time": self.creation_time,
            "dictionaries": [
                {"source_lang": source, "target_lang": target, "entries": entries}
                for (source, target), entries in self.dictionaries.items()
            ],
        }
        return json.dumps(content, ensure_ascii=False, indent=1)


class Glossaries:
    """All glossaries. Safe for any number of threads; one process at a time uses a folder."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        """Raises InvalidSettings when the folder can't be used or has a broken file."""
        self._directory = directory
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            loaded = [self._loaded(path) for path in sorted(directory.glob("*.json"))]
        except OSError as error:
            raise _unusable(f"{directory} can't be used: {error.strerror}") from error
        self._glossaries: Mapping[str, Glossary] = {one.glossary_id: one for one in loaded}
        """Never changed but replaced: whoever reads it waits for no disk."""

    def all(self) -> Sequence[Glossary]:
        """All of them, the oldest first."""
        return sorted(self._glossaries.values(), key=lambda one: one.creation_time)

    def get(self, glossary_id: str) -> Glossary:
        """The one with this id.

        Raises:
            GlossaryNotFound: there is none.
        """
        found = self._glossaries.get(glossary_id)
        if found is None:
            raise GlossaryNotFound(NOT_FOUND)
        return found

    def save(self, glossary: Glossary) -> None:
        """Add a glossary. It is on the disk when this returns.

        Raises:
            Disabled: all of them together would be too large.
            NotStored: the disk is full.
        """
        with self._lock:
            self._save(glossary)

    def change(self, glossary_id: str, change: Callable[[Glossary], Glossary]) -> Glossary:
        """Put what is made of a glossary in its place, and return it.

        Raises:
            GlossaryNotFound: there is none with this id, or what `change` raises.
            Disabled: all of them together would be too large.
            NotStored: the disk is full.
        """
        with self._lock:
            changed = change(self.get(glossary_id))
            self._save(changed)
            return changed

    def delete(self, glossary_id: str) -> None:
        """Remove a glossary and its file.

        Raises:
            GlossaryNotFound: there is none with this id.
            NotStored: the disk can't be written.
        """
        with self._lock:
            self.get(glossary_id)
            path = self._path(glossary_id)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise not_stored(path, error) from error
            left = self._glossaries.items()
            self._glossaries = {name: one for name, one in left if name != glossary_id}
            del self._sizes[glossary_id]

    def _save(self, glossary: Glossary) -> None:
        data = glossary.to_json().encode()
        others = sum(self._sizes.values()) - self._sizes.get(glossary.glossary_id, 0)
        if others + len(data) > self._max_bytes:
            raise Disabled(FULL)
        _write(self._path(glossary.glossary_id), data)
        self._glossaries = {**self._glossaries, glossary.glossary_id: glossary}
        self._sizes[glossary.glossary_id] = len(data)

    def _path(self, glossary_id: str) -> Path:
        return self._directory / f"{glossary_id}.json"

    def _loaded(self, path: Path) -> Glossary:
        data = path.read_bytes()
        try:
            glossary = Glossary.of_json(data.decode())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unusable(f"{path} is no glossary") from error
        if path.stem != glossary.glossary_id:
            raise _unusable(f"{path} has the name of another glossary")
        self._sizes[glossary.glossary_id] = len(data)
        return glossary


def _write(path: Path, data: bytes) -> None:
    """Put a file in place in one step."""
    unfinished = path.with_suffix(".unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):  # nor can it be removed where nothing can be written
            unfinished.unlink()
        raise not_stored(path, error) from error


def _unusable(fault: str) -> InvalidSettings:
    return InvalidSettings(f"SEQ2SEQ_GLOSSARIES__DIRECTORY: {fault}.")
