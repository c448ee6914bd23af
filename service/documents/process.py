"""python -m service.documents.process: read a document, or write it with its translations.

One document a process: whatever strangers sent ends with it. The parent limits memory and time, and
neither it nor anybody else is told more of an unforeseen error than its kind, as messages may quote
the document.
"""

from __future__ import annotations

import resource
import sys
from typing import BinaryIO

from pydantic_core import to_json

from service.documents.messages import TASK, TOO_COSTLY, Answer, Task, divided, joined
from service.errors import DocumentTooLarge, ServiceError


def main(source: BinaryIO, destination: BinaryIO) -> None:
    """Do what the task at the source says."""
    try:
        header, content = divided(source.read())
        answer, result = _done(TASK.validate_json(header), content)
    except ServiceError as error:
        answer, result = Answer(error=type(error).__name__, message=str(error)), b""
    except MemoryError:
        answer, result = Answer(error=DocumentTooLarge.__name__, message=TOO_COSTLY), b""
    except RecursionError:
        answer, result = Answer(error=DocumentTooLarge.__name__, message=TOO_DEEP), b""
    except Exception as error:
        answer, result = Answer(error="unforeseen", message=type(error).__name__), b""
    destination.write(joined(to_json(answer), result))


TOO_DEEP = "The document is nested too deep."


def _done(task: Task, content: bytes) -> tuple[Answer, bytes]:
    from service.documents import readers  # it counts what is imported here

    _limit(task)
    contents = readers.read(task.extension, content, task.limits)
    if task.translations is None:
        return Answer(texts=list(contents.texts), format=contents.format), b""
    return Answer(), contents.filled(task.translations, task.target)


def _limit(task: Task) -> None:
    """From here on the system refuses more."""
    size = task.memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (task.seconds, task.seconds + 1))


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
