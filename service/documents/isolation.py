"""Read and write documents in processes of their own.

A process, not a thread: what a stranger's file may cost is then limited by the system, in memory
and in time, nothing that goes wrong stays, and the event loop never waits for the interpreter. It
costs the start of Python at the beginning and at the end of a document.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import replace

import structlog
from pydantic_core import to_json

from service.documents.contents import Limits
from service.documents.messages import (
    ANSWER,
    LENGTH_BYTES,
    TOO_COSTLY,
    Answer,
    Task,
    divided,
    joined,
)
from service.domain import Format
from service.errors import DocumentFailure, DocumentTooLarge, InvalidDocument, ServiceError
from service.settings import DocumentSettings, LimitSettings

log = structlog.stdlib.get_logger(__name__)

REFUSALS: dict[str, type[ServiceError]] = {
    error.__name__: error for error in (InvalidDocument, DocumentTooLarge)
}


class DocumentReader:
    """Starts such processes. Used on the event loop only."""

    def __init__(self, settings: DocumentSettings, limits: LimitSettings) -> None:
        self._seconds = settings.read_seconds
        self._task = Task(
            extension="",
            limits=Limits(
                max_expanded_bytes=settings.max_expanded_mb << 20,
                max_characters=settings.max_characters,
                max_paragraph_characters=limits.max_characters,
            ),
            memory_mb=settings.read_memory_mb,
            seconds=settings.read_seconds,
        )

    async def texts(self, extension: str, content: bytes) -> tuple[list[str], Format]:
        """The texts of a file.

        Raises:
            InvalidDocument, DocumentTooLarge: it is not to be read.
            DocumentFailure: something went wrong.
        """
        answer, _ = await self._done(replace(self._task, extension=extension), content)
        return answer.texts, answer.format

    async def filled(
        self, extension: str, content: bytes, translations: list[str], target: str
    ) -> bytes:
        """The file with translations of these texts.

        Raises:
            InvalidDocument, DocumentTooLarge, DocumentFailure: as texts().
        """
        task = replace(self._task, extension=extension, translations=translations, target=target)
        _, found = await self._done(task, content)
        return found

    async def _done(self, task: Task, content: bytes) -> tuple[Answer, bytes]:
        message = await asyncio.to_thread(lambda: joined(to_json(task), content))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service.documents.process"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
        )
        try:
            # Waiting for the processor counts too here, so this is later than the system's limit.
            async with asyncio.timeout(2 * self._seconds):
                reply, _ = await process.communicate(message)
        except TimeoutError:
            raise DocumentTooLarge(TOO_COSTLY) from None
        finally:
            await _end(process)
        return await asyncio.to_thread(_read, reply, process.returncode)


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _read(reply: bytes, code: int | None) -> tuple[Answer, bytes]:
    if code or len(reply) < LENGTH_BYTES:  # ended by the limit on its time, or on its memory
        log.warning("a document's process was ended", code=code)
        raise DocumentTooLarge(TOO_COSTLY)
    header, content = divided(reply)
    answer = ANSWER.validate_json(header)
    if refusal := REFUSALS.get(answer.error):
        raise refusal(answer.message)
    if answer.error:
        log.error("a document could not be read", error=answer.message)
        raise DocumentFailure("The document could not be read.")
    return answer, content
