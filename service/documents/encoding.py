"""The bytes of a text file, as characters and back."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from service.errors import InvalidDocument

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_KNOWN = re.compile(
    r"utf-?8|utf-?16(?:le|be)?|(?:us-)?ascii|latin-?1|iso-?8859-?\d{1,2}|(?:windows-|cp)125\d"
    r"|koi8-[ru]|shift[_-]jis|euc-(?:jp|kr)|gb(?:2312|k|18030)|big5",
    re.IGNORECASE,
)
"""Encodings of text: codecs knows others that are none."""
_IN_BROWSERS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""What browsers take encodings for (https://encoding.spec.whatwg.org), by codecs' names. Each has
all characters of the other one, but for control characters."""
_C1 = re.compile(r"[\x80-\x9f]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text and how it was written."""

    text: str
    encoding: str
    mark: bytes = b""
    """The byte order mark, if there is one."""

    def encoded(self, text: str, errors: str = "strict") -> bytes:
        """Another text in the same way.

        Raises:
            UnicodeEncodeError: the encoding lacks a character, and errors is strict.
        """
        return self.mark + text.encode(self.encoding, errors)

    def encoded_or_utf8(self, text: str) -> bytes:
        """The same for a file that does not name its encoding: UTF-8 where it lacks a character."""
        try:
            return self.encoded(text)
        except UnicodeEncodeError:
            return text.encode("utf-8")


def decoded(
    content: bytes, declared: str | None = None, *, as_in_browsers: bool = False
) -> Decoded:
    """A text file: in the encoding of its byte order mark, the declared one, UTF-8, or else in
    Windows' variant of Latin-1.

    as_in_browsers: in the one that browsers take the declared one for, where the file needs that.

    Raises:
        InvalidDocument: the bytes are no text.
    """
    found = (
        _by_mark(content)
        or _as_declared(content, declared, as_in_browsers=as_in_browsers)
        or _guessed(content)
    )
    if _CONTROL.search(found.text):
        raise InvalidDocument("The file is not text (UTF-16 needs a byte order mark).")
    return found


def _by_mark(content: bytes) -> Decoded | None:
    for mark, name in _MARKS:
        if content.startswith(mark):
            return Decoded(_strictly(content[len(mark) :], name), name, mark)
    return None


def _as_declared(content: bytes, declared: str | None, *, as_in_browsers: bool) -> Decoded | None:
    if not declared:
        return None
    if not _KNOWN.fullmatch(declared):
        raise InvalidDocument("The file declares an encoding that is not known; use UTF-8.")
    found = _in_browsers(content, declared) if as_in_browsers else None
    return found or Decoded(_strictly(content, declared), declared)


def _in_browsers(content: bytes, declared: str) -> Decoded | None:
    """What browsers see, if the file is not well in the encoding that it declares."""
    try:
        name = _IN_BROWSERS.get(codecs.lookup(declared).name)
        if name and not _is_well(content, declared):
            return Decoded(content.decode(name), name)
    except (LookupError, UnicodeDecodeError):
        pass
    return None


def _is_well(content: bytes, name: str) -> bool:
    try:
        return not _C1.search(content.decode(name))
    except UnicodeDecodeError:
        return False


def _guessed(content: bytes) -> Decoded:
    for name in ("utf-8", "cp1252"):
        try:
            return Decoded(content.decode(name), name)
        except UnicodeDecodeError:
            continue
    return Decoded(content.decode("latin-1"), "latin-1")


def _strictly(content: bytes, name: str) -> str:
    try:
        return content.decode(name)
    except (UnicodeDecodeError, LookupError):
        raise InvalidDocument(f"The file is not {name.upper()}, as it says it is.") from None
