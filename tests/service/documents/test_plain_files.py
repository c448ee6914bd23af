"""Text, JSON, pages and catalogues: what is translated, and that all else stays."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import polib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.documents.plain_text import replaced
from service.errors import InvalidDocument
from tests.service.documents.reading import contents, filled, translated
from tests.service.text.test_html import elements


def test_a_text_is_translated_line_by_line() -> None:
    text = "le chat\r\n\r\n\t un mot \n12\nfin"
    assert translated(".txt", text) == b"chat le\r\n\r\n\t mot un \n12\nfin"


@given(st.text())
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    try:
        found = filled(".txt", text)
    except InvalidDocument:
        assert any(character < " " for character in text)
    else:
        assert found.decode() == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_stays(encoding: str) -> None:
    found = translated(".txt", "très été\n".encode(encoding))
    assert found == "été très\n".encode(encoding)


def test_utf16_of_either_order() -> None:
    content = b"\xfe\xff" + "un mot".encode("utf-16-be")
    assert translated(".txt", content) == b"\xfe\xff" + "mot un".encode("utf-16-be")


def test_a_character_that_the_encoding_lacks_makes_it_utf8() -> None:
    found = filled(".txt", "été".encode("cp1252"), lambda text: "лето")
    assert found.decode() == "лето"


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\0\0", "mot".encode("utf-16-le"), b"PK\3\4"]
)
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidDocument, match="not text"):
        contents(".txt", content)


def test_empty_files_stay_empty() -> None:
    for extension in (".txt", ".md", ".html", ".srt", ".po"):
        assert translated(extension, b"") == b""


@pytest.mark.parametrize("spans", [[(0, 3), (2, 4)], [(4, 5), (0, 1)]])
def test_no_text_is_replaced_twice(spans: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="overlap"):
        replaced("un mot", spans, ["a", "b"])


def test_json_values_are_translated() -> None:
    text = '{"le chat" : "le chat", "b":[1.50, "un {x} mot", null, true],\n "c":"\\u00e9t\\u00e9"}'
    expected = (
        '{"le chat" : "chat le", "b":[1.50, "mot {x} un", null, true],\n "c":"\\u00e9t\\u00e9"}'
    )
    assert translated(".json", text).decode() == expected


values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def upper(value: Any) -> Any:
    """The value with every string with a letter in capitals."""
    if isinstance(value, str):
        return value.upper()
    if isinstance(value, list):
        return [upper(one) for one in value]
    if isinstance(value, dict):
        return {key: upper(one) for key, one in value.items()}
    return value


@given(values, st.sampled_from([None, 1]), st.booleans())
def test_the_structure_of_json_stays(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert filled(".json", text).decode() == text
    assert json.loads(filled(".json", text, str.upper)) == upper(value)


@pytest.mark.parametrize("text", ["", "{", "[1,]", '{"a":NaN}', '"\\ud800"', "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidDocument, match="not JSON"):
        contents(".json", text)


PAGE = """<!DOCTYPE html><html lang=fr><head><meta charset="{}"><title>un titre</title></head><body>
<p>le <b>chat</b> noir</p><script>var a = "un mot";</script><p translate=no>rien du tout</p>
<ul><li>été là<li>deux <i>mots</i></ul></body></html>
"""


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_pages(encoding: str) -> None:
    page = PAGE.format(encoding)
    assert filled(".html", page.encode(encoding)) == page.encode(encoding)
    found = translated(".html", page.encode(encoding)).decode(encoding)
    assert elements(found) == elements(page)
    assert "<p>noir <b>chat</b> le</p>" in found
    assert "<li>là été<li><i>mots</i> deux</ul>" in found
    assert '"un mot"' in found
    assert "rien du tout" in found


def test_a_pages_encoding_may_lack_a_character() -> None:
    page = PAGE.format("iso-8859-1").encode("iso-8859-1")
    assert b"&#1083;" in filled(".html", page, lambda text: text.replace("titre", "л"))


@pytest.mark.parametrize(
    ("label", "encoding", "text"),
    [
        ("iso-8859-1", "cp1252", "J’aime l’eau — et vous ?"),
        ("Latin1", "cp1252", "J’aime l’eau — et vous ?"),
        ("us-ascii", "cp1252", "J’aime l’été"),
        ("iso-8859-9", "cp1254", "l’ığdır"),
        ("gb2312", "gb18030", "朱镕基"),
        ("gbk", "gb18030", "㐀 朱镕基"),
        ("shift_jis", "cp932", "①Ⅱ㈱ の 髙"),
        ("euc-kr", "cp949", "똠방각하"),
    ],
)
def test_a_pages_encoding_is_what_browsers_take_it_for(
    label: str, encoding: str, text: str
) -> None:
    page = f"<meta charset={label}><p>{text}</p>".encode(encoding)
    assert contents(".html", page).texts == [text]
    assert filled(".html", page) == page
    found = filled(".html", page, lambda text: f"“{text}”").decode(encoding)
    assert unescape(found) == page.decode(encoding).replace(text, f"“{text}”")


def test_a_page_that_is_what_it_says_stays_so() -> None:
    page = "<meta charset=iso-8859-1><p>été</p>".encode("latin-1")
    assert b"\xe9 &#8212;" in filled(".html", page, lambda text: f"{text} —")
    assert b"caf&#233;" in filled(".html", b"<meta charset=ascii><p>bar</p>", lambda text: "café")
    unused = b"<meta charset=iso-8859-1><p>\x81 mot</p>"  # which Windows' variant lacks
    assert filled(".html", unused) == unused


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(InvalidDocument, match="encoding"):
        contents(".html", PAGE.format("unicode_escape"))


CATALOGUE = r"""# Translators
#, fuzzy
msgid ""
msgstr ""
"Language: en\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\n"

