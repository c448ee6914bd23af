"""The readers of the formats. Loaded where documents are read, not in the service itself."""

from __future__ import annotations

from collections.abc import Callable

from service.documents import (
    epub,
    gettext_catalogue,
    json_values,
    markdown,
    office_open_xml,
    open_document,
    plain_text,
    subtitles,
    web_page,
    xliff,
)
from service.documents.contents import Contents, Limits
from service.errors import DocumentTooLarge

Reader = Callable[[bytes, Limits], Contents]
READERS: dict[str, Reader] = {
    ".txt": plain_text.read,
    ".md": markdown.read,
    ".markdown": markdown.read,
    ".html": web_page.read,
    ".htm": web_page.read,
    ".srt": subtitles.read_subrip,
    ".vtt": subtitles.read_webvtt,
    ".docx": office_open_xml.read_word,
    ".pptx": office_open_xml.read_slides,
    ".odt": open_document.read,
    ".epub": epub.read_book,
    ".po": gettext_catalogue.read,
    ".pot": gettext_catalogue.read,
    ".xlf": xliff.read,
    ".xliff": xliff.read,
    ".json": json_values.read,
}


def read(extension: str, content: bytes, limits: Limits) -> Contents:
    """Read a file.

    Raises:
        InvalidDocument: it is broken, or of another format.
        DocumentTooLarge: it is beyond a limit.
    """
    contents = READERS[extension](content, limits)
    lengths = [len(text) for text in contents.texts]
    if sum(lengths) > limits.max_characters:
        raise DocumentTooLarge(f"The document has more than {limits.max_characters} characters.")
    if max(lengths, default=0) > limits.max_paragraph_characters:
        raise DocumentTooLarge(
            f"A paragraph of the document has more than {limits.max_paragraph_characters} "
            "characters."
        )
    return contents
