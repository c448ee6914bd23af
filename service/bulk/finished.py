"""What is finished of a file: translations in order, in a file that is only ever appended to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from service.errors import OtherWork

HOW_TO_GO_ON = "go on with what it was begun with, or give --restart to begin anew."


class Finished:
    """A JSON line for each translated record, with a digest of its text, behind one that says what
    the work is.

    A process that is killed leaves at most half a line, which is cut off when the next one goes on.
    """

    def __init__(self, path: Path, work: Mapping[str, object]) -> None:
        """Begin, or go on.

        Args:
            work: what decides the translations; plain values.

        Raises:
            OtherWork: what was begun is of other work.
        """
        self.path = path
        head = _line(dict(work))
        begun = path.exists() and path.stat().st_size > 0
        complete, self.count = _complete(path, head) if begun else (0, 0)
        self._file = path.open("r+b" if begun else "wb")
        self._file.truncate(complete)
        self._file.seek(complete)
        if not complete:
            self._file.write(head)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._file.close()

    def rest(self, texts: Iterator[str]) -> Iterator[str]:
        """The texts of all records without those that are finished.

        Raises:
            OtherWork: one of these is another text now. What comes behind them may change.
        """
        for number, (digest, _) in enumerate(self._records(), 1):
            text = next(texts, None)
            if text is None or _digest(text) != digest:
                raise OtherWork(f"{self.path} has another text as record {number}; {HOW_TO_GO_ON}")
        return texts

    def append(self, texts: Iterable[str], translations: Iterable[str]) -> None:
        """Add the translations of the next texts, and hand them to the operating system."""
        lines = [
            _line([_digest(text), translation])
            for text, translation in zip(texts, translations, strict=True)
        ]
        self._file.write(b"".join(lines))
        self._file.flush()
        self.count += len(lines)

    def translations(self) -> Iterator[str]:
        """All of them so far."""
        for _, translation in self._records():
            yield translation

    def _records(self) -> Iterator[tuple[str, str]]:
        with self.path.open("rb") as file:
            for line in islice(file, 1, None):
                digest, translation = json.loads(line)
                yield digest, translation


def _complete(path: Path, head: bytes) -> tuple[int, int]:
    """Bytes of complete lines, and how many records they have."""
    length = count = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            if length == 0 and line != head:
                raise OtherWork(f"{path} was begun with another model or options; {HOW_TO_GO_ON}")
            length += len(line)
            count += 1
    return length, max(0, count - 1)


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8"), digest_size=8).hexdigest()


def _line(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode("ascii") + b"\n"
