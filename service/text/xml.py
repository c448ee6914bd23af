"""XML → passages.

CDATA sections, and references to entities that only the document's reader knows, are not
translated.

An element may be a part of a sentence if one of its name stands beside text somewhere in the
document: `b` in `<p>Un <b>mot</b>.</p>`, but not `p`. All others end sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from service.domain import TagRules
from service.text.markup import Attributes, Dialect, Token, What, passages
from service.text.passage import Document
from service.text.protection import Protection
from service.text.xml_events import Event, parsed

_KEEPS = {("translate", "no"), ("translatable", "false")}
"""Attributes of ITS, XLIFF and DITA, and of Android."""


def document(text: str, protection: Protection, *, rules: TagRules, lines: bool) -> Document:
    """Read a document or a fragment of one.

    lines: as in service.text.markup.

    Raises:
        InvalidRequest: it is not well-formed, or declares entities.
    """
    tokens = list(_tokens(text))
    found = passages(text, tokens, _dialect(tokens, rules), protection, lines=lines)
    return Document(text, list(found))


def _dialect(tokens: Sequence[Token], rules: TagRules) -> Dialect:
    beside_text = _beside_text(tokens)

    def is_inline(name: str) -> bool:
        if name in rules.splitting:
            return False
        return name in rules.inline or not rules.outline or name in beside_text

    return Dialect(
        is_inline=is_inline,
        has_no_end=lambda name: False,
        not_in_itself=lambda name: False,
        is_untouched=lambda name, attributes: name in rules.untouched or _is_kept(attributes),
        stands_for_text=lambda name: name in rules.untouched,
        is_picture=lambda name: False,
        implied_ends=lambda tokens: {},
    )


def _is_kept(attributes: Attributes) -> bool:
    return any((name.rpartition(":")[2], value) in _KEEPS for name, value in attributes)


def _beside_text(tokens: Sequence[Token]) -> frozenset[str]:
    """Names of elements whose parent, or the fragment, has text of its own."""
    found: set[str] = set()
    path: list[tuple[set[str], bool]] = [(set(), False)]
    for token in tokens:
        names, has_text = path[-1]
        if token.what is What.START:
            names.add(token.name)
            if not token.is_empty:
                path.append((set(), False))
        elif token.what is What.END:
            found |= names if has_text else set()
            path.pop()
        elif token.what in (What.TEXT, What.OBJECT) and token.text.strip():
            path[-1] = names, True
    names, has_text = path[0]
    return frozenset(found | names if has_text else found)


def _tokens(text: str) -> Iterator[Token]:
    for event, following in zip_longest(events := parsed(text), events[1:]):
        match event.what:
            case What.TEXT:
                yield _characters(text, event)
            case What.START:
                is_empty = following is not None and _is_of_empty(following)
                extent = event.start, event.end
                yield Token(What.START, *extent, event.name, event.attributes, is_empty)
            case What.END if _is_of_empty(event):
                pass
            case what:
                yield Token(what, event.start, event.end, event.name, text=event.text)


def _is_of_empty(event: Event) -> bool:
    """Whether it is the end of an empty element, whose tag is the token before."""
    return event.what is What.END and event.start == event.end


def _characters(text: str, event: Event) -> Token:
    """Characters as they stand there, or what a reference or a line break stands for."""
    start, end, count = event.start, event.end, len(event.text)
    if text[start:end] == event.text:
        return Token.of_text(text, start, end)
    begins, ends = (start,) * count, (end,) * count
    return Token(What.TEXT, start, end, text=event.text, begins=begins, ends=ends)
