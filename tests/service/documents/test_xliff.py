"""XLIFF: targets are filled in, with the codes of their sources."""

from __future__ import annotations

import re

import pytest
from lxml import etree

from service.errors import InvalidDocument
from tests.service.documents.reading import contents, translated

FILE = """<?xml version="1.0" encoding="UTF-8"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
  <file source-language="fr" original="a" datatype="x"><body>
    <trans-unit id="1">
      <source>Le <g id="1">chat</g> <x id="2"/> noir</source>
    </trans-unit>
    <trans-unit id="2">
      <source>Un <bpt id="1">&lt;b&gt;</bpt>mot<ept id="1">&lt;/b&gt;</ept></source>
      <target state="new"/>
    </trans-unit>
    <trans-unit id="3" translate="no"><source>Rien ici</source></trans-unit>
    <trans-unit id="4"><source>Un fait</source><target>Done</target></trans-unit>
    <trans-unit id="5"><source>123</source></trans-unit>
    <trans-unit id="6"><source>Un mot</source><target state="needs-translation">x</target>\
</trans-unit>
    <trans-unit id="7" approved="yes"><source>Un mot</source><target/></trans-unit>
    <trans-unit id="8">
      <source>Un <x id="START_BOLD" ctype="x-b"/>mot<x id="CLOSE_BOLD" ctype="x-b"/></source>
    </trans-unit>
    <trans-unit id="9">
      <source>Un <mrk mtype="protected">nom</mrk> <bx id="1"/>mot <g id="2">deux<ex id="1"/></g>\
</source>
    </trans-unit>
    <trans-unit id="10"><source>Un mot<x id="LINE_BREAK" ctype="lb"/>Deux mots</source></trans-unit>
  </body></file>
</xliff>
"""
NAMES = {"x": "urn:oasis:names:tc:xliff:document:1.2", "y": "urn:oasis:names:tc:xliff:document:2.0"}


def targets(content: bytes) -> dict[str, str]:
    """Each unit's target, as it is written."""
    root = etree.fromstring(content)
    return {
        unit.get("id"): etree.tostring(target)
        .decode()
        .strip()
        .replace(f' xmlns="{NAMES["x"]}"', "")
        for unit in root.iterfind(".//x:trans-unit", NAMES)
        if (target := unit.find("x:target", NAMES)) is not None
    }


def test_targets() -> None:
    found = translated(".xlf", FILE)
    state = ' state="needs-review-translation" state-qualifier="leveraged-mt"'
    expected = {
        "1": f'<target{state}>noir <x id="2"/> <g id="1">chat</g> Le</target>',
        "2": f'<target{state}><bpt id="1">&lt;b&gt;</bpt>mot<ept id="1">&lt;/b&gt;</ept>'
        " Un</target>",
        "4": "<target>Done</target>",
        "5": f"<target{state}>123</target>",
        "6": f"<target{state}>mot Un</target>",
        "7": "<target/>",
        "8": f'<target{state}><x id="START_BOLD" ctype="x-b"/>mot<x id="CLOSE_BOLD" ctype="x-b"/>'
        " Un</target>",
        "10": f'<target{state}>mot Un<x id="LINE_BREAK" ctype="lb"/>mots Deux</target>',
    }
    assert {number: text for number, text in targets(found).items() if number != "9"} == expected
    ninth = targets(found)["9"]
    assert all(ninth.count(code) == 1 for code in ("<bx id", "<ex id", "<g id", ">nom</mrk>"))


def test_all_else_stays() -> None:
    found = translated(".xlf", FILE).decode()
    assert 'target-language="en" source-language="fr"' in found
    assert without_targets(found) == without_targets(FILE)


def without_targets(text: str) -> str:
    """The file but for what is to be filled in."""
    target = r"\s*<target(?:[^>]*/>|[^>]*>.*?</target>)| target-language=\"en\""
    return re.sub(target, "", text)


SECOND = """<xliff version="2.0" xmlns="urn:oasis:names:tc:xliff:document:2.0" srcLang="fr">
<file id="f"><unit id="1"><segment><source>Le <pc id="1">chat</pc> <ph id="2"/> noir</source>
</segment><segment><source>Un <sc id="3"/>mot<ec startRef="3"/></source><target/></segment></unit>
<unit id="2" translate="no"><segment><source>Rien ici</source></segment></unit></file></xliff>
"""


def test_version_2() -> None:
    root = etree.fromstring(translated(".xliff", SECOND))
    assert root.get("trgLang") == "en"
    first, second = root.iterfind(".//y:target", NAMES)
    assert "".join(first.itertext()) == "noir  chat Le"
    assert [child.tag.rpartition("}")[2] for child in first] == ["ph", "pc"]
    assert [child.tag.rpartition("}")[2] for child in second] == ["sc", "ec"]
    assert second[0].tail == "mot"


def test_a_file_done_already_stays() -> None:
    once = translated(".xlf", FILE)
    assert translated(".xlf", once) == once


def test_another_xml_is_refused() -> None:
    with pytest.raises(InvalidDocument, match="root is not xliff"):
        contents(".xlf", "<a/>")
