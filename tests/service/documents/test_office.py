"""Office documents and books: opened again by other programs, the same but for their text."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import docx
import pptx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from service.errors import InvalidDocument
from tests.service.documents import office_samples as samples
from tests.service.documents.reading import contents, filled, members, translated
from tests.service.text.any_model import AnyModel

SAMPLES = {
    ".docx": samples.word_document(),
    ".pptx": samples.slides(),
    ".odt": samples.open_document(),
    ".epub": samples.book(),
}


@pytest.mark.parametrize("extension", SAMPLES)
def test_identity(extension: str) -> None:
    found = filled(extension, SAMPLES[extension])
    assert list(members(found).items()) == list(members(SAMPLES[extension]).items())


def skeleton(content: bytes, runs: frozenset[str]) -> Iterator[object]:
    """Every element with its path and attributes, but for runs, and the words of each paragraph."""
    for element in etree.fromstring(content.replace(b"&nbsp;", b"&#160;")).iter():
        path = [str(one.tag) for one in element.iterancestors()]
        if element.tag not in runs and not runs & set(path):
            yield path, element.tag, sorted(element.attrib.items())


W, A = (
    "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}",
    ("{http://schemas.openxmlformats.org/drawingml/2006/main}"),
)
RUNS = {
    ".docx": frozenset([f"{W}r", f"{W}proofErr"]),
    ".pptx": frozenset([f"{A}r"]),
    ".odt": frozenset[str](),
    ".epub": frozenset[str](),
}
HELD = ("xml", "xhtml", "ncx", "rels")


@pytest.mark.parametrize("extension", SAMPLES)
def test_nothing_but_text_changes(extension: str) -> None:
    before = members(SAMPLES[extension])
    behind = members(translated(extension, SAMPLES[extension]))
    assert list(before) == list(behind)
    changed = [name for name in before if before[name] != behind[name]]
    assert changed
    for name in changed:
        elements = (skeleton(one[name], RUNS[extension]) for one in (before, behind))
        first, second = (sorted(map(repr, one)) for one in elements)
        assert first == second
        texts = (
            "".join(etree.fromstring(one[name].replace(b"&nbsp;", b" ")).itertext())
            for one in (before, behind)
        )
        first, second = (sorted("".join(one.split())) for one in texts)
        assert first == second


def test_a_word_document_opens_again() -> None:
    document = docx.Document(io.BytesIO(translated(".docx", SAMPLES[".docx"])))
    title, formatted, same, tabbed, *_ = document.paragraphs
    assert (title.text, title.style and title.style.name) == ("titre grand Un", "Heading 1")
    assert [(run.text, run.bold, run.italic) for run in formatted.runs] == [
        ("lit. ", None, None),
        ("grand", None, True),
        (" le sur dort ", None, None),
        ("noir", True, None),
        (" chat Le", None, None),
    ]
    assert [run.text for run in same.runs] == ["parties. trois en mot Un"]
    assert tabbed.text == ": Nom\tJean\nLyon : Ville"
    assert document.tables[0].cell(0, 1).text == "cellules Deux"
    assert document.sections[0].header.paragraphs[0].text == "secret document Un"


def paragraph_of(content: bytes, text: str) -> bytes:
    """The paragraph of a Word document that has this text."""
    (found,) = (
        etree.tostring(one)
        for one in etree.fromstring(members(content)["word/document.xml"]).iter(f"{W}p")
        if text in "".join(one.itertext())
    )
    return bytes(found)


def test_fields_links_changes_and_boxes() -> None:
    found = translated(".docx", SAMPLES[".docx"])
    number = paragraph_of(found, " page La")
    assert (
        number.index(b"begin") < number.index(b"PAGE") < number.index(b">7<") < number.index(b"end")
    )
    indexed = paragraph_of(found, "rare")
    assert indexed.index(b">rare") < indexed.index(b"Le")
    assert b' XE "mot" ' in indexed
    link = paragraph_of(found, "site")
    assert link.index(b"separate") < link.index(b"site le") < link.index(b'"end"')
    assert b"<w:hyperlink" in paragraph_of(found, "suite")
    crossed = paragraph_of(found, "renvoi un")
    assert crossed.index(b"REF") < crossed.index(b"<w:hyperlink") < crossed.index(b"renvoi un")
    changes = paragraph_of(found, "nouveau")
    assert b"<w:delText>ancien" in changes
    assert b"nouveau" in changes[changes.index(b"<w:ins") : changes.index(b"</w:ins")]
    document = members(found)["word/document.xml"]
    assert b"boite la Dans" in document
    assert b"nom un</w:t></w:r></w:sdtContent>" in document


@pytest.mark.parametrize("prefix", ["", "w:", "ns-1.x:"])
def test_formatting_in_any_prefix_of_the_namespace(prefix: str) -> None:
    body = (
        "<document{}><body><p><r><rPr><lang/></rPr><t>Le chat </t></r><r><t>blanc </t></r>"
        "<r><rPr><b/></rPr><t>noir</t></r><r><rPr/><t> dort.</t></r></p></body></document>"
    )
    prefixed = re.sub(r"<(/?)(\w)", rf"<\1{prefix}\2", body)
    name = f"xmlns:{prefix[:-1]}" if prefix else "xmlns"
    document = prefixed.format(f' {name}="{W[1:-1]}"')
    file = samples.packed({"word/document.xml": document})
    (text,) = contents(".docx", file).texts
    assert re.sub(r"\d+", "n", text) == "Le chat blanc <x-n>noir</x-n> dort."
    found = etree.fromstring(members(translated(".docx", file))["word/document.xml"])
    (bold,) = found.iter(f"{W}b")
    run = bold.getparent().getparent()
    assert "".join(run.itertext()) == "noir"


words = st.lists(
    st.sampled_from(["le ", "chat", " noir", ". Un", " ", "&", "<b>", "{x}"]), max_size=6
)


@given(st.lists(st.tuples(words, st.booleans(), st.booleans()), max_size=5), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_any_runs(runs: list[tuple[list[str], bool, bool]], seed: int) -> None:
    document = docx.Document()
    paragraph = document.add_paragraph()
    for text, bold, tab in runs:
        run = paragraph.add_run("".join(text))
        run.bold = bold or None
        if tab:
            run.add_tab()
    file = io.BytesIO()
    document.save(file)
    found = docx.Document(io.BytesIO(translated(".docx", file.getvalue(), AnyModel(seed))))
    (behind,) = found.paragraphs
    assert behind.text.count("\t") == paragraph.text.count("\t")
    assert behind.text.count("{x}") == paragraph.text.count("{x}")
    styles = {(run.bold, run.italic) for run in behind.runs if run.text}
    assert styles <= {(run.bold, run.italic) for run in paragraph.runs}


def test_slides_open_again() -> None:
    presentation = pptx.Presentation(io.BytesIO(translated(".pptx", SAMPLES[".pptx"])))
    first, second = presentation.slides
    assert (first.shapes.title.text, second.shapes.title.text) == ("0 titre Un", "1 titre Un")
    frame = first.placeholders[1].text_frame
    assert [(run.text, run.font.bold) for run in frame.paragraphs[0].runs] == [
        ("dort ", None),
        ("noir", True),
        (" chat Le", None),
    ]
    assert first.notes_slide.notes_text_frame.text == "moi pour note Une"
    assert first.shapes[-1].table.cell(0, 0).text == "cellule Une"


def test_the_order_of_slides_is_that_of_their_numbers() -> None:
    titles = [text for text in contents(".pptx", SAMPLES[".pptx"]).texts if "titre" in text]
    assert titles == ["Un titre 0", "Un titre 1"]


def test_an_open_document() -> None:
    found = members(translated(".odt", SAMPLES[".odt"]))
    content = found["content.xml"].decode()
    assert "titre grand Un</text:h>" in content
    assert "<text:p>fin. &amp; note Une</text:p></text:note-body>" in content
    assert "<text:span text:style-name='T1'>noir</text:span> chat Le" in content
    assert "<text:p>Remarque</text:p>" in content
    assert ">noir point<text:alphabetical-index-mark text:string-value='point'/> Un<" in content
    assert "<text:page-number>3</text:page-number>" in content
    assert "<text:p>tete En</text:p>" in found["styles.xml"].decode()


def test_a_book() -> None:
    content = translated(".epub", SAMPLES[".epub"])
    assert content[30:58] == b"mimetypeapplication/epub+zip"  # first and not packed
    found = members(content)
    page = found["OEBPS/text/page 1.xhtml"].decode()
    assert '<title>titre Un</title><script src="a.js"/>' in page
    assert '<b class="x">noir</b> chat Le<br/>fin. <code>x = 1</code> Puis</p>' in page
    assert "<pre>un  deux</pre>" in page
    assert '<p class="notranslate">rien</p>' in page
    assert "Chapitre&nbsp;un" in page
    assert "<text>livre Un</text>" in found["OEBPS/toc.ncx"].decode()
    assert b"<dc:title>Un livre" in found["OEBPS/book.opf"]


def test_a_page_in_another_encoding() -> None:
    page = samples.PAGE.replace("utf-8", "iso-8859-1").replace("Texte", "été là").encode("latin-1")
    archive = samples.packed(members(samples.book()) | {"OEBPS/text/page 1.xhtml": page})
    found = members(translated(".epub", archive))["OEBPS/text/page 1.xhtml"]
    assert "là été".encode("latin-1") in found


def renamed(name: str) -> bytes:
    """The book with another name of its page."""
    found = members(samples.book())
    found[f"OEBPS/{name}"] = found.pop("OEBPS/text/page 1.xhtml")
    package = found["OEBPS/book.opf"].decode().replace("text/page%201.xhtml", name)
    return samples.packed(found | {"OEBPS/book.opf": package.encode()})


def without_flags_of_names(content: bytes) -> bytes:
    """The archive as Info-ZIP's `zip -X` makes it: nothing says that names are UTF-8."""
    found = bytearray(content)
    for signature, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        start = -1
        while (start := found.find(signature, start + 1)) >= 0:
            found[start + place] &= ~0x08
    return bytes(found)


