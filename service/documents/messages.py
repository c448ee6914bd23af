"""What the service and a process that reads documents say to each other: a header and a file."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from service.documents.contents import Limits
from service.domain import Format

LENGTH_BYTES = 4
TOO_COSTLY = "Reading the document takes more time or memory than it may."


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to do with a file."""

    extension: str
    limits: Limits
    memory_mb: int
    """Most address space of the process (MiB)."""
    seconds: int
    """Most processor time."""
    target: str = ""
    translations: list[str] | None = None
    """None: read the texts; else write the file with these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it."""

    texts: list[str] = field(default_factory=list)
    format: Format = Format.TEXT
    error: str = ""
    """Name of a ServiceError, or "unforeseen"."""
    message: str = ""


TASK = TypeAdapter(Task)
ANSWER = TypeAdapter(Answer)


def joined(header: bytes, content: bytes) -> bytes:
    """One message."""
    return len(header).to_bytes(LENGTH_BYTES, "big") + header + content


def divided(message: bytes) -> tuple[bytes, bytes]:
    """Its header and its file."""
    end = LENGTH_BYTES + int.from_bytes(message[:LENGTH_BYTES], "big")
    return message[LENGTH_BYTES:end], message[end:]
