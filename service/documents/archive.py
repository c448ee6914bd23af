"""Documents that are ZIP archives: members out, and the archive with some of them replaced."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from copy import copy

from service.errors import DocumentTooLarge, InvalidDocument

MOST_MEMBERS = 10_000
BLOCK = 1 << 16
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_IS_ENCRYPTED = 0x1
_IS_UTF8 = 0x800
BROKEN = "The file is not a whole ZIP archive, as this format is."


class Archive:
    """An archive whose members are all in memory. Nothing is ever written to a disk."""

    def __init__(self, content: bytes, max_expanded_bytes: int) -> None:
        """Unpack.

        Raises:
            InvalidDocument: it is no such archive, is encrypted, or has a member twice.
            DocumentTooLarge: too many members, or too many bytes, whatever the archive says of
                their number.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                self._infos = _checked(list(map(_named, archive.infolist())))
                self._members = _unpacked(archive, self._infos, max_expanded_bytes)
                self._comment = archive.comment
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError):
            raise InvalidDocument(BROKEN) from None
        except (NotImplementedError, RuntimeError):
            raise InvalidDocument("The archive is packed in an unusual way.") from None

    @property
    def names(self) -> list[str]:
        """Of all members, in order."""
        return list(self._members)

    def __getitem__(self, name: str) -> bytes:
        """A member."""
        return self._members[name]

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def with_members(self, replaced: Mapping[str, bytes]) -> bytes:
        """The archive with other contents of some members; the rest keep every byte, and all keep
        their order, times and attributes."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.comment = self._comment
            for info in self._infos:
                content = replaced.get(info.filename, self._members[info.filename])
                archive.writestr(_fresh(info), content)
        return packed.getvalue()


def _named(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """The member by its name in UTF-8 if it can be that: `zip` may not say that it is, and then it
    is read as one of DOS."""
    if not info.flag_bits & _IS_UTF8 and info.filename == info.orig_filename:
        with suppress(UnicodeError):
            info.filename = info.orig_filename.encode("cp437").decode("utf-8")
    return info


def _checked(infos: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    if len(infos) > MOST_MEMBERS:
        raise DocumentTooLarge(f"The archive has more than {MOST_MEMBERS} members.")
    if len({info.filename for info in infos}) < len(infos):
        raise InvalidDocument("The archive has a member twice.")
    for info in infos:
        if info.flag_bits & _IS_ENCRYPTED:
            raise InvalidDocument("The document is encrypted; save it without a password.")
        if info.compress_type not in _METHODS:
            raise InvalidDocument("The archive is packed in an unusual way.")
        if _leads_outside(info.filename):
            raise InvalidDocument("The archive has a member whose name leads outside of it.")
    return infos


def _leads_outside(name: str) -> bool:
    """Nothing is unpacked to a disk here, but whoever opens the translation may do so."""
    return name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name


def _unpacked(
    archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], max_bytes: int
) -> dict[str, bytes]:
    too_large = DocumentTooLarge(f"The document has more than {max_bytes} bytes when unpacked.")
    if sum(info.file_size for info in infos) > max_bytes:
        raise too_large
    members: dict[str, bytes] = {}
    left = max_bytes
    for info in infos:
        parts = []
        with archive.open(info) as member:
            while block := member.read(BLOCK):
                left -= len(block)
                if left < 0:
                    raise too_large
                parts.append(block)
        members[info.filename] = b"".join(parts)
    return members


def _fresh(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """A copy to be written: sizes and places are worked out anew."""
    fresh = copy(info)
    fresh.extra = b""  # it may hold sizes
    return fresh
