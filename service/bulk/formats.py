"""Files of records: where the text of each is, and where its translation goes."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from service.bulk.parquet import Parquet
from service.errors import InvalidRecord, UnknownFileFormat

SUFFIXES = ".txt, .tsv, .jsonl (each also with .gz), .parquet"


class Records(Protocol):
    """A file of records."""

    def count(self) -> int:
        """How many there are.

        Raises:
            InvalidRecord: one has no text.
        """

    def texts(self) -> Iterator[str]:
        """The text of each.

        Raises:
            InvalidRecord: one has none.
        """

    def write(self, translations: Iterator[str], destination: Path) -> None:
        """Write the records with their translations, one for each."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where things are in a record."""

    field: str = "text"
    """Key or column that has the text, in .jsonl and .parquet."""
    into: str = "translation"
    """Key or column that gets the translation there."""
    column: int = 1
    """Column that has the text in .tsv, from 1; the translation becomes the last one."""


def records(path: Path, place: Place) -> Records:
    """The records of a file, by its name.

    Raises:
        UnknownFileFormat: it has another ending.
        InvalidRecord: there can't be such a column.
    """
    if place.column < 1:
        raise InvalidRecord(f"There is no column {place.column}: the first one is 1.")
    kinds: dict[str, Any] = {".txt": Lines, ".tsv": Columns, ".jsonl": JsonLines}
    if path.suffix == ".parquet":
        return Parquet(path, place.field, place.into)
    kind = kinds.get(_kind(path))
    if kind is None:
        raise UnknownFileFormat(f"{path.name} is none of {SUFFIXES}.")
    found: Records = kind(path, place)
    return found


def require_same_kind(first: Path, second: Path) -> None:
    """Check that both are files of the same kind, whether or not they are compressed.

    Raises:
        UnknownFileFormat: they are not.
    """
    if _kind(first) != _kind(second):
        raise UnknownFileFormat(f"{second.name} must be a {_kind(first)} file, as the input is.")


def _kind(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix


class Lines:
    """A text a line. Line ends are kept as they are."""

    def __init__(self, path: Path, place: Place) -> None:
        self._path = path
        self._place = place

    def count(self) -> int:
        """How many there are, each of which is looked at."""
        return sum(1 for _ in self.texts())

    def texts(self) -> Iterator[str]:
        """The text of each."""
        for number, line in enumerate(self._lines(), 1):
            try:
                text = self._text(line.decode("utf-8").rstrip("\r\n"))
                text.encode("utf-8")  # JSON can spell half a surrogate pair, which is no text
            except ValueError as error:
                raise InvalidRecord(f"{self._path.name}, line {number}: {error}") from None
            yield text

    def write(self, translations: Iterator[str], destination: Path) -> None:
        """Write the records with their translations, one for each."""
        with _opened(destination, "wb") as file:
            for line, translation in zip(self._lines(), translations, strict=True):
                text = line.decode("utf-8")
                content = text.rstrip("\r\n")
                end = text[len(content) :]
                file.write((self._with(content, translation) + end).encode("utf-8"))

    def _lines(self) -> Iterator[bytes]:
        with _opened(self._path, "rb") as file:
            yield from file

    def _text(self, line: str) -> str:
        """The text of a line. Raises ValueError, which says what is missing."""
        return line

    def _with(self, line: str, translation: str) -> str:
        """A line's record with its translation."""
        return _in_one_line(translation)


class Columns(Lines):
    """Columns with tabs between them, without quotes; the translation becomes the last one."""

    def _text(self, line: str) -> str:
        columns = line.split("\t")
        if len(columns) < self._place.column:
            raise ValueError(
                f"has {len(columns)} columns, and column {self._place.column} is asked"
            )
        return columns[self._place.column - 1]

    def _with(self, line: str, translation: str) -> str:
        return f"{line}\t{_in_one_line(translation).replace(chr(9), ' ')}"


class JsonLines(Lines):
    """A JSON object a line."""

    def _text(self, line: str) -> str:
        found = json.loads(line)
        text = found.get(self._place.field) if isinstance(found, dict) else None
        if isinstance(text, str):
            return text
        raise ValueError(f"is not an object with a text named {self._place.field!r}")

    def _with(self, line: str, translation: str) -> str:
        return _json({**json.loads(line), self._place.into: translation})


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[IO[Any]]:
    """A file, through gzip if it is called so.

    Raises:
        UnknownFileFormat: gzip can't read it, or not to its end.
    """
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, mode) as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnknownFileFormat(f"{path.name} is no whole gzip file: {error}") from None


def _json(record: object) -> str:
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair in another field, to be kept as it was
        return json.dumps(record)
    return text


def _in_one_line(text: str) -> str:
    # Only this ends a record; a translation has it only if the model's vocabulary does.
    return text.replace("\n", " ")
