"""A text of some format → a document of passages."""

from __future__ import annotations

from service.domain import SPLITTING, Format, Splitting, TagRules
from service.text import html, xml
from service.text.passage import Document
from service.text.protection import EVERYTHING, Protection

NO_RULES = TagRules()
_MARKUP = {Format.HTML: html.document, Format.XML: xml.document}


def document(
    text: str,
    form: Format,
    protection: Protection = EVERYTHING,
    *,
    splitting: Splitting | None = None,
    rules: TagRules = NO_RULES,
) -> Document:
    """Read a text.

    splitting: None is as the format has it.

    Raises:
        InvalidRequest: it is not what the format says.
    """
    splitting = splitting or SPLITTING[form]
    if form in _MARKUP:
        lines = splitting is Splitting.LINES
        return _MARKUP[form](text, protection, rules=rules, lines=lines)
    return Document.plain(text, protection, splitting)
