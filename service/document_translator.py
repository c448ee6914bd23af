"""The use case: a document in, the same document in another language out.

Its texts are translated in small requests one after the other, with the priority of bulk, so that a
document never takes more room than a page of text does, and shutting down waits for no more than
such a request.
"""

from __future__ import annotations

import asyncio
import posixpath
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from service.access.account import Charge, bill
from service.document_store import TranslatedDocument
from service.documents.file_types import MEDIA_TYPES
from service.documents.isolation import DocumentReader
from service.domain import DecodingOptions, Format, Priority, TranslationRequest
from service.errors import DeadlineExceeded, InvalidRequest, Overloaded, ShuttingDown
from service.settings import DecodingSettings, DocumentSettings
from service.source_language import ServedLanguages, TextTranslator
from service.text.document import document
from service.text.protection import NOTHING

TEXTS_TOGETHER = 64
CHARACTERS_TOGETHER = 4_000
RETRY_SECONDS = 1
UNKNOWN_SECONDS, MOST_SECONDS = 10, 60
"""When to come back to a full service where nothing is known, and at most."""
DETECTED_CHARACTERS = 5_000
"""Of a document, for finding out its language."""
LONGEST_NAME = 60
_TAG = re.compile(r"<[^<>]*>")

Keep = Callable[[TranslatedDocument], None]
"""Puts a document where its client can fetch it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRequest:
    """A file and what to do with it."""

    name: str
    """As the client calls it."""
    extension: str
    """One of file_types.MEDIA_TYPES."""
    content: bytes = field(repr=False)
    source: str
    """Empty: to be detected."""
    target: str

    @property
    def translated_name(self) -> str:
        """What the translated file is called: letters that any file system takes, and language."""
        stem = posixpath.splitext(posixpath.basename(self.name.replace("\\", "/")))[0]
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._")[:LONGEST_NAME] or "document"
        language = re.sub(r"[^A-Za-z0-9-]+", "", self.target)
        return f"{safe}_{language}{self.extension}"


@dataclass(slots=True, eq=False)
class Progress:
    """How far the translation of a document has got, for whoever asks."""

    begun: float | None = None
    """Monotonic seconds."""
    characters: int = 0
    """Of the whole document, once it was read."""
    done: int = 0
    """Those that are translated."""

    @property
    def seconds_left(self) -> int | None:
        """An estimate; None as long as nothing is known."""
        if self.begun is None or not self.done:
            return None
        passed = time.monotonic() - self.begun
        return max(1, round(passed * (self.characters - self.done) / self.done))


class DocumentTranslator:
    """Translates documents, a few at a time. Used on the event loop only."""

    def __init__(
        self,
        *,
        translator: TextTranslator,
        served: Callable[[], ServedLanguages],
        reader: DocumentReader,
        settings: DocumentSettings,
        decoding: DecodingSettings,
    ) -> None:
        """served: what can be translated now."""
        self._translator = translator
        self._served = served
        self._reader = reader
        self._settings = settings
        self._decoding = decoding
        self._places = asyncio.Semaphore(settings.at_once)
        self._waiting: list[Progress] = []
        """Of all documents that were let in and are not done."""
        self._open = True

    def require_room(self) -> None:
        """Refuse a document before it is read.

        Raises:
            Overloaded: too many are waiting.
            ShuttingDown: no more are taken.
        """
        if not self._open:
            raise ShuttingDown("The service is shutting down.", RETRY_SECONDS)
        if len(self._waiting) >= self._settings.max_waiting:
            raise Overloaded(
                "Too many documents are waiting; try again later.", self._seconds_to_room()
            )

    def _seconds_to_room(self) -> int:
        """When the first of the documents under way is expected to be done."""
        left = [one.seconds_left for one in self._waiting]
        known = [seconds for seconds in left if seconds is not None]
        return min([*known, MOST_SECONDS]) if known else UNKNOWN_SECONDS

    def close(self) -> None:
        """Take no more documents. Those under way end at their next request."""
        self._open = False

    def check(self, request: DocumentRequest) -> None:
        """Refuse what can't be done, before anything is.

        Raises:
            UnsupportedLanguage: the model does not translate this pair.
            InvalidRequest: the source is to be detected, and nothing detects it.
        """
        if request.source:
            self._served().languages.resolve(request.source, request.target)
            return
        self._served().languages.known(request.target)
        if self._served().source_languages is None:
            raise InvalidRequest("The source language must be given: languages are not detected.")

    async def translate(self, request: DocumentRequest, progress: Progress, keep: Keep) -> None:
        """Translate a document. Cancelling it frees what it holds.

        keep: takes the translated document, which is paid for only then.

        Raises:
            QuotaExceeded: its key has too few characters left for all of it.
            ServiceError: as check(), the reader, the translator and keep.
        """
        self.check(request)
        deadline = time.monotonic() + self._settings.deadline_seconds
        with self._waits(progress), bill() as charge:
            try:
                async with asyncio.timeout(self._settings.deadline_seconds), self._places:
                    keep(await self._translated(request, progress, deadline, charge))
            except TimeoutError:
                raise DeadlineExceeded("The document took longer than it may.") from None
            except asyncio.CancelledError:
                self.require_open()  # who stops the service does not leave, and is not charged
                raise

    @contextmanager
    def _waits(self, progress: Progress) -> Iterator[None]:
        self.require_room()
        self._waiting.append(progress)
        try:
            yield
        finally:
            self._waiting.remove(progress)

    async def _translated(
        self, request: DocumentRequest, progress: Progress, deadline: float, charge: Charge
    ) -> TranslatedDocument:
        self.require_open()
        progress.begun = time.monotonic()
        texts, form = await self._reader.texts(request.extension, request.content)
        progress.characters = sum(map(_characters, texts))
        source = request.source or await asyncio.to_thread(self._source, texts, request, form)
        charge(self._work(progress, source, request.target))
        translations: list[str] = []
        for part in _parts(texts):
            asked = self._request(part, source, request.target, form, deadline)
            translations += await self._translate(asked)
            progress.done += sum(map(_characters, part))
        content = await self._reader.filled(
            request.extension, request.content, translations, request.target
        )
        media_type = MEDIA_TYPES[request.extension]
        return TranslatedDocument(request.translated_name, media_type, content)

    def _work(self, progress: Progress, source: str, target: str) -> int:
        """Characters that are to be translated: none that are in the target language already."""
        languages = self._served().languages
        left_alone = languages.leaves_alone(languages.resolve(source, target))
        return 0 if left_alone else progress.characters

    def require_open(self) -> None:
        """Raises ShuttingDown if no more is to be done."""
        if not self._open:
            raise ShuttingDown("The service is shutting down.", RETRY_SECONDS)

    async def _translate(self, request: TranslationRequest) -> list[str]:
        """Translations of some texts, when there is room for them."""
        while True:
            self.require_open()
            try:
                return [one.text for one in await self._translator.translate(request)]
            except ShuttingDown:
                raise
            except Overloaded as error:
                await asyncio.sleep(error.retry_after_seconds)

    def _request(
        self, texts: Sequence[str], source: str, target: str, form: Format, deadline: float
    ) -> TranslationRequest:
        options: DecodingOptions = self._decoding.options()
        return TranslationRequest(
            texts=tuple(texts),
            source=source,
            target=target,
            options=options,
            deadline=deadline,
            priority=Priority.BULK,
            format=form,
            retry_repetitions=self._decoding.retry_repetitions,
        )

    def _source(self, texts: Sequence[str], request: DocumentRequest, form: Format) -> str:
        """The language that most of a document's beginning is in."""
        source_languages = self._served().source_languages
        assert source_languages is not None  # check() has seen to it
        beginning: list[str] = []
        length = 0
        for text in texts:
            if length >= DETECTED_CHARACTERS:
                break
            beginning.append(document(text, form, NOTHING).words)
            length += len(beginning[-1])
        (found,) = source_languages.for_target(["\n".join(beginning)], request.target)
        return found.language


def _characters(text: str) -> int:
    """How many characters of a text can be seen."""
    return len(_TAG.sub("", text))


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts, some at a time."""
    part: list[str] = []
    length = 0
    for text in texts:
        if part and (len(part) == TEXTS_TOGETHER or length + len(text) > CHARACTERS_TOGETHER):
            yield part
            part, length = [], 0
        part.append(text)
        length += len(text)
    if part:
        yield part
