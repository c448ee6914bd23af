"""Translate a file's records, many at a time, and keep what is finished in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from service.bulk.finished import Finished
from service.domain import TextTranslation, TranslationRequest
from service.errors import InvalidRecord, InvalidRequest, ModelFailure, ServiceError
from service.source_language import TextTranslator

CHUNK = 16
"""Records of a request: enough that the request itself costs little."""
CHUNKS = 32
"""Requests under way: enough to keep the largest batch full, and all that is in memory."""


async def translate(
    texts: Iterator[str],
    translator: TextTranslator,
    request: TranslationRequest,
    finished: Finished,
    progress: Callable[[int], object],
) -> None:
    """Translate what is not finished yet.

    Args:
        texts: of all records; the finished ones are only compared.
        request: how; its own texts are not looked at.
        progress: is told how many more records are finished.

    Raises:
        InvalidRecord: a record has no translation; those before it are kept. Or as texts does.
        OtherWork: a finished record has another text now.
        ServiceError: nothing can be translated any more.
    """
    rest = finished.rest(texts)
    chunks = iter(lambda: tuple(islice(rest, CHUNK)), ())
    window: deque[tuple[tuple[str, ...], asyncio.Task[list[TextTranslation]]]] = deque()

    def fill(most: int) -> None:
        for chunk in islice(chunks, most):
            work = translator.translate(replace(request, texts=chunk))
            window.append((chunk, asyncio.create_task(work)))

    def keep(chunk: Sequence[str], done: Sequence[TextTranslation]) -> None:
        finished.append(chunk, (one.text for one in done))
        progress(len(done))

    try:
        fill(CHUNKS)
        while window:
            chunk, task = window[0]
            try:
                keep(chunk, await task)
            except (InvalidRequest, ModelFailure):
                for text in chunk:
                    work = _record(text, finished.count + 1, translator, request)
                    keep((text,), await work)
            window.popleft()
            fill(1)
    finally:
        tasks = [task for _, task in window]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _record(
    text: str, number: int, translator: TextTranslator, request: TranslationRequest
) -> list[TextTranslation]:
    """One record by itself, where those beside it, or it, can't be translated."""
    try:
        return await translator.translate(replace(request, texts=(text,)))
    except ServiceError as error:
        raise InvalidRecord(f"Record {number}: {error}") from error
