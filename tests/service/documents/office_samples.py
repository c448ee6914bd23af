"""Documents of office programs, made by libraries that know nothing of ours, and by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import docx
import pptx
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from pptx.util import Inches

FRENCH = "Le chat noir dort sur le grand lit."


def packed(members: Mapping[str, str | bytes], *, stored: tuple[str, ...] = ()) -> bytes:
    """A ZIP archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            method = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            archive.writestr(name, content, compress_type=method)
    return file.getvalue()


def word_document() -> bytes:
    """Formatting, a link, a table, a field, a note, a text box, a header and tracked changes."""
    document = docx.Document()
    document.add_heading("Un grand titre", 1)
    paragraph = document.add_paragraph("Le chat ")
    paragraph.add_run("noir").bold = True
    paragraph.add_run(" dort sur le ")
    paragraph.add_run("grand lit").italic = True
    paragraph.add_run(".")
    same = document.add_paragraph()
    for part in ("Un mot ", "en trois ", "parties."):
        same.add_run(part)
    tabbed = document.add_paragraph("Nom :\tJean")
    tabbed.add_run().add_break()
    tabbed.add_run("Ville : Lyon")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Une cellule", "Deux cellules"
    document.sections[0].header.paragraphs[0].text = "Un document secret"
    for xml in (LINK, PAGE_NUMBER, INDEXED, OLD_LINK, CROSSED, CHANGES, TEXT_BOX, CONTROL):
        document.element.body.insert(-1, parse_xml(xml))
    document.add_paragraph("Fin du document.")
    return _saved(document)


def _saved(document: docx.document.Document) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


_W = nsdecls("w")
LINK = (
    f"<w:p {_W}><w:r><w:t xml:space='preserve'>Voir la </w:t></w:r>"
    "<w:proofErr w:type='spellStart'/>"
    "<w:hyperlink w:anchor='a'><w:r><w:rPr><w:b/></w:rPr><w:t>page web</w:t></w:r></w:hyperlink>"
    "<w:bookmarkStart w:id='1' w:name='a'/><w:r><w:t xml:space='preserve"
    "'> pour la suite.</w:t></w:r><w:bookmarkEnd w:id='1'/></w:p>"
)
PAGE_NUMBER = (
    f"<w:p {_W}><w:r><w:t xml:space='preserve'>La page </w:t></w:r>"
    "<w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r>"
    "<w:r><w:fldChar w:fldCharType='separate'/></w:r><w:r><w:t>7</w:t></w:r>"
    "<w:r><w:fldChar w:fldCharType='end'/></w:r><w:r><w:t xml:space='preserve'> suit</w:t>"
    "</w:r></w:p>"
)
INDEXED = (
    f"<w:p {_W}><w:r><w:t>Le mot</w:t></w:r><w:r><w:fldChar w:fldCharType='begin'/></w:r>"
    '<w:r><w:instrText> XE "mot" </w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>'
    "<w:r><w:t xml:space='preserve'> rare</w:t></w:r></w:p>"
)
"""An entry of the index stands directly behind its word."""
OLD_LINK = (
    f"<w:p {_W}><w:r><w:t xml:space='preserve'>Voir </w:t></w:r>"
    "<w:r><w:fldChar w:fldCharType='begin'/></w:r>"
    '<w:r><w:instrText>HYPERLINK "http://a.fr"</w:instrText></w:r>'
    "<w:r><w:fldChar w:fldCharType='separate'/></w:r><w:r><w:rPr><w:u w:val='single'/></w:rPr>"
    "<w:t>le site</w:t></w:r><w:r><w:fldChar w:fldCharType='end'/></w:r></w:p>"
)
CROSSED = (
    f"<w:p {_W}><w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>REF a</w:instrText>"
    "</w:r><w:hyperlink w:anchor='a'><w:r><w:fldChar w:fldCharType='separate'/></w:r><w:r><w:t>un "
    "renvoi</w:t></w:r><w:r><w:fldChar w:fldCharType='end'/></w:r></w:hyperlink></w:p>"
)
"""A field that begins before a link and ends in it."""
CHANGES = (
    f"<w:p {_W}><w:r><w:t xml:space='preserve'>Un texte </w:t></w:r>"
    "<w:del w:id='5' w:author='A'><w:r><w:delText>ancien</w:delText></w:r></w:del>"
    "<w:ins w:id='6' w:author='A'><w:r><w:t>nouveau</w:t></w:r></w:ins></w:p>"
)
TEXT_BOX = (
    f"<w:p {_W} xmlns:v='urn:schemas-microsoft-com:vml'><w:r><w:t xml:space='preserve'>Avant "
    "</w:t></w:r><w:r><w:pict><v:shape><v:textbox><w:txbxContent><w:p><w:r><w:t>Dans la "
    "boite</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict></w:r>"
    "<w:r><w:t>la boite</w:t></w:r></w:p>"
)
CONTROL = (
    f"<w:p {_W}><w:r><w:t xml:space='preserve'>Votre nom : </w:t></w:r><w:sdt><w:sdtPr/>"
    "<w:sdtContent><w:r><w:t>un nom</w:t></w:r></w:sdtContent></w:sdt></w:p>"
)


