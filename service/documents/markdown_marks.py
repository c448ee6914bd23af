"""Where the marks of Markdown are in a paragraph: what markdown-it does not say, but does.

Its inline rules are wrapped in functions that note which characters a rule took for its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_inline import (
    StateInline,
    autolink,
    backtick,
    emphasis,
    escape,
    html_inline,
    image,
    link,
    newline,
    strikethrough,
)
from markdown_it.token import Token

Environment = MutableMapping[str, Any]
Rule = Callable[[StateInline, bool], bool]
_NOTES = "positions"
_RULES: dict[str, Rule] = {
    "newline": newline,
    "escape": escape,  # also of the end of a line
    "backticks": backtick,
    "strikethrough": strikethrough.tokenize,
    "emphasis": emphasis.tokenize,
    "link": link,
    "image": image,
    "autolink": autolink,
    "html_inline": html_inline,
}
_DEEPEST = 40
_STRONG = 1
"""Characters of `**` beside the one whose token markdown-it makes the mark."""


class Place(NamedTuple):
    """A token, and its characters [start, end) in the paragraph."""

    token: Token
    start: int
    end: int


def parser() -> MarkdownIt:
    """A parser that notes places."""
    parser = MarkdownIt("commonmark", {"maxNesting": _DEEPEST})
    parser.enable(["table", "strikethrough"])
    for name, rule in _RULES.items():
        parser.inline.ruler.at(name, _watched(name, rule))
    return parser


def places(children: Sequence[Token], environment: Environment) -> Iterator[Place]:
    """The marks of a paragraph, in order; an automatic link is one of them."""
    notes: dict[int, Place] = environment.get(_NOTES, {})
    inside = False
    for token in children:
        is_automatic = token.markup == "autolink"
        if is_automatic:
            inside = token.type == "link_open"
        elif inside or token.type in ("text", "text_special"):
            continue
        place = notes.get(id(token))
        if place is None:
            continue
        if token.type == "strong_open":
            place = place._replace(start=place.start - _STRONG)
        elif token.type == "strong_close":
            place = place._replace(end=place.end + _STRONG)
        yield place


def _watched(name: str, rule: Rule) -> Rule:
    def run(state: StateInline, silent: bool) -> bool:
        start, before, label_end = state.pos, len(state.tokens), -1
        if name == "link" and not silent and state.src[start] == "[":
            label_end = state.md.helpers.parseLinkLabel(state, start, True)
        if not rule(state, silent):
            return False
        if not silent:
            notes: dict[int, Place] = state.env.setdefault(_NOTES, {})
            for place in _noted(name, state.tokens[before:], start, state.pos, label_end):
                notes[id(place.token)] = (
                    place  # which keeps the token, so that its id stays its own
                )
        return True

    return run


def _noted(
    name: str, tokens: Sequence[Token], start: int, end: int, label_end: int
) -> Iterator[Place]:
    if name in ("emphasis", "strikethrough"):  # each marker is a text until pairs are found
        for token in reversed(tokens):
            if end <= start:
                break
            yield Place(token, end - len(token.content), end)
            end -= len(token.content)
    elif name == "link":
        yield Place(next(_no_text(tokens)), start, start + 1)
        yield Place(tokens[-1], label_end, end)
    else:  # one token, or those of an automatic link, behind the text before it; or mere text
        yield from (Place(one, start, end) for one in [*_no_text(tokens)][:1])


def _no_text(tokens: Sequence[Token]) -> Iterator[Token]:
    return (token for token in tokens if token.type != "text")
