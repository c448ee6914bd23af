from __future__ import annotations

import asyncio

import pytest

from service.document_store import DocumentStore, TranslatedDocument
from service.errors import DocumentNotFound, DocumentTooLarge
from service.settings import DocumentSettings


def document(size: int = 1) -> TranslatedDocument:
    return TranslatedDocument("a.txt", "text/plain", bytes(size))


def test_the_oldest_go_first() -> None:
    async def scenario() -> None:
        store = DocumentStore(DocumentSettings(keep_files=2))
        for key in "abc":
            store.keep(key, document())
        with pytest.raises(DocumentNotFound):
            store.get("a")
        assert store.get("b") == store.get("c") == document()

    asyncio.run(scenario())


def test_their_bytes_are_counted() -> None:
    async def scenario() -> None:
        store = DocumentStore(DocumentSettings(keep_mb=1))
        for key in "abc":
            store.keep(key, document(500_000))
        assert len(store) == 2
        store.remove("b")
        store.keep("d", document(500_000))
        assert len(store) == 2
        with pytest.raises(DocumentTooLarge):
            store.keep("e", document(2_000_000))

    asyncio.run(scenario())


def test_they_go_when_their_time_is_over() -> None:
    async def scenario() -> None:
        store, later = DocumentStore(DocumentSettings(keep_seconds=0.001)), asyncio.Event()
        store.keep("a", document())
        asyncio.get_running_loop().call_later(0.002, later.set)  # timers go off in their order
        await later.wait()
        assert len(store) == 0

    asyncio.run(scenario())
