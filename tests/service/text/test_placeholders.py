from __future__ import annotations

import re
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import Segment
from service.text import placeholders, stand_ins
from service.text.assembly import assembled
from service.text.passage import Document, Sentence
from service.text.protection import EVERYTHING
from service.text.segmenter import segments

ICU = "{n, plural,\n one {Un fichier. Deux ?} other {# fichiers}}"
SPANS = (
    *("{name}", "{0}", "{}", "{{x}}", "{{ user.name }}", "${x}", "#{x}", "%{x}", "{% if x %}"),
    *("%s", "%(name)s", "%1$d", "%.2f", "%@", "%%", "%name%", ICU),
    *("<0/>", "<b>", "</b>", '<a href="x y">', "<br />"),
    *("https://a.b/c?d=1&e=%20#f", "www.exemple.fr", "http://x.y/(z)", "jean.paul@exemple.fr"),
)
PROSE = ("100 % sûr", "50%de", "a < b > c", "{ceci est un exemple}", "a@b", "x } y {", "3% d'eau")


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in placeholders.find(text)]


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("around", ["{}", "Voir {}.", "({}), ou", "« {} »", "l'{} ?", "{}\n"])
def test_a_placeholder_is_found(span: str, around: str) -> None:
    assert found(around.replace("{}", span)) == [span]


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_no_placeholder(text: str) -> None:
    assert found(text) == []


def test_neighbours_are_found_each_by_itself() -> None:
    assert found("%d%d{a}{b} {a {b} c} {{{x}}}") == ["%d", "%d", "{a}", "{b}", "{b}", "{{{x}}}"]


@given(st.text(alphabet="{}$%<>/a1 .@:(),\nhtps", max_size=60))
def test_spans_are_in_order_and_found_again_by_themselves(text: str) -> None:
    spans = placeholders.find(text)
    ends = [place for span in spans for place in span]
    assert ends == sorted(ends)
    assert all(start < end for start, end in spans)


@pytest.mark.parametrize(
    "text",
    ["{" * 20_000, "{{" * 9_000 + "}}" * 9_000, "<a " * 20_000, "%(" * 20_000, "a@" * 20_000,
     "http://" + ")" * 50_000, "{a," * 15_000, "(www." * 9_000],
)  # fmt: skip
def test_hostile_text_has_few_spans(text: str) -> None:
    assert len(placeholders.find(text)) <= 1


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("{a} et {b}", "{b} and {a}", True),
        ("{a} et {a}", "{a}", False),
        ("{a}", "{a} {b}", False),
        ("<b>un</b>", "<b>one</b>", True),
        ("<b>un</b>", "</b>one<b>", False),
    ],
)
def test_same(source: str, target: str, expected: bool) -> None:
    assert placeholders.same(source, target) is expected


def cut(text: str) -> list[Segment]:
    return segments(text, "fr")


@given(st.lists(st.sampled_from((*SPANS, *PROSE, "Le chat dort. ", "\r\n", "\t", "mot"))))
def test_a_passage_keeps_its_text_and_cuts_no_span(parts: list[str]) -> None:
    text = "".join(parts)
    pieces = Document.plain(text, EVERYTHING).segments(cut)
    assert "".join(piece.text for piece in pieces) == text
    ends = set(accumulate(len(piece.text) for piece in pieces))
    assert not any(start < end < stop for start, stop in placeholders.find(text) for end in ends)
    for piece in pieces:
        assert found(piece.text) == [] or isinstance(piece, Sentence) or not piece.translatable


def test_a_placeholder_alone_is_no_sentence_and_ends_none() -> None:
    pieces = Document.plain(f"{{name}} %s!\nVous avez {ICU} ici. Oui.", EVERYTHING).segments(cut)
    assert [piece.text for piece in pieces if piece.translatable] == [
        f"Vous avez {ICU} ici.",
        "Oui.",
    ]


def sentence(text: str) -> Sentence:
    (piece,) = Document.plain(text, EVERYTHING).segments(cut)
    assert isinstance(piece, Sentence)
    return piece


def test_numbers_stand_for_spans() -> None:
    assert stand_ins.shown(sentence("Le {a} a 201 chats de {b}{c} en %dms")) == (
        "Le 302 a 201 chats de 101 en 150"
    )
    for number in ("{n}ème", "{n}e\u0300me"):
        assert stand_ins.shown(sentence(f"Au {number} étage")) == "Au 201 étage"


@pytest.mark.parametrize(
    ("translation", "expected"),
    [
        ("The 302, of 201.", "The {b}, of {a}."),
        ("The 302 of", None),
        ("201 201 302", None),
        ("2012 302", None),
        ("201.5 302", None),
        ("201st 302", None),
        ("201 302 {c}", None),
    ],
)
def test_what_is_damaged_is_not_taken(translation: str, expected: str | None) -> None:
    assert assembled(sentence("Le {a} de {b}."), translation, None) == expected


def test_more_spans_than_numbers_are_gone_around() -> None:
    crowded = sentence("Le " + " ".join(f"{{n{number}}} mot" for number in range(20)))
    assert stand_ins.shown(crowded) is None
    parts = crowded.around(cut)
    assert "".join(part.text for part in parts) == crowded.text
    assert not any(re.search("[{}]", part.text) for part in parts if part.translatable)
