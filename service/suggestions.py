"""Better translations that users suggest, in a file of JSON lines."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from io import FileIO
from pathlib import Path

from service.errors import Disabled, InvalidSettings
from service.storage import not_stored

FULL = "No more suggestions are taken on this server."


class Suggestions:
    """Appends suggestions to a file, up to a size. Safe for any number of threads."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Raises InvalidSettings when the file can't be written."""
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        try:
            path.touch(mode=0o600)
            path.open("ab").close()  # touching a folder is allowed
        except OSError as error:
            raise InvalidSettings(
                f"SEQ2SEQ_SUGGESTIONS__FILE: {path} can't be written: {error.strerror}."
            ) from error

    def add(self, suggestion: Mapping[str, str]) -> None:
        """Write one line. It is on the disk when this returns.

        Raises:
            Disabled: the file would grow beyond its size.
            NotStored: the disk is full, or the file can't be written any more.
        """
        line = (json.dumps(suggestion, ensure_ascii=False) + "\n").encode()
        with self._lock:
            try:
                with self._path.open("ab", buffering=0) as file:
                    self._append(file, line)
            except OSError as error:
                raise not_stored(self._path, error) from error

    def _append(self, file: FileIO, line: bytes) -> None:
        size = file.tell()
        if size + len(line) > self._max_bytes:
            raise Disabled(FULL)
        try:
            while line:
                line = line[file.write(line) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)  # the next line must not begin behind half of this one
            raise
