"""Web pages (`.html`): what `format` `html` does to a text, paragraph by paragraph."""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.documents.contents import Limits
from service.documents.encoding import decoded
from service.documents.plain_text import replaced
from service.domain import Format
from service.text.document import document
from service.text.passage import Passage
from service.text.protection import NOTHING

_DECLARED = re.compile(
    rb"""<meta\s[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9._-]{1,40})""", re.IGNORECASE
)
_LOOKED_AT = 1024
"""Bytes in which browsers look for the encoding."""


class WebPage:
    """Contents of such a file."""

    format = Format.HTML

    def __init__(self, content: bytes) -> None:
        """Raises InvalidDocument if it is no text."""
        declared = _DECLARED.search(content[:_LOOKED_AT])
        name = declared[1].decode() if declared else None
        self._decoded = decoded(content, name, as_in_browsers=True)
        passages = document(self._decoded.text, Format.HTML, NOTHING).passages
        self._spans = [
            _span(passage) for passage in passages if any(map(str.isalpha, passage.text))
        ]
        self.texts = [self._decoded.text[slice(*span)] for span in self._spans]

    def filled(self, translations: Sequence[str], target: str) -> bytes:
        """The page with translated paragraphs."""
        text = replaced(self._decoded.text, self._spans, translations)
        return self._decoded.encoded(text, "xmlcharrefreplace")


def read(content: bytes, limits: Limits) -> WebPage:
    """Read a page."""
    return WebPage(content)


def _span(passage: Passage) -> tuple[int, int]:
    """What it takes of the page, with the tags at its ends."""
    starts = [passage.begins[0], *(tag.start for tag in passage.tags[:1])]
    ends = [passage.ends[-1], *(tag.end for tag in passage.tags[-1:])]
    return min(starts), max(ends)
