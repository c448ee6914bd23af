"""Word documents (`.docx`) and presentations (`.pptx`).

Of a document the body, headers, footers, footnotes and endnotes are translated, of a presentation
the slides and their notes, of both diagrams and charts. Comments stay as they are. Text deleted by
a tracked change stays deleted.

Text stands in runs, each with its formatting (`w:r`, `w:rPr`, `w:t`; in drawings `a:r`, `a:rPr`,
`a:t`). The formatting that most of a paragraph's text has needs no mark; a run with another one is
shown to the translator as an element. Paragraphs are written with as many runs as that takes, each
with one of the paragraph's own formattings, byte for byte.

ECMA-376, part 1, chapters 17 and 21.1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from service.documents.archive import Archive
from service.documents.contents import Limits
from service.documents.fields import with_fields
from service.documents.tagged import Item, Kind, Mark
from service.documents.xml_archive import XmlArchive
from service.documents.xml_paragraphs import Form, Paragraph, Role, Rules, Source, XmlText
from service.documents.xml_tokens import Token, What
from service.errors import InvalidDocument

_OPENXML = "http://schemas.openxmlformats.org/"
_STRICT = "http://purl.oclc.org/ooxml/"
_PREFIXES = {
    f"{_OPENXML}wordprocessingml/2006/main": "w",
    f"{_STRICT}wordprocessingml/main": "w",
    f"{_OPENXML}drawingml/2006/main": "a",
    f"{_STRICT}drawingml/main": "a",
    f"{_OPENXML}officeDocument/2006/math": "m",
    f"{_STRICT}officeDocument/math": "m",
    f"{_OPENXML}markup-compatibility/2006": "mc",
    "http://schemas.microsoft.com/office/drawing/2010/main": "a14",
}
_WORD_MEMBER = re.compile(
    r"word/(?:document|header\d*|footer\d*|footnotes|endnotes|charts/chart\d+"
    r"|diagrams/(?:data|drawing)\d*)\.xml"
)
_SLIDES_MEMBER = re.compile(
    r"ppt/(?:(?:slides/slide|notesSlides/notesSlide|charts/chart)\d+|diagrams/(?:data|drawing)\d*)"
    r"\.xml"
)
_ROLES = {
    "w:r": Role.RUN,
    "a:r": Role.RUN,
    "w:pPr": Role.UNTOUCHED,
    "a:pPr": Role.UNTOUCHED,
    "a:endParaRPr": Role.UNTOUCHED,
    "w:hyperlink": Role.INLINE,
    "w:ins": Role.INLINE,
    "w:moveTo": Role.INLINE,
    "w:smartTag": Role.INLINE,
    "w:customXml": Role.INLINE,
    "w:dir": Role.INLINE,
    "w:bdo": Role.INLINE,
    "w:del": Role.OPAQUE,
    "w:moveFrom": Role.OPAQUE,
    "w:sdt": Role.POINT,
    "mc:AlternateContent": Role.POINT,
    "w:fldSimple": Role.WORD,
    "m:oMath": Role.WORD,
    "m:oMathPara": Role.WORD,
    "a14:m": Role.WORD,
    "a:fld": Role.WORD,
    "a:br": Role.BREAK,
    "w:proofErr": Role.GONE,
    **dict.fromkeys(("w:smartTagPr", "w:customXmlPr"), Role.BREAK),
    **dict.fromkeys(
        (
            *("w:bookmarkStart", "w:bookmarkEnd", "w:commentRangeStart", "w:commentRangeEnd"),
            *("w:permStart", "w:permEnd", "w:moveFromRangeStart", "w:moveFromRangeEnd"),
            *("w:moveToRangeStart", "w:moveToRangeEnd"),
        ),
        Role.OPAQUE,
    ),
}
_CHILDREN = {
    "w:tab": Kind.BREAK,
    "w:ptab": Kind.BREAK,
    "w:br": Kind.BREAK,
    "w:cr": Kind.BREAK,
}
"""Of a run, besides text."""
_PROPERTIES = {"w:rPr", "a:rPr"}
_TEXTS = {"w:t", "a:t"}
_CHARACTERS = {"w:noBreakHyphen": "\u2011", "w:softHyphen": ""}
_LEFT_OUT = {"w:lastRenderedPageBreak"}
_FORMATTING = re.compile(
    rb"<(?:[\w.-]+:)?rPr\b.*</(?:[\w.-]+:)?rPr>|<(?:[\w.-]+:)?rPr\b[^>]*/>", re.DOTALL
)
"""Of a run; the prefix of its namespace may be any, or none."""
_NO_FORMATTING = re.compile(
    rb"<(?:[\w.-]+:)?(?:lang|noProof)\b[^>]*/>"
    rb'|\s(?:lang|altLang|dirty|err|smtClean|noProof)="[^"]*"'
)
"""What spelling checkers note about a run."""
_EMPTY = re.compile(rb"<((?:[\w.-]+:)?rPr)\s*(?:/>|></\1>)")
_NAME = re.compile(rb"<([^\s/>]+)")


def read_word(content: bytes, limits: Limits) -> XmlArchive:
    """Read a Word document.

    Raises:
        InvalidDocument, DocumentTooLarge: see service.documents.archive and xml_tokens.
    """
    return _read(content, limits, "word/document.xml", _WORD_MEMBER)


def read_slides(content: bytes, limits: Limits) -> XmlArchive:
    """Read a presentation.

    Raises:
        InvalidDocument, DocumentTooLarge: as for Word documents.
    """
    return _read(content, limits, "ppt/presentation.xml", _SLIDES_MEMBER)


def _read(content: bytes, limits: Limits, needed: str, members: re.Pattern[str]) -> XmlArchive:
    archive = Archive(content, limits.max_expanded_bytes)
    if needed not in archive:
        raise InvalidDocument(f"The archive has no {needed}, as this format does.")
    names = sorted(filter(members.fullmatch, archive.names), key=_by_number)
    return XmlArchive(archive, [(name, _RULES) for name in names])


def _by_number(name: str) -> tuple[str, int]:
    """slide2 before slide10."""
    number = re.search(r"\d+", name)
    return re.sub(r"\d+", "", name), int(number[0]) if number else 0


def _role(token: Token) -> Role:
    return _ROLES.get(token.name, Role.BLOCK)


def _add_run(text: XmlText, index: int, paragraph: Paragraph) -> None:
    """Add what is in a run."""
    first, last = index + 1, text.tokens[index].partner
    opening = text.slice((text.tokens[index].start, text.tokens[index].end))
    ending = text.slice(text.bytes_of(last))
    properties = b""
    while first < last:
        token = text.tokens[first]
        span = text.bytes_of(first)
        if token.name in _PROPERTIES:
            properties = text.slice(span)
        elif token.what is What.START:
            _add_child(text, first, paragraph, Form(opening + properties, ending))
        first = max(first, token.partner) + 1


def _add_child(text: XmlText, index: int, paragraph: Paragraph, run: Form) -> None:
    token = text.tokens[index]
    if token.name in _TEXTS:
        inside = text.tokens[index + 1 : token.partner]
        _add_text(paragraph, "".join(one.text for one in inside), _text_form(text, index, run))
    elif token.name in _CHARACTERS:
        paragraph.add_text(_CHARACTERS[token.name])
    elif token.name not in _LEFT_OUT:
        parts = (run.before, text.bytes_of(index), run.after)
        paragraph.add(_CHILDREN.get(token.name, Kind.POINT), Source(parts))


def _text_form(text: XmlText, index: int, run: Form) -> Form:
    """What is around text: the run and the element for text, which must keep its space."""
    token = text.tokens[index]
    found = _NAME.match(text.content, token.start)
    name = found[1] if found else b""
    space = b' xml:space="preserve"' if token.name == "w:t" else b""
    return Form(run.before + b"<" + name + space + b">", b"</" + name + b">" + run.after)


def _add_text(paragraph: Paragraph, text: str, form: Form) -> None:
    """Add text as an element of its formatting; _without_most_used() takes most of them away."""
    if not text:
        return
    if paragraph.items and paragraph.items[-1:] == [_closing(paragraph)]:
        last = paragraph.items[-1]
        assert isinstance(last, Mark)
        known = paragraph.sources[last.number].form
        if known is not None and _key(known) == _key(form):
            paragraph.items.pop()
            paragraph.add_text(text)
            paragraph.items.append(last)
            return
    number = paragraph.add(Kind.OPEN, Source(form=form))
    paragraph.add_text(text)
    paragraph.close(number, Source(form=form))


def _closing(paragraph: Paragraph) -> Item | None:
    """The last item if it ends text of one formatting."""
    last = paragraph.items[-1]
    if not isinstance(last, Mark) or last.kind is not Kind.CLOSE:
        return None
    return last if paragraph.closings[last.number].form else None


def _key(form: Form) -> bytes:
    """The same for runs that look the same."""
    properties = _FORMATTING.search(form.before)
    seen = _NO_FORMATTING.sub(b"", properties[0]) if properties else b""
    return b"" if _EMPTY.fullmatch(seen) else seen


def _finish(text: XmlText, paragraph: Paragraph) -> None:
    """Put fields together, and make the formatting that most text has the paragraph's own."""
    with_fields(text, paragraph)
    amounts: Counter[bytes] = Counter()
    forms: dict[bytes, Form] = {}
    for number, length in _lengths(paragraph.items):
        form = paragraph.sources[number].form
        if form is not None:
            amounts[_key(form)] += length
            forms.setdefault(_key(form), form)
    if not amounts:
        return
    most_used = amounts.most_common(1)[0][0]
    paragraph.form = forms[most_used]
    plain = {
        number
        for number, source in enumerate(paragraph.sources)
        if source.form is not None and _key(source.form) == most_used
    }
    paragraph.items = _joined(
        item
        for item in paragraph.items
        if not isinstance(item, Mark)
        or item.number not in plain
        or item.kind not in (Kind.OPEN, Kind.CLOSE)
    )


def _lengths(items: Iterable[Item]) -> Iterable[tuple[int, int]]:
    """Number of each formatting's mark and the characters behind it."""
    opened = -1
    for item in items:
        if isinstance(item, Mark):
            opened = item.number if item.kind is Kind.OPEN else -1
        elif opened >= 0:
            yield opened, len(item)


def _joined(items: Iterable[Item]) -> list[Item]:
    paragraph = Paragraph()
    for item in items:
        if isinstance(item, Mark):
            paragraph.items.append(item)
        else:
            paragraph.add_text(item)
    return paragraph.items


_RULES = Rules(
    prefixes=_PREFIXES,
    role=_role,
    holds_text=("w:p", "a:p", "w:sdtContent").__contains__,
    loose_text=False,
    run=_add_run,
    finish=_finish,
)
