"""JSON (`.json`): string values are translated. Keys, numbers, order and spacing stay."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from pydantic_core import from_json

from service.documents.contents import Limits
from service.documents.encoding import decoded
from service.documents.plain_text import replaced
from service.domain import Format
from service.errors import InvalidDocument

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"')
_COLON = re.compile(r"\s*:")


class JsonValues:
    """Contents of such a file."""

    format = Format.TEXT

    def __init__(self, content: bytes) -> None:
        """Raises InvalidDocument if it is no JSON, or nested too deep."""
        self._decoded = decoded(content)
        text = self._decoded.text
        try:
            from_json(text, allow_inf_nan=False)
        except ValueError as error:
            raise InvalidDocument(f"The file is not JSON: {error}.") from None
        strings = (match.span() for match in _STRING.finditer(text))
        values = [span for span in strings if not _COLON.match(text, span[1])]
        found = [(span, json.loads(text[slice(*span)])) for span in values]
        kept = [(span, value) for span, value in found if any(map(str.isalpha, value))]
        self._spans = [span for span, _ in kept]
        self.texts = [value for _, value in kept]

    def filled(self, translations: Sequence[str], target: str) -> bytes:
        """The file with translated values."""
        text = self._decoded.text
        ascii_only = text.isascii() and "\\u" in text
        written = [json.dumps(one, ensure_ascii=ascii_only) for one in translations]
        kept = [
            text[slice(*span)] if one == source else other
            for span, source, one, other in zip(
                self._spans, self.texts, translations, written, strict=True
            )
        ]
        return self._decoded.encoded_or_utf8(replaced(text, self._spans, kept))


def read(content: bytes, limits: Limits) -> JsonValues:
    """Read a file of texts."""
    return JsonValues(content)
