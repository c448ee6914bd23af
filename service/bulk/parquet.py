"""Parquet files, a batch of rows at a time, by pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from service.errors import InvalidRecord, UnknownFileFormat

ROWS = 1024
"""In memory at a time."""


class Parquet:
    """A column of texts. Rows without one (null) have a translation without words."""

    def __init__(self, path: Path, field: str, into: str) -> None:
        """Raises:
        UnknownFileFormat: pyarrow is not installed, or the file is not Parquet.
        InvalidRecord: it has no such column, or one that is not of texts.
        """
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise UnknownFileFormat(
                ".parquet files need pyarrow: pip install 'seq2serve[parquet]'."
            ) from None
        self._arrow: Any = pyarrow
        self._path, self._field, self._into = path, field, into
        try:
            self._schema = pyarrow.parquet.read_schema(path)
        except pyarrow.ArrowInvalid as error:
            raise UnknownFileFormat(f"{path.name} is not a Parquet file: {error}") from None
        if field not in self._schema.names:
            names = ", ".join(self._schema.names)
            raise InvalidRecord(f"{path.name} has no column {field!r}; it has {names}.")
        kind = self._schema.field(field).type
        if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
            raise InvalidRecord(f"{path.name}: column {field!r} is {kind}, not text.")
        if into in self._schema.names:
            raise InvalidRecord(
                f"{path.name} has a column {into!r} already; name another (--into)."
            )

    def count(self) -> int:
        """How many there are."""
        return int(self._arrow.parquet.read_metadata(self._path).num_rows)

    def texts(self) -> Iterator[str]:
        """The text of each."""
        for batch in self._batches([self._field]):
            for value in batch.column(0):
                yield value.as_py() or ""

    def write(self, translations: Iterator[str], destination: Path) -> None:
        """Write the rows with their translations, one for each."""
        text = self._arrow.string()
        schema = self._schema.append(self._arrow.field(self._into, text))
        with self._arrow.parquet.ParquetWriter(destination, schema) as writer:
            for batch in self._batches(None):
                added = self._arrow.array(list(islice(translations, len(batch))), text)
                columns = [*batch.columns, added]
                writer.write_batch(self._arrow.RecordBatch.from_arrays(columns, schema=schema))

    def _batches(self, columns: list[str] | None) -> Iterator[Any]:
        with self._arrow.parquet.ParquetFile(self._path) as file:
            yield from file.iter_batches(ROWS, columns=columns)
