"""XML through the translator, whatever the model does."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.domain import Format, Segment, Splitting, TagRules
from service.errors import InvalidRequest
from service.text.document import document
from service.text.markup import What
from service.text.passage import Sentence
from service.text.protection import EVERYTHING
from service.text.segmenter import segments
from service.text.xml_events import parsed
from tests.service.text.any_model import translated


def cut(text: str) -> list[Segment]:
    return segments(text, "fr")


def tokens(text: str) -> Counter[str]:
    """Everything but text, verbatim."""
    return Counter(
        text[event.start : event.end]
        for event in parsed(text)
        if event.what is not What.TEXT and event.start < event.end
    )


def elements(text: str) -> Counter[tuple[object, ...]]:
    """Every element with those that it is in, and all attributes."""
    found: Counter[tuple[object, ...]] = Counter()
    declared = '<!DOCTYPE r SYSTEM "r"><r xmlns:n="n">'  # entities may be declared elsewhere
    parser = ElementTree.XMLParser()
    parser.entity.update({"nbsp": "\u00a0", "truc": "truc"})
    waiting: list[tuple[ElementTree.Element, tuple[object, ...]]] = [
        (ElementTree.fromstring(f"{declared}{text}</r>", parser), ())
    ]
    while waiting:
        element, path = waiting.pop()
        inside = (*path, (element.tag, tuple(sorted(element.attrib.items()))))
        found[inside] += 1
        waiting += [(child, inside) for child in element]
    return found


def well_formed(text: str) -> bool:
    try:
        parsed(text)
    except InvalidRequest:  # parts may have made "]]>" together
        return False
    return True


TEXT = ("un", "deux", "chat ", " ", "\n", "\r\n", ". Un", "&amp;", "&lt;b&gt;", "&#233;",
        "&#x1F600;", "&nbsp;", "&truc;", "{name}", "%s", "201", "\u00e9", "\ufffc", "]]",
        ">", "'")  # fmt: skip
POINTS = ("<!-- un -->", "<?php a ?>", "<img/>", "<x id='1'/>", "<g id=\"a &lt; b\" />",
          "<n:x/>", "<![CDATA[un <b> deux]]>", "<![CDATA[]]>", "<code>un</code>",
          "<x id='1'></x>")  # fmt: skip
names = st.sampled_from(["b", "i", "p", "doc", "n:x", "\u00e9l", "keep", "b translate='no'"])
fragments = st.recursive(
    st.lists(st.sampled_from((*TEXT, *TEXT, *POINTS)), max_size=6).map("".join),
    lambda inner: st.builds(
        lambda name, parts: f"<{name} a='1'>{''.join(parts)}</{name.split()[0]}\n>",
        names,
        st.lists(inner, max_size=4),
    ),
    max_leaves=20,
)
texts = st.lists(fragments, max_size=5).map("".join).filter(well_formed)
rules = st.builds(
    TagRules,
    untouched=st.sampled_from([frozenset(), frozenset({"keep", "code"})]),
    splitting=st.sampled_from([frozenset(), frozenset({"p", "i"})]),
    inline=st.sampled_from([frozenset(), frozenset({"b", "doc"})]),
    outline=st.booleans(),
)


@given(texts, st.integers(0, 99), st.booleans(), rules, st.sampled_from(Splitting))
@settings(max_examples=400, deadline=None)
@example("Un <b>deux</b> <i><n:x/>trois</i>", 1, True, TagRules(), Splitting.LINES)
def test_markup_comes_out_as_it_went_in(
    text: str, seed: int, attention: bool, tags: TagRules, splitting: Splitting
) -> None:
    found = translated(
        text, seed, attention=attention, form=Format.XML, tags=tags, splitting=splitting
    )
    assert tokens(found) == tokens(text)
    assert elements(found) == elements(text)


@given(st.one_of(texts, st.text(alphabet="<>/ab!-[]?&;# ='\"\n\u00e9")))
def test_all_segments_joined_are_the_document(text: str) -> None:
    try:
        read = document(text, Format.XML, EVERYTHING)
    except InvalidRequest:
        return
    pieces = read.segments(cut)
    written = (piece.written if isinstance(piece, Sentence) else piece.text for piece in pieces)
    assert "".join(written) == text


def sentences(text: str, rules: TagRules | None = None) -> list[str]:
    read = document(text, Format.XML, EVERYTHING, rules=rules or TagRules())
    return [piece.text for piece in read.segments(cut) if piece.translatable]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>Le <b>chat</b> dort.</p><p>Oui</p>", ["Le chat dort.", "Oui"]),
        ("<p><b>Oui</b></p><p>Le <b>chat</b></p>", ["Oui", "Le chat"]),
        ("Un <x id='1'/>deux", ["Un deux"]),
        ("Caf&#233; &amp; th\u00e9 &truc; ici", ["Caf\u00e9 & th\u00e9 \ufffc ici"]),
        ("Un <![CDATA[<mot>]]> ici", ["Un \ufffc ici"]),
        ("<a translate='no'>Un</a><a its:translate='no'>Deux</a><a translatable='false'>X</a>", []),
        ("<?xml version='1.0' encoding='latin1'?>\n<a>\u00e9t\u00e9</a>\n", ["\u00e9t\u00e9"]),
        ("<?xml version='1.0'?><!-- a --><!DOCTYPE a [<!ELEMENT a ANY>]><a>Un</a> ", ["Un"]),
        ("Un\ndeux", ["Un", "deux"]),
    ],
)
def test_what_is_a_sentence(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (TagRules(), ["Un", "Deux mots", "trois"]),
        (TagRules(outline=False), ["Un Deux mots trois"]),
        (TagRules(outline=False, splitting=frozenset({"p"})), ["Un", "Deux mots trois"]),
        (TagRules(splitting=frozenset({"b"})), ["Un", "Deux", "mots", "trois"]),
        (TagRules(inline=frozenset({"q", "d"})), ["Un", "Deux mots trois"]),
        (TagRules(untouched=frozenset({"b"})), ["Un", "Deux \ufffc", "trois"]),
    ],
)
def test_rules_say_what_elements_are(rules: TagRules, expected: list[str]) -> None:
    text = "<d><p>Un</p> <q>Deux <b>mots</b></q> <q>trois</q></d>"
    assert sentences(text, rules) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<a>\nUn <b>deux</a>", "mismatched tag (line 2, column 13)"),
        ("\u00e9t\u00e9 <b>", "mismatched tag (line 1, column 8)"),
        ("un</fragment-of-a-document><a>", "(line 1, column "),
        ("1 < 2", "not well-formed (invalid token) (line 1, column 4)"),
        ("A & B", "not well-formed (invalid token) (line 1, column 4)"),
        ("<a b='1' b='2'/>", "duplicate attribute (line 1, column 10)"),
        ("\x00", "(line 1, column 1)"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "declares entities"),
        ("<!DOCTYPE a [<!ENTITY % b SYSTEM 'file:///etc/passwd'>%b;]><a/>", "declares entities"),
        ("<!DOCTYPE a><a/>b", "junk after document element (line 1, column 17)"),
        ("un <?xml version='1.0'?>", "XML or text declaration not at start"),
    ],
)
def test_what_is_not_well_formed_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        document(text, Format.XML, EVERYTHING)
    assert says in str(caught.value)


BOMB = "<!DOCTYPE a [<!ENTITY a0 'x'>" + "".join(
    f"<!ENTITY a{i + 1} '{f'&a{i};' * 10}'>" for i in range(20)
)


@pytest.mark.parametrize(
    "text",
    [
        "<b>" * 20_000 + "mot" + "</b>" * 20_000,
        "un " + "<b>" * 20_000 + "mot" + "</b>" * 20_000 + " deux",
        "un " + "<b/>" * 20_000 + " deux",
        "<p>mot</p>" * 10_000,
        "un <i>deux</i> " * 1_000,
        "<!--a-->" * 20_000 + "un",
        "<![CDATA[a]]>" * 10_000 + "un",
        "un &truc; " * 1_000,
        "\u00e9<b/>\n" * 20_000,
    ],
    ids=lambda text: text[:20],
)
def test_hostile_documents(text: str) -> None:
    assert tokens(translated(text, 0, form=Format.XML)) == tokens(text)


@pytest.mark.parametrize(
    "text",
    [BOMB, "<!--a-->" * 50_000 + "<", "<?a?>" * 50_000 + "<", "<a " * 50_000, "<" * 100_000,
     "<a>" * 100_000, "<![CDATA[" * 20_000, " " * 100_000 + "<", "<!DOCTYPE " * 20_000],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        document(text, Format.XML, EVERYTHING)
