"""Markdown whose paragraphs are not in the file as markdown-it sees them."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.service.documents.reading import filled


def capitals(text: str) -> str:
    """A translation that keeps its marks."""
    return re.sub(r"(<[^>]*>|&\w+;)|\w+", lambda found: found[1] or found[0].upper(), text)


def paragraphs(text: str) -> list[Token]:
    """As markdown-it sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [token for token in tokens if token.type == "inline"]


TABLE = "{0}| un | deux | trois |\n{0}|---|---|---|\n{0}{1}\n\n[u|v]: http://a.fr\n"


@pytest.mark.parametrize("before", ["", "> ", "- "])
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (r"| le mode texte | a\|b | texte |", r"| LE MODE TEXTE | A\|B | TEXTE |"),
        (r"| \|chat | oui | chat\| |", r"| \|CHAT | OUI | CHAT\| |"),
        (r"| oui | `a\|b` et | oui |", r"| OUI | `a\|b` ET | OUI |"),
        (r"|un|<b id='\|'>un</b>|[un][u\|v]|", r"|UN|<b id='\|'>UN</b>|[UN][u\|v]|"),
        (r"| un | | [u\|v] |", r"| UN | | [U\|V][u\|v] |"),
        (r"| un | un\*un | un&#124; |", r"| UN | UN*UN | UN\| |"),
        (r"| `\|` | \| | 1 |", r"| `\|` | \| | 1 |"),
    ],
)
def test_cells_with_pipes(before: str, row: str, expected: str) -> None:
    table = TABLE.format(before, row).replace("\n- ", "\n  ")
    assert filled(".md", table).decode() == table
    head, change = "un | deux | trois", capitals("un | deux | trois")
    found = filled(".md", table, capitals).decode()
    assert found == table.replace(head, change).replace(row, expected)


@pytest.mark.parametrize("translation", ["a | b", r"a\|b", "|", "a *b* | c", "`|`", "||"])
def test_a_pipe_in_a_translation_ends_no_cell(translation: str) -> None:
    table = "|un|deux|\n|--|--|\n|le chat|dort|\n"
    found = filled(".md", table, lambda text: translation if text == "le chat" else text).decode()
    *_, cell, last = paragraphs(found)
    assert len(paragraphs(found)) == len(paragraphs(table))
    assert "".join(child.content for child in cell.children or ()) == translation
    assert last.content == "dort"
    assert r"\|" in found


def test_a_backslash_at_the_end_of_a_cell_does_not_hide_its_end() -> None:
    table = "|un|deux|\n|--|--|\n|le chat|dort|\n"
    found = filled(".md", table, lambda text: text.replace("chat", "\\")).decode()
    assert [one.content for one in paragraphs(found)] == ["un", "deux", "le chat", "dort"]


@pytest.mark.parametrize(
    "text",
    [
        "- deux chats\n\tla suite\n",
        "1. Le chat dort\n\tsur le lit.\n",
        "- un\n\n\tdeux trois\n\tquatre\n",
        "- un\n\t- deux\n\t\tla suite\n",
        "- un\n  - deux\n\t trois  \n\tquatre\n",
        "> - un `a\n> \tb` deux\n>\tla suite\n",
        "-\tun\r\n\tdeux\r\n",
    ],
)
def test_lines_behind_tabs_are_translated(text: str) -> None:
    assert filled(".md", text).decode() == text
    expected = re.sub(r"(`[^`]*`)|\w+", lambda found: found[1] or found[0].upper(), text)
    assert filled(".md", text, capitals).decode() == expected


@pytest.mark.parametrize("translation", ["- not an item", "1. one", "# no heading"])
def test_a_cell_at_the_start_of_its_line_becomes_no_other_block(translation: str) -> None:
    table = "> |un|deux|\n> |--|--|\n> le chat|dort\n"
    found = filled(".md", table, lambda text: translation if text == "le chat" else text).decode()
    cells = [one.content for one in paragraphs(found)]
    assert cells[:2] + cells[3:] == ["un", "deux", "dort"]
    inner = filled(".md", "|a|\n|--|\n|un chat|\n", lambda text: "1. cat").decode()
    assert inner.endswith("|1. cat|\n")


def test_an_underlined_heading_with_a_pipe_becomes_no_table() -> None:
    found = filled(".md", "un | mot\n---\n", lambda text: "| a word").decode()
    (heading,) = paragraphs(found)
    assert "".join(child.content for child in heading.children or ()) == "| a word"
    assert filled(".md", "# un | mot\n", capitals).decode() == "# UN | MOT\n"