@pytest.mark.parametrize("name", ["été.xhtml", "日本.xhtml"])
def test_names_in_utf8_that_nothing_says_are(name: str) -> None:
    book = without_flags_of_names(renamed(name))
    assert f"OEBPS/{name}" not in members(book)
    found = members(translated(".epub", book))
    assert "<title>titre Un</title>" in found[f"OEBPS/{name}"].decode()
    assert sorted(found) == sorted(members(renamed(name)))


def test_names_whose_accents_are_apart() -> None:
    book = members(renamed("été.xhtml"))
    apart = unicodedata.normalize("NFD", "OEBPS/été.xhtml")
    book[apart] = book.pop("OEBPS/été.xhtml")
    found = members(translated(".epub", samples.packed(book)))
    assert "<title>titre Un</title>" in found[apart].decode()


def test_names_in_the_encoding_of_dos() -> None:
    whole = members(samples.book()) | {"OEBPS/cafe.png": b"x"}
    book = samples.packed(whole).replace(b"OEBPS/cafe", b"OEBPS/caf\x82")
    assert members(filled(".epub", book))["OEBPS/café.png"] == b"x"


def test_a_book_that_lacks_a_page_is_refused() -> None:
    lacking = members(samples.book())
    del lacking["OEBPS/text/page 1.xhtml"]
    with pytest.raises(InvalidDocument, match="lacks 1 of the 2 parts with text"):
        contents(".epub", samples.packed(lacking))


def test_pages_elsewhere_are_not_looked_for() -> None:
    book = members(samples.book())
    item = (
        b'<item id="w" href="https://a.fr/b.xhtml" media-type="application/xhtml+xml"/></manifest>'
    )
    book["OEBPS/book.opf"] = book["OEBPS/book.opf"].replace(b"</manifest>", item)
    assert len(contents(".epub", samples.packed(book)).texts) == len(
        contents(".epub", samples.book()).texts
    )


@pytest.mark.parametrize("extension", SAMPLES)
def test_what_is_another_archive_is_refused(extension: str) -> None:
    with pytest.raises(InvalidDocument):
        contents(extension, samples.packed({"a.txt": "un mot"}))


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.parametrize("extension", [".docx", ".pptx", ".odt"])
def test_libreoffice_opens_it(extension: str, tmp_path: Path) -> None:
    file = tmp_path / f"document{extension}"
    file.write_bytes(translated(extension, SAMPLES[extension]))
    profile = f"-env:UserInstallation=file://{tmp_path / 'profile'}"
    convert = ["soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", str(tmp_path)]
    subprocess.run([*convert, str(file)], check=True, capture_output=True, timeout=300)
    assert file.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