#. note
#: a.c:1
#, c-format
msgid "%d fichier"
msgid_plural "%d fichiers lus"
msgstr[0] ""
msgstr[1] ""

#, fuzzy
#| msgid "ancien"
msgctxt "menu"
msgid "le chat"
msgstr "the dog"

msgid ""
"un mot\n"
"deux \"mots\"\n"
msgstr ""

msgid "fait"
msgstr "done"

#~ msgid "vieux"
#~ msgstr ""
"""


def test_a_catalogue_is_filled_in() -> None:
    found = translated(".po", CATALOGUE).decode()
    before, behind = polib.pofile(CATALOGUE), polib.pofile(found)
    plural, doubtful, lines, done = (entry for entry in behind if not entry.obsolete)
    assert plural.msgstr_plural == {0: "fichier %d", 1: "lus fichiers %d"}
    assert (doubtful.msgstr, doubtful.flags) == ("chat le", ["fuzzy"])
    assert lines.msgstr == 'mot un\n"mots" deux\n'
    assert done.msgstr == "done"
    assert behind.metadata == before.metadata
    left = [line for line in CATALOGUE.splitlines() if "msgstr" not in line]
    assert left == [line for line in found.splitlines() if line in left]


def test_a_catalogue_whose_first_form_is_not_that_of_one() -> None:
    header = CATALOGUE.replace("nplurals=2; plural=(n > 1)", "nplurals=2; plural=(n == 1)")
    (plural, *_) = polib.pofile(translated(".po", header).decode())
    assert plural.msgstr_plural == {0: "lus fichiers %d", 1: "fichier %d"}


# polib takes Unicode's line separators for ends of lines.
texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), include_characters='\n\t\\"')
)


@given(st.lists(st.tuples(texts.filter(bool), texts, st.booleans()), unique_by=lambda one: one[0]))
@settings(deadline=None)
def test_any_catalogue(entries: list[tuple[str, str, bool]]) -> None:
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=utf-8"}
    for msgid, msgstr, fuzzy in entries:
        flags = ["fuzzy"] if fuzzy else []
        catalogue.append(polib.POEntry(msgid=msgid, msgstr=msgstr, flags=flags))
    found = polib.pofile(filled(".po", str(catalogue), str.upper).decode())
    assert [(one.msgid, one.flags) for one in found] == [
        (one.msgid, one.flags) for one in catalogue
    ]
    expected = [
        msgid.upper() if fuzzy or not msgstr else msgstr for msgid, msgstr, fuzzy in entries
    ]
    assert [one.msgstr for one in found] == expected


@pytest.mark.parametrize(
    "mark", ["#, fuzzy\n#~ msgid", "#, fuzzy\n#~| msgid", "#~ #, fuzzy\n#~ msgid"]
)
@pytest.mark.parametrize("gap", ["", "\n", "# a note\n"])
def test_the_mark_of_an_obsolete_entry_is_its_own(mark: str, gap: str) -> None:
    obsolete = f'{mark} "vieux"\n#~ msgstr "old"\n{gap}'
    entries = 'msgid "Fermer"\nmsgstr "Close the window"\n\n#, fuzzy\nmsgid "un"\nmsgstr "two"\n'
    found = filled(".po", obsolete + entries, str.upper).decode()
    assert found == obsolete + entries.replace("two", "UN")


def test_a_line_separator_ends_no_line() -> None:
    found = filled(".po", 'msgid "un\u2028mot"\nmsgstr ""\n').decode()
    assert found == 'msgid "un\u2028mot"\nmsgstr "un\u2028mot"\n'


def test_a_catalogue_in_latin1() -> None:
    content = CATALOGUE.replace("UTF-8", "ISO-8859-1").replace("le chat", "été là")
    found = translated(".po", content.encode("latin-1"))
    assert 'msgstr "là été"'.encode("latin-1") in found
    with pytest.raises(InvalidDocument, match="lacks characters"):
        filled(".po", content.encode("latin-1"), lambda text: "л")


@pytest.mark.parametrize("text", ["msgid un\n", "<p>a</p>", 'msgstr "a', 'msgid "a" b'])
def test_what_is_no_catalogue_is_refused(text: str) -> None:
    with pytest.raises(InvalidDocument, match="not a gettext"):
        contents(".po", text)


def test_plural_forms_are_not_run() -> None:
    header = CATALOGUE.replace("(n > 1)", "__import__('os').system('true')")
    with pytest.raises(InvalidDocument, match="Plural-Forms"):
        contents(".po", header)
