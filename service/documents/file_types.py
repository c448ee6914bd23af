"""The formats by the ends of files' names, and by what files begin with."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile

from service.errors import UnsupportedDocument

_OFFICE = "application/vnd.openxmlformats-officedocument"
MEDIA_TYPES = {
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".docx": f"{_OFFICE}.wordprocessingml.document",
    ".pptx": f"{_OFFICE}.presentationml.presentation",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".epub": "application/epub+zip",
    ".po": "text/x-gettext-translation",
    ".pot": "text/x-gettext-translation",
    ".xlf": "application/xliff+xml",
    ".xliff": "application/xliff+xml",
    ".json": "application/json",
}
_ZIP = b"PK\x03\x04"
_MEMBERS = {
    "word/document.xml": ".docx",
    "ppt/presentation.xml": ".pptx",
    "META-INF/container.xml": ".epub",
    "content.xml": ".odt",
}
_LOOKED_AT = 4096
_BEGINNINGS = (
    (re.compile(rb"WEBVTT"), ".vtt"),
    (re.compile(rb"(?s).{0,2000}<xliff[\s>]"), ".xliff"),
    (re.compile(rb"(?is)\s*<(?:!doctype\s+html|html|head|body)[\s>]"), ".html"),
    (re.compile(rb"(?s)\s*\d+\s*\r?\n\s*\d+:\d\d:\d\d[,.]\d+\s*-->"), ".srt"),
    (re.compile(rb'(?s)(?:#[^\n]*\n|\s)*msgid\s*"'), ".po"),
    (re.compile(rb"\s*[{\[]\s*[\"{\[\]}\d]"), ".json"),
)


def extension_of(name: str, content: bytes) -> str:
    """The end of a file's name if it has one, else that of the format that the file seems to have.

    Raises:
        UnsupportedDocument: there is no such format.
    """
    extension = posixpath.splitext(name.replace("\\", "/"))[1].lower()
    found = extension or _by_content(content)
    if found not in MEDIA_TYPES:
        known = ", ".join(MEDIA_TYPES)
        raise UnsupportedDocument(f"Files of this type are not translated; those are: {known}.")
    return found


def _by_content(content: bytes) -> str:
    if content.startswith(_ZIP):
        return _by_members(content)
    start = content[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf")
    return next((end for pattern, end in _BEGINNINGS if pattern.match(start)), ".txt")


def _by_members(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError):
        return ""
    return next((end for member, end in _MEMBERS.items() if member in names), "")
