"""HTML through the translator, whatever the model does: markup must come out as it went in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import turbohtml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.domain import Format, Segment
from service.text.document import document
from service.text.passage import Sentence
from service.text.protection import EVERYTHING
from service.text.segmenter import segments
from tests.service.text.any_model import translated


def tokens(text: str) -> Iterator[str]:
    """Everything but text, verbatim."""
    for token in turbohtml.tokenize(text, resolve_references=False, capture_source=True):
        if token.type.name not in {"TEXT", "CHARACTER_REFERENCE"}:
            yield token.source or ""


def elements(text: str) -> Counter[tuple[Any, ...]]:
    """Every element of the parsed page with those that it is in, and all attributes."""
    found: Counter[tuple[Any, ...]] = Counter()
    waiting: list[tuple[Any, tuple[Any, ...]]] = [(turbohtml.parse(text), ())]
    while waiting:
        node, path = waiting.pop()
        for child in node.children:
            if isinstance(child, turbohtml.Element):
                inside = (*path, (child.tag, tuple(sorted(map(str, child.attrs.items())))))
                found[inside] += 1
                waiting.append((child, inside))
    return found


MARKUP = (
    *(
        "<b>",
        "</b>",
        "<i class='x'>",
        "</i>",
        '<a href="?a=1&amp;b=2" id=c>',
        "</a>",
        "<span>",
        "</span>",
    ),
    *(
        "<p>",
        "</p>",
        "<div>",
        "</div>",
        "<br>",
        "<br/>",
        "<img src=x alt='a b'>",
        "<hr>",
        "<!-- c -->",
    ),
    *(
        "<ul><li>",
        "<li>",
        "</ul>",
        "<table><tr><td>",
        "</table>",
        "<h1>",
        "</h1>",
        "<x id=1></x>",
        "</x>",
    ),
    *(
        "<script>if (a<b) {}</script>",
        "<style>b{}</style>",
        "<pre>un\n  deux</pre>",
        "<code>un</code>",
    ),
    *(
        "<span translate=no>",
        '<i class="a notranslate">',
        "<textarea><b></textarea>",
        "<!DOCTYPE html>",
    ),
    *(
        "<svg><g/></svg>",
        "<title>",
        "</title>",
        "<wbr>",
        "</>",
        "<b",
        "<",
        "</",
        "<?php a ?>",
        "<em></em>",
    ),
)
RARE = (
    *("<xmp><b></xmp>", "<plaintext>", "<noscript>", "</noscript>", "<title><b>", "<!", "<?"),
    *("<select><option>", "</select>", "<svg>", "</svg>", "<svg><foreignObject>", "<math><mtext>"),
    *("<![CDATA[un]]>", "<svg><![CDATA[un <b>]]>", "<template>", "</template>", "<nobr>"),
    *("<button>", "</button>", "<table>", "<td>", "<caption>", "<x:y a:b='c'>", "</x:y>", "<form>"),
    *("<ruby>un<rt>deux</ruby>", "<body class=x>", "<html lang=fr>", "</body>", "<b/>", "<dd>"),
    *("<i a=b/c>", "<a href=x", "<object>", "<iframe>un</iframe>", "<image>", "<b a=1 a=2>"),
    *("</b x=1>", "</br>", "<textarea>\n", "<pre>\n", "<a\tb\n=c>", "<font size=1>", "</font>"),
    *("&eacute", "&amp", "&notit;", "&#x41", "&#0;", "&#128;", "\x00", "\f", "&ampun", "\r", "]]>"),
)
TEXT = ("un", "deux", "chat", " ", " ", " ", "\n", "\r\n", ". Un", "&amp;", "&eacute;", "&lt;b&gt;",
        "&nbsp;", "&", "{name}", "%s", "201", "\u00e9", "\ufffc", "&#123;x}")  # fmt: skip
pages = st.lists(st.sampled_from((*MARKUP, *TEXT, *TEXT)), max_size=30).map("".join)
odd_pages = st.one_of(
    st.lists(st.sampled_from((*MARKUP, *RARE, *RARE, *TEXT, *TEXT)), max_size=14).map("".join),
    st.text(alphabet="<>/abi!-= &;#xp\n'\"\u00e9?[]", max_size=40),
)


@given(pages, st.integers(0, 99), st.booleans())
@settings(max_examples=400, deadline=None)
@example("<b>Rouge</b> est <i>la voiture</i> <img src=x><a>un <b>deux</b></a><b>", 1, True)
def test_markup_comes_out_as_it_went_in(text: str, seed: int, attention: bool) -> None:
    found = translated(text, seed, attention=attention)
    assert Counter(tokens(found)) == Counter(tokens(text))
    assert elements(found) == elements(text)


@given(odd_pages, st.integers(0, 99), st.booleans())
@settings(max_examples=300, deadline=None)
@example("<noscript><img src=x> un", 0, True)
def test_odd_markup_too(text: str, seed: int, attention: bool) -> None:
    found = translated(text, seed, attention=attention)
    assert Counter(tokens(found)) == Counter(tokens(text))
    assert elements(found) == elements(text)


CODE = "<code>un</code>"
nested = st.recursive(
    st.sampled_from(["un", "deux", "chat ", " ", "<img>", "<!--c-->", "&amp;", "{x}", CODE]),
    lambda inner: st.builds(
        lambda name, parts: f"<{name}>{' '.join(parts)}</{name}>",
        st.sampled_from(["b", "i", "a", "span", "u", "p", "x-y"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(nested).map(" ".join), st.integers(0, 99))
@settings(max_examples=300, deadline=None)
def test_nesting_stays(text: str, seed: int) -> None:
    found = translated(text, seed)
    assert Counter(tokens(found)) == Counter(tokens(text))
    assert elements(found) == elements(text)


def cut(text: str) -> list[Segment]:
    return segments(text, "fr")


@given(pages)
def test_all_segments_joined_are_the_page(text: str) -> None:
    pieces = document(text, Format.HTML, EVERYTHING).segments(cut)
    written = (piece.written if isinstance(piece, Sentence) else piece.text for piece in pieces)
    assert "".join(written) == text


def sentences(text: str) -> list[str]:
    return [
        piece.text
        for piece in document(text, Format.HTML, EVERYTHING).segments(cut)
        if piece.translatable
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>Le <b>chat</b>\n dort.</p><p>Oui", ["Le chat  dort.", "Oui"]),
        ("Un caf&eacute; &amp; un th&#233;", ["Un caf\u00e9 & un th\u00e9"]),
        ("Un<br>deux", ["Un", "deux"]),
        ("<b>Un mot. Deux</b> mots.", ["Un mot.", "Deux mots."]),
        ("Voir <code>a.b</code> ici", ["Voir \ufffc ici"]),
        ("<pre>Un</pre><script>Deux</script><style>b</style><textarea>x</textarea>", []),
        ("<p translate=no>Un</p><i class='a notranslate'>Deux</i> <p>trois", ["trois"]),
        ("<p translate=no>Un<p>Deux", ["Deux"]),
        ("<p translate=no>Un <b>deux<div>Trois</b>", ["Trois"]),
        ("<ul><li class=notranslate>Un<li>Deux</ul>", ["Deux"]),
        ("<ul><li translate=no>Un<ul><li>Deux</ul><p>Trois</ul>Quatre", ["Quatre"]),
        ("<table><tr><td translate=no>Un<td>Deux<tr><td>Trois</table>", ["Deux", "Trois"]),
        ("<table><td translate=no>Un<table><td>Deux</table>Trois<td>Quatre</table>", ["Quatre"]),
        ("<select><option translate=no>Un<option>Deux</select>", ["Deux"]),
        ("Gou&shy;ver\u00adner", ["Gouverner"]),
        ("<svg><title>Un</title></svg>Deux <math>x</math>", ["Deux \ufffc"]),
        ("<!DOCTYPE html><title>Un</title><!-- deux -->", ["Un"]),
        ("Un <b>deux", ["Un", "deux"]),
    ],
)  # fmt: skip
def test_what_is_a_sentence(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "<b>" * 100_000 + "mot",
        "<b>" * 20_000 + "mot" + "</b>" * 20_000,
        "un " + "<b>" * 20_000 + "mot" + "</b>" * 20_000 + " deux",
        "un " + "<b></b>" * 20_000 + " deux",
        "un" + "<img>" * 20_000 + " deux",
        "<div>" * 50_000 + "mot",
        "<b>x</i>" * 3_000,
        "<a " * 50_000,
        "<!--" * 50_000,
        "&" * 50_000,
        "<p translate=no>" * 20_000,
        "un <i>deux</i> " * 1_000,
        "<code>x</code>" * 5_000,
    ],
    ids=lambda text: text[:20],
)
def test_hostile_pages(text: str) -> None:
    found = translated(text, 0)
    assert Counter(tokens(found)) == Counter(tokens(text))
