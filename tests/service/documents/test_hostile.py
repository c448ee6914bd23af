"""Files made to harm: refused with a sentence, in bounded time and memory."""

from __future__ import annotations

import io
import struct
import zipfile
from contextlib import suppress

import pytest

from service.documents.contents import Limits
from service.documents.file_types import MEDIA_TYPES, extension_of
from service.documents.readers import READERS, read
from service.errors import (
    DocumentTooLarge,
    InvalidDocument,
    ServiceError,
    UnsupportedDocument,
)
from tests.service.documents import office_samples as samples
from tests.service.documents.reading import LIMITS, contents, members, translated

ENTITIES = (
    '<!DOCTYPE a [<!ENTITY x "lol">'
    + "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 9)).replace("x0;", "x;")
    + "]>"
)
EXTERNAL = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
PARAMETER = '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x.dtd"> %x;]>'


def odt(body: str, doctype: str = "") -> bytes:
    """An OpenDocument text of such a paragraph."""
    start, _, rest = samples.CONTENT.partition("?>\n")
    return samples.open_document(f"{start}?>{doctype}\n{rest.replace('Un grand titre', body)}")


@pytest.mark.parametrize("doctype", [ENTITIES, EXTERNAL, PARAMETER], ids=["bomb", "file", "dtd"])
@pytest.mark.parametrize("extension", [".odt", ".xlf", ".epub"])
def test_entities_are_refused(doctype: str, extension: str) -> None:
    file = {
        ".odt": lambda: odt("&x8;&x;", doctype),
        ".xlf": lambda: f"<?xml version='1.0'?>{doctype}<xliff>&x8;&x;</xliff>".encode(),
        ".epub": lambda: samples.book(f"<?xml version='1.0'?>{doctype}<html>&x;</html>"),
    }[extension]()
    with pytest.raises(InvalidDocument, match="entities"):
        contents(extension, file)


def test_an_external_dtd_is_not_read() -> None:
    page = samples.PAGE.replace("http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd", "/etc/passwd")
    assert "root:" not in " ".join(contents(".epub", samples.book(page)).texts)


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "..\\a", "C:\\a", "\\\\a\\b"])
def test_names_that_lead_outside_are_refused(name: str) -> None:
    file = members(samples.open_document()) | {name: b"x"}
    with pytest.raises(InvalidDocument, match="leads outside"):
        contents(".odt", samples.packed(file))


def test_a_declared_bomb_is_refused() -> None:
    file = members(samples.open_document()) | {"a": bytes(LIMITS.max_expanded_bytes)}
    with pytest.raises(DocumentTooLarge, match="when unpacked"):
        contents(".odt", samples.packed(file))


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    """The directory says ten bytes; what is packed is a hundred million."""
    file = bytearray(samples.packed({"content.xml": bytes(100_000_000)}))
    directory = file.index(b"PK\x01\x02")
    struct.pack_into("<L", file, directory + 24, 10)
    with pytest.raises(ServiceError):
        contents(".odt", bytes(file))


def test_a_bomb_of_overlapping_members_is_refused() -> None:
    """As Fifield's (2019): many directory entries lead to the same packed bytes."""
    file = samples.packed({"content.xml": bytes(9_000_000)})
    start = file.index(b"PK\x01\x02")
    entry, end = file[start : file.index(b"PK\x05\x06")], file[file.index(b"PK\x05\x06") :]
    entries = b"".join(entry.replace(b"content.xml", b"content.%03d" % n) for n in range(500))
    counts = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 500, 500, len(entries), start, 0)
    assert len(end) == len(counts)
    with pytest.raises((DocumentTooLarge, InvalidDocument)):
        contents(".odt", file[:start] + entries + counts)


def test_too_many_members_are_refused() -> None:
    file = {f"a/{number}": b"" for number in range(10_001)}
    with pytest.raises(DocumentTooLarge, match="members"):
        contents(".docx", samples.packed(file))


def test_an_archive_inside_of_an_archive_is_not_opened() -> None:
    inner = samples.packed({"x": bytes(5_000_000)})
    found = translated(".odt", samples.packed(members(samples.open_document()) | {"a.zip": inner}))
    assert members(found)["a.zip"] == inner


def test_a_member_that_comes_twice_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("content.xml", "<a/>")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("content.xml", "<b/>")
    with pytest.raises(InvalidDocument, match="twice"):
        contents(".odt", file.getvalue())


def test_an_encrypted_archive_is_refused() -> None:
    file = bytearray(samples.open_document())
    file[file.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InvalidDocument, match="encrypted"):
        contents(".odt", bytes(file))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_unusual_packing_is_refused(method: int) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("content.xml", samples.CONTENT)
    with pytest.raises(InvalidDocument, match="unusual"):
        contents(".odt", file.getvalue())


