"""A text of some format → a document of passages."""

from __future__ import annotations

from service.domain import Format
from service.text import html
from service.text.passage import Document


def document(text: str, form: Format, *, protect: bool) -> Document:
    """Read a text.

    protect: whether placeholders and addresses are kept as they are.
    """
    if form is Format.HTML:
        return html.document(text, protect=protect)
    return Document.plain(text, protect=protect)
