"""Markdown: what the page looks like afterwards is what markdown-it says."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.service.documents.reading import contents, filled, translated
from tests.service.text.any_model import AnyModel

FILE = """---
title: Un titre
---

# Le chat *noir* # dort

Un **mot** important et `code` ici avec un [lien](http://x.fr "t") puis
la suite. ![img](a.png)

> Une citation
> sur deux lignes

1. 1
2. Deux _mots_ et \\*etoile\\* &amp; fin
   - [ ] une tache

| Un titre | deux |
|---|:-:|
| cellule un | `x` b |

```py
print("bonjour")
```

    du code

<div>un bloc</div>

Voir [ceci] et [cela][ref] et <http://u.fr> et <b>gras</b> fin  
nouvelle ligne.[^1]

[ceci]: http://a.fr
[ref]: http://b.fr
"""


def test_identity() -> None:
    assert filled(".md", FILE).decode() == FILE
    windows = FILE.replace("\n", "\r\n")
    assert filled(".md", windows).decode() == windows


def test_both_ends_of_a_line_that_stays() -> None:
    found = contents(".md", "Le chat\\\ndort sur  \nle lit.").texts
    assert found == ["Le chat<hr id=0>dort sur<hr id=1>le lit."]


def test_notes_keep_their_beginnings() -> None:
    notes = "Le chat[^1] dort.\n\n[^1]: Une note\n[^b]: Deux  notes: oui\n"
    assert contents(".md", notes).texts == [
        "Le chat<img id=0> dort.",
        "<hr id=0>Une note <img id=1><hr id=2>Deux  notes: oui",
    ]
    assert filled(".md", notes).decode() == notes
    found = translated(".md", notes).decode()
    assert found.endswith("\n[^1]: note Une\n[^b]: oui notes:  Deux\n")


def test_what_is_translated() -> None:
    found = [re.sub(r"<[^>]*>", "", text) for text in contents(".md", FILE).texts]
    assert found == [
        "Le chat noir # dort",
        "Un mot important et 0 ici avec un lien puis la suite. ",
        "Une citation sur deux lignes",
        "Deux mots et *etoile* &amp; fin",
        "une tache",
        "Un titre",
        "deux",
        "cellule un",
        "0 b",
        "Voir ceci et cela et 0 et gras finnouvelle ligne.",
    ]


def test_what_comes_out() -> None:
    found = translated(".md", FILE).decode()
    for line in (
        "title: Un titre",
        "# dort # *noir* chat Le",
        "> lignes deux\n> sur citation Une",
        "2. fin & \\*etoile\\* et _mots_ Deux\n   - [ ] tache une",
        "| titre Un | deux |\n|---|:-:|\n| un cellule | b `x` |",
        'print("bonjour")',
        "<div>un bloc</div>",
        "[ceci][ceci]",
        "[ceci]: http://a.fr",
    ):
        assert line in found


def structure(text: str) -> Counter[str]:
    """Everything that is no text."""
    kinds: Counter[str] = Counter()
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for token in parser.parse(text):
        kinds[f"{token.type} {token.tag} {token.info} {token.markup} {token.level}"] += 1
        for child in token.children or ():
            if child.type not in ("text", "text_special", "softbreak"):
                kinds[f"{child.type} {child.attrs} {child.markup}"] += 1
        if token.type in ("fence", "code_block", "html_block"):
            kinds[token.content] += 1
    return kinds


parts = st.sampled_from(
    (
        *("un", "deux ", " chat", "**", "*", "_", "`", "`x`", "[", "]", "(u)", "[un](u)"),
        *("![a](b)", "~~", "\n", "\n\n", "\n> ", "\n- ", "\n1. ", "\n# ", "\n    ", "\n```\n"),
        *("\n| a | b |\n|--|--|\n", "\\*", "&amp;", "&lt;", "<b>", "</b>", "<u:x>", "|", "  \n"),
        *("\n---\n", "\\|", "\n\t", "\r", "\r\n", "#", "1.", "\t", "\n[un]: u\n"),
        *("\\\n", "\\\\"),
    )
)


@given(st.lists(parts, max_size=25).map("".join), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
@example("un_<b>`x`", 0)
@example("deux \run", 0)
@example("`x`\n[un]: u\n", 44)
@example("\n> un\n| a | b |\n|--|--|\nun\n---\n", 82)
def test_the_structure_stays(text: str, seed: int) -> None:
    assert filled(".md", text).decode() == text
    assert structure(translated(".md", text, AnyModel(seed)).decode()) == structure(text)


@pytest.mark.parametrize(
    "translation",
    ["# not a heading", "- item", "1. one", "> quote", "a | b", "*a* [b](c) `d`", "==="],
)
def test_a_translation_becomes_no_markup(translation: str) -> None:
    found = filled(".md", "un mot\n", lambda text: translation).decode()
    (paragraph,) = [one for one in MarkdownIt().parse(found) if one.type == "inline"]
    children = paragraph.children or []
    assert "".join(child.content for child in children) == translation
    assert {child.type for child in children} <= {"text", "text_special"}
