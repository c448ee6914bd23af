"""Documents that are translated while their clients do something else."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

import structlog

from service.document_store import GONE, DocumentStore, TranslatedDocument
from service.document_translator import DocumentRequest, DocumentTranslator, Progress
from service.errors import DocumentNotFound, DocumentNotReady, ServiceError
from service.logs import failure
from service.settings import DocumentSettings

log = structlog.stdlib.get_logger(__name__)

FAILED = "Internal error."
SECONDS_TO_ASK_AGAIN = 5


class State(StrEnum):
    """Where a job is, in DeepL's words."""

    QUEUED = "queued"
    TRANSLATING = "translating"
    DONE = "done"
    ERROR = "error"


@dataclass(slots=True)
class DocumentJob:
    """A document on its way."""

    id: str = field(default_factory=lambda: secrets.token_hex(16).upper())
    key: str = field(default_factory=lambda: secrets.token_hex(32).upper(), repr=False)
    progress: Progress = field(default_factory=Progress)
    error: str = ""
    finished: bool = False

    @property
    def state(self) -> State:
        """Where it is."""
        if self.finished:
            return State.ERROR if self.error else State.DONE
        return State.QUEUED if self.progress.begun is None else State.TRANSLATING


class DocumentJobs:
    """All jobs; each is forgotten some time after it ended. Used on the event loop only."""

    def __init__(
        self, translator: DocumentTranslator, store: DocumentStore, settings: DocumentSettings
    ) -> None:
        self._translator = translator
        self._store = store
        self._seconds = settings.keep_seconds
        self._most = settings.keep_files + settings.max_waiting
        self._jobs: dict[str, DocumentJob] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, request: DocumentRequest) -> DocumentJob:
        """Begin a job.

        Raises:
            ServiceError: nothing was begun; see DocumentTranslator.require_room() and check().
        """
        self._translator.require_room()
        self._translator.check(request)
        job = DocumentJob()
        self._make_room()
        self._jobs[job.id] = job
        task = asyncio.create_task(self._run(job, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def get(self, job_id: str, key: str) -> DocumentJob:
        """A job.

        Raises:
            DocumentNotFound: there is none, or no longer, or the key is not its.
        """
        job = self._jobs.get(job_id)
        if job is None or not secrets.compare_digest(job.key.encode(), key.encode()):
            raise DocumentNotFound(GONE)
        return job

    def take(self, job: DocumentJob) -> TranslatedDocument:
        """The translated document, which is forgotten.

        Raises:
            DocumentNotReady: it is not there yet.
            DocumentNotFound: it failed, or is no longer kept.
        """
        if not job.finished:
            raise DocumentNotReady("The document is not translated yet.", SECONDS_TO_ASK_AGAIN)
        try:
            return self._store.get(job.id)
        finally:
            self._forget(job.id)

    async def stop(self) -> None:
        """End all jobs."""
        self._translator.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, job: DocumentJob, request: DocumentRequest) -> None:
        try:
            keep = partial(self._store.keep, job.id)
            await self._translator.translate(request, job.progress, keep)
        except ServiceError as error:
            job.error = str(error)
        except Exception as error:
            log.error("unexpected error", **failure(error))  # noqa: TRY400 (its message may quote the document)
            job.error = FAILED
        finally:
            job.finished = True
            self._jobs[job.id] = self._jobs.pop(job.id)  # the latest to end
        asyncio.get_running_loop().call_later(self._seconds, self._forget, job.id)

    def _make_room(self) -> None:
        """Forget those that ended first. Of those under way there are never too many."""
        ended = [job.id for job in self._jobs.values() if job.finished]
        for job_id in ended[: max(0, len(self._jobs) - self._most + 1)]:
            self._forget(job_id)

    def _forget(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)
        self._store.remove(job_id)
