"""Translated documents, kept for a while in memory; none is ever written to a disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from service.errors import DocumentNotFound, DocumentTooLarge
from service.settings import DocumentSettings

GONE = "There is no such document, or no longer."


@dataclass(frozen=True, slots=True)
class TranslatedDocument:
    """A file."""

    name: str
    media_type: str
    content: bytes


class DocumentStore:
    """Holds documents by names that nobody can guess. Used on the event loop only."""

    def __init__(self, settings: DocumentSettings) -> None:
        self._max_files = settings.keep_files
        self._max_bytes = settings.keep_mb << 20
        self._seconds = settings.keep_seconds
        self._kept: dict[str, TranslatedDocument] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, key: str, document: TranslatedDocument) -> None:
        """Keep a document until its time is over, or until there is no more room for it.

        Raises:
            DocumentTooLarge: there is not even room for it alone.
        """
        size = len(document.content)
        if size > self._max_bytes:
            raise DocumentTooLarge("The translated document is too large to be kept.")
        while self._kept and (
            len(self._kept) >= self._max_files or self._bytes + size > self._max_bytes
        ):
            self.remove(next(iter(self._kept)))
        self._kept[key] = document
        self._bytes += size
        asyncio.get_running_loop().call_later(self._seconds, self.remove, key)

    def get(self, key: str) -> TranslatedDocument:
        """A document.

        Raises:
            DocumentNotFound: there is none, or no longer.
        """
        if key not in self._kept:
            raise DocumentNotFound(GONE)
        return self._kept[key]

    def remove(self, key: str) -> None:
        """Forget a document, if it is there."""
        if found := self._kept.pop(key, None):
            self._bytes -= len(found.content)