def test_broken_archives_are_refused() -> None:
    whole = samples.word_document()
    for end in range(0, len(whole), len(whole) // 50):
        with pytest.raises(InvalidDocument):
            contents(".docx", whole[:end])


def test_bytes_changed_anywhere_do_no_harm() -> None:
    whole = samples.open_document()
    for place in range(0, len(whole), 7):
        file = bytearray(whole)
        file[place] ^= 0xFF
        with suppress(InvalidDocument, DocumentTooLarge):
            assert list(members(translated(".odt", bytes(file))))


@pytest.mark.parametrize(
    ("extension", "file"),
    [
        (".odt", odt("<text:span>" * 300 + "</text:span>" * 300)),
        (".xlf", b"<xliff>" + b"<g>" * 100_000),
        (".epub", samples.book("<html xmlns='http://www.w3.org/1999/xhtml'>" + "<b>" * 100_000)),
    ],
    ids=["odt", "xlf", "epub"],
)
def test_deep_nesting_is_refused(extension: str, file: bytes) -> None:
    with pytest.raises(DocumentTooLarge, match="nested"):
        contents(extension, file)


def test_too_much_text_is_refused() -> None:
    with pytest.raises(DocumentTooLarge, match="more than 100000 characters"):
        contents(".txt", "un mot\n" * 20_000)
    with pytest.raises(DocumentTooLarge, match="paragraph"):
        contents(".txt", "un mot " * 4_000)


@pytest.mark.parametrize(
    ("extension", "text"),
    [
        (".md", "[" * 8_000),
        (".md", "*" * 20_000),
        (".md", "[a](" * 5_000),
        (".md", "`" * 10_000 + "a"),
        (".md", "> " * 5_000 + "a"),
        (".md", "- " * 5_000 + "a"),
        (".md", "<" * 20_000),
        (".md", "![" * 4_000),
        (".md", "&" * 20_000),
        (".md", "---\n" * 5_000),
        (".md", "---\r\n" + "a\r\n" * 1_000),
        (".md", "+++\n" + "\r" * 9_000 + "\n" * 9_000),
        (".md", "|a" * 500 + "\n" + "|-" * 500 + "\n" + "|b" * 500),
        (".srt", "1\n00:00:01,000 --> 00:00:02,000\n" + "<i>" * 5_000 + "a"),
        (".srt", "1\n00:00:01,000 --> 00:00:02,000\n" + "<" * 19_000 + "a"),
        (".srt", "1\n00:00:01,000 --> 00:00:02,000\n" + "{\\" * 9_000 + "a"),
        (".po", 'msgid "' + "\\" * 20_000 + '"\n'),
        (".po", 'msgid "a"\n' + '""\n' * 20_000),
        (".json", '["' + "\\\\" * 9_000 + '"]'),
        (".html", "<p " * 20_000),
        (".html", "<b>" * 20_000 + "a"),
        (".txt", "\r" * 90_000),
        (".txt", " " * 300_000),
        (".txt", "\n" + "\t" * 300_000 + "\n"),
    ],
    ids=lambda value: value[:12],
)
def test_patterns_take_no_time(extension: str, text: str) -> None:
    """Each of these would take minutes if any pattern were not linear."""
    with suppress(InvalidDocument, DocumentTooLarge):
        assert translated(extension, text)


def test_formats_and_readers_are_the_same() -> None:
    assert list(READERS) == list(MEDIA_TYPES)


@pytest.mark.parametrize("extension", READERS)
def test_any_reader_refuses_other_bytes_politely(extension: str) -> None:
    for content in (
        b"",
        b"\0" * 100,
        b"\xff\xfe",
        b"PK\x03\x04" + bytes(100),
        b"<",
        b"{",
        b"\x1f\x8b",
    ):
        with suppress(InvalidDocument, DocumentTooLarge):
            assert isinstance(read(extension, content, LIMITS).texts, list)


@pytest.mark.parametrize("name", ["a", "a.pdf", "a.docx.exe", "a.DOC"])
def test_other_files_are_refused(name: str) -> None:
    content = b"PK\x03\x04" if name == "a" else b"un mot"
    with pytest.raises(UnsupportedDocument, match=r"\.docx, "):
        extension_of(name, content)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (samples.word_document(), ".docx"),
        (samples.slides(), ".pptx"),
        (samples.open_document(), ".odt"),
        (samples.book(), ".epub"),
        (b"WEBVTT\n", ".vtt"),
        (b"\xef\xbb\xbf1\r\n00:00:01,000 --> 00:00:02,000\r\nUn\r\n", ".srt"),
        (b'# x\nmsgid ""\n', ".po"),
        (b'{"a": 1}', ".json"),
        (b"<?xml version='1.0'?>\n<xliff version='1.2'>", ".xliff"),
        (b"<!doctype html><p>a", ".html"),
        (b"un mot", ".txt"),
    ],
)
def test_a_file_without_a_name_is_known_by_its_contents(content: bytes, expected: str) -> None:
    assert extension_of("", content) == expected
    assert extension_of("Lettre.DOCX", content) == ".docx"


def test_limits_count_all_members() -> None:
    small = Limits(max_expanded_bytes=1_000, max_characters=10, max_paragraph_characters=10)
    with pytest.raises(DocumentTooLarge):
        read(".odt", samples.open_document(), small)
