"""Translate a file's records, many at a time, and keep what is finished in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from service.bulk.finished import Finished
from service.domain import TextTranslation, TranslationRequest
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
        texts: of all records; the finished ones are skipped.
        request: how; its own texts are not looked at.
        progress: is told how many more records are finished.

    Raises:
        ServiceError: a record has no translation. Those before it are kept.
        InvalidRecord: as texts does.
    """
    rest = islice(texts, finished.count, None)
    chunks = iter(lambda: tuple(islice(rest, CHUNK)), ())
    window: deque[asyncio.Task[list[TextTranslation]]] = deque()

    def fill(most: int) -> None:
        for chunk in islice(chunks, most):
            work = translator.translate(replace(request, texts=chunk))
            window.append(asyncio.create_task(work))

    try:
        fill(CHUNKS)
        while window:
            done: Sequence[TextTranslation] = await window[0]
            window.popleft()
            finished.append(one.text for one in done)
            progress(len(done))
            fill(1)
    finally:
        for task in window:
            task.cancel()
        await asyncio.gather(*window, return_exceptions=True)
