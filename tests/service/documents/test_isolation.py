"""Documents in processes of their own: what they may cost, and that nothing stays of them."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from service.documents import process
from service.documents.isolation import DocumentReader
from service.documents.messages import ANSWER, divided, joined
from service.domain import Format
from service.errors import DocumentFailure, DocumentTooLarge, InvalidDocument
from service.settings import DocumentSettings, LimitSettings
from tests.end_to_end.conftest import until
from tests.service.documents import office_samples as samples

T = TypeVar("T")


def reader(**settings: int) -> DocumentReader:
    return DocumentReader(DocumentSettings(**settings), LimitSettings())


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def test_texts_and_back() -> None:
    texts, form = run(reader().texts(".docx", samples.word_document()))
    assert (texts[0], form) == ("Un grand titre", Format.HTML)
    assert run(reader().filled(".txt", b"un\ndeux", ["one", "two"], "en")) == b"one\ntwo"


def test_refusals_arrive() -> None:
    with pytest.raises(InvalidDocument, match="not a whole ZIP"):
        run(reader().texts(".docx", b"un mot"))
    with pytest.raises(DocumentTooLarge, match="characters"):
        run(reader(max_characters=5).texts(".txt", b"un mot"))


def test_memory_is_limited() -> None:
    """Some kilobytes of archive, of which the tokens alone are more than there may be."""
    bomb = samples.open_document("<a>" + "<b/>x" * 300_000 + "</a>")
    with pytest.raises(DocumentTooLarge, match="more time or memory"):
        run(reader(read_memory_mb=128).texts(".odt", bomb))


def test_time_is_limited() -> None:
    with pytest.raises(DocumentTooLarge, match="more time or memory"):
        run(reader(read_seconds=1).texts(".md", b"![" * 45_000))


def test_a_cancelled_document_ends_its_process() -> None:
    async def scenario() -> None:
        task = asyncio.create_task(reader().texts(".md", b"![" * 45_000))
        await asyncio.to_thread(until, lambda: children() != [])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert children() == []

    run(scenario())


def children() -> list[str]:
    """The processes that this one has started."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()


def test_an_unforeseen_error_says_nothing_of_the_document() -> None:
    destination = io.BytesIO()
    task = b'{"extension":".secret","limits":{"max_expanded_bytes":1,"max_characters":1,' + (
        b'"max_paragraph_characters":1},"memory_mb":1000000,"seconds":1000}'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_limit", lambda task: None)  # of this process they would stay
        process.main(io.BytesIO(joined(task, b"secret")), destination)
    header, content = divided(destination.getvalue())
    answer = ANSWER.validate_json(header)
    assert (answer.error, answer.message, content) == ("unforeseen", "KeyError", b"")


def test_an_unforeseen_error_is_a_failure() -> None:
    with pytest.raises(DocumentFailure):
        run(reader().texts(".secret", b""))
