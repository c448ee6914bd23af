"""One pipe for every log line: ours and those of the libraries, as JSON or for people.

The text of a request is never logged. Whoever logs an error that a request caused uses failure(),
because an exception's message may quote what it choked on.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Protocol, TextIO

import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

    from service.settings import ServerSettings

MAX_FRAMES = 12
"""Innermost frames of an unexpected error that are logged."""
MOST_LINES = 10_000
"""Lines that may wait to be written; what comes then is lost, and counted."""
SECONDS_TO_END = 2.0
"""For what still waits at the end."""


class LogStream(Protocol):
    """What lines are written to."""

    def write(self, text: str, /) -> object:
        """Write a line."""

    def flush(self) -> object:
        """Write what is kept back."""

    def isatty(self) -> bool:
        """Whether people look at it."""


class Background:
    """A stream that is written by a thread of its own. Written to by one thread at a time.

    A log that nobody reads, or a full disk, must stop nothing but the log.
    """

    def __init__(self, stream: TextIO, most_lines: int = MOST_LINES) -> None:
        self._stream = stream
        self._most_lines = most_lines
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._dropped = 0  # by write()
        self._failed = 0  # by the thread, as the next one
        self._told = 0
        self._thread = Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Lines that were not written, and not told of yet."""
        return self._dropped + self._failed - self._told

    def write(self, text: str) -> None:
        """Have a line written. Never waits."""
        if self._lines.qsize() < self._most_lines:
            self._lines.put(text)
        else:
            self._dropped += 1

    def flush(self) -> None:
        """The thread does so after each line."""

    def isatty(self) -> bool:
        """Whether people look at it."""
        return self._stream.isatty()

    def end(self) -> None:
        """Write what waits, if that is possible in time."""
        self._lines.put(None)
        self._thread.join(SECONDS_TO_END)

    def _run(self) -> None:
        while (text := self._lines.get()) is not None:
            self._failed += not self._written(text)
        self._written("")

    def _written(self, text: str) -> bool:
        lost = self.lost
        try:
            self._stream.write(f"{lost} lines of the log were lost\n{text}" if lost else text)
            self._stream.flush()
        except (OSError, ValueError):  # its reader has gone, the disk is full, or it was closed
            return False
        self._told += lost
        return True


@contextmanager
def background(stream: TextIO) -> Iterator[LogStream]:
    """A stream for configure() that nobody ever waits for. On leaving, what waits is written."""
    written = Background(stream)
    try:
        yield written
    finally:
        written.end()


def configure(settings: ServerSettings, stream: LogStream | None = None) -> None:
    """Send all log lines to the stream (standard error). Call it once, before serving."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings, stream or sys.stderr),
            ],
        )
    )
    # It calls a client's broken form an error, and quotes from it. The client is told.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())


def failure(error: BaseException) -> dict[str, object]:
    """What may be logged of an unexpected error: its type and where it was raised, no message."""
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    return {
        "error": type(error).__name__,
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def _renderers(settings: ServerSettings, stream: LogStream) -> list[Processor]:
    if settings.log_format == "console":
        return [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