def slides() -> bytes:
    """Two slides with formatted text, a table and notes."""
    presentation = pptx.Presentation()
    for number in range(2):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = f"Un titre {number}"
        frame = slide.placeholders[1].text_frame
        frame.text = "Le chat "
        run = frame.paragraphs[0].add_run()
        run.text, run.font.bold = "noir", True
        frame.paragraphs[0].add_run().text = " dort"
        frame.add_paragraph().text = "Une autre ligne"
        slide.notes_slide.notes_text_frame.text = "Une note pour moi"
        table = slide.shapes.add_table(1, 1, Inches(1), Inches(4), Inches(2), Inches(1)).table
        table.cell(0, 0).text = "Une cellule"
    file = io.BytesIO()
    presentation.save(file)
    return file.getvalue()


_OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
_ODT_NAMES = (
    f"xmlns:office='{_OFFICE}:office:1.0' xmlns:text='{_OFFICE}:text:1.0' "
    f"xmlns:style='{_OFFICE}:style:1.0' xmlns:table='{_OFFICE}:table:1.0' "
    "xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:xlink='http://www.w3.org/1999/xlink' "
    "office:version='1.3'"
)
CONTENT = f"""<?xml version='1.0' encoding='UTF-8'?>
<office:document-content {_ODT_NAMES}><office:automatic-styles>\
<style:style style:name='T1' style:family='text'/></office:automatic-styles><office:body>\
<office:text><text:h text:outline-level='1'>Un grand titre</text:h>
<text:p>Le chat <text:span text:style-name='T1'>noir</text:span> dort<text:note text:id='n1' \
text:note-class='footnote'><text:note-citation>1</text:note-citation><text:note-body><text:p>Une \
note &amp; fin.</text:p></text:note-body></text:note> sur le lit.</text:p>
<text:p>Un  <text:s text:c='2'/>mot<text:line-break/>puis<text:tab/>deux <text:page-number>3\
</text:page-number><office:annotation><dc:creator>A</dc:creator><text:p>Remarque</text:p>\
</office:annotation></text:p><text:list><text:list-item><text:p>Un point\
<text:alphabetical-index-mark text:string-value='point'/> noir</text:p>\
</text:list-item></text:list><table:table><table:table-column/><table:table-row><table:table-cell>\
<text:p>Une cellule</text:p></table:table-cell></table:table-row></table:table>\
<text:p><text:a xlink:href='http://a.fr' xlink:type='simple'>Un lien</text:a></text:p><text:p/>
</office:text></office:body></office:document-content>"""
STYLES = f"""<?xml version='1.0' encoding='UTF-8'?>
<office:document-styles {_ODT_NAMES}><office:master-styles><style:master-page \
style:name='Standard'><style:header><text:p>En tete</text:p></style:header></style:master-page>\
</office:master-styles></office:document-styles>"""
_ODT = "application/vnd.oasis.opendocument.text"
_MANIFEST = f"""<?xml version='1.0' encoding='UTF-8'?>
<manifest:manifest xmlns:manifest='{_OFFICE}:manifest:1.0' manifest:version='1.3'>\
<manifest:file-entry manifest:full-path='/' manifest:media-type='{_ODT}'/>\
<manifest:file-entry manifest:full-path='content.xml' manifest:media-type='text/xml'/>\
<manifest:file-entry manifest:full-path='styles.xml' manifest:media-type='text/xml'/>\
<manifest:file-entry manifest:full-path='Pictures/a.bin' manifest:media-type=''/>\
</manifest:manifest>"""


def open_document(content: str = CONTENT) -> bytes:
    """An OpenDocument text."""
    members: dict[str, str | bytes] = {
        "mimetype": _ODT,
        "content.xml": content,
        "styles.xml": STYLES,
        "Pictures/a.bin": bytes(range(256)),
        "META-INF/manifest.xml": _MANIFEST,
    }
    return packed(members, stored=("mimetype",))


PAGE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Un titre</title><script src="a.js"/>
<style>p { color: red }</style></head><body><h1 id='a'>Chapitre&nbsp;un</h1>
<p>Le chat <b class="x">noir</b> dort<img src="i.png" alt="x"/> l&#xe0;.<br/>Puis \
<code>x = 1</code> fin.</p><pre>un  deux</pre><p class="notranslate">rien</p>
<!-- note --><div>Texte <i/>seul</div></body></html>
"""
_PACKAGE = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" version="2.0" unique-identifier="b"><metadata
xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Un livre</dc:title><dc:language>fr\
</dc:language><dc:identifier id="b">b</dc:identifier></metadata><manifest>
<item id="p" href="text/page%201.xhtml" media-type="application/xhtml+xml"/>
<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/></manifest>
<spine toc="n"><itemref idref="p"/></spine></package>"""
_NCX = """<?xml version="1.0"?>
<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1"><head/><docTitle><text>Un livre\
</text></docTitle><navMap><navPoint id="n1" playOrder="1"><navLabel><text>Chapitre un</text>\
</navLabel><content src="text/page%201.xhtml"/></navPoint></navMap></ncx>"""
_CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>"""


def book(page: str = PAGE) -> bytes:
    """A book of one page."""
    members: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": _CONTAINER,
        "OEBPS/book.opf": _PACKAGE,
        "OEBPS/toc.ncx": _NCX,
        "OEBPS/text/page 1.xhtml": page,
        "OEBPS/i.png": b"\x89PNG",
    }
    return packed(members, stored=("mimetype",))
