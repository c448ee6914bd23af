"""Parse multipart forms: in memory, and with a bounded number of parts."""

from __future__ import annotations

from python_multipart import create_form_parser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File

from service.errors import InvalidRequest

MAX_FIELDS = 10_000
TOO_MANY_FIELDS = f"Invalid request: more than {MAX_FIELDS} fields"
IN_MEMORY = {"MAX_MEMORY_FILE_SIZE": float("inf")}
"""Nothing that a client sends is written to a disk."""

Pairs = list[tuple[str, str]]


def parse_multipart(content_type: str, body: bytes) -> tuple[Pairs, list[File]]:
    """The fields and the files of a form, in order.

    Raises:
        InvalidRequest: it is broken, not UTF-8, or has too many of them.
    """
    parts = _Parts()
    headers = {"Content-Type": content_type.encode("latin-1")}
    try:
        parser = create_form_parser(headers, parts.add_field, parts.add_file, IN_MEMORY)
        parser.write(body)
        parser.finalize()
        pairs = [
            ((field.field_name or b"").decode("utf-8"), (field.value or b"").decode("utf-8"))
            for field in parts.fields
        ]
    except UnicodeDecodeError:
        raise InvalidRequest("Invalid request: the form is not UTF-8") from None
    except (FormParserError, ValueError):
        raise InvalidRequest("Invalid request: the multipart form is broken") from None
    return pairs, parts.files


class _Parts:
    """What was parsed so far. More than there may be end the parsing."""

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.files: list[File] = []

    def add_field(self, field: Field) -> None:
        self.fields.append(field)
        self._count()

    def add_file(self, file: File) -> None:
        self.files.append(file)
        self._count()

    def _count(self) -> None:
        if len(self.fields) + len(self.files) > MAX_FIELDS:
            raise InvalidRequest(TOO_MANY_FIELDS)
