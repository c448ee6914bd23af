"""HTML's elements whose end tags may be left out, and where they end then.

https://html.spec.whatwg.org/multipage/syntax.html#optional-tags
"""

from __future__ import annotations

from collections.abc import Sequence

from service.text.markup import Token, What

_NOT_IN_PARAGRAPHS = frozenset(
    """
    address article aside blockquote details dialog div dl fieldset figcaption figure footer form h1
    h2 h3 h4 h5 h6 header hgroup hr main menu nav ol p pre search section table ul
    """.split()  # noqa: SIM905 (one a line would be 30 lines)
)
_ITEM = frozenset(("li",)), frozenset(("ul", "ol", "menu", "dir"))
_TERM = frozenset(("dt", "dd")), frozenset(("dl",))
_CELL = frozenset(("td", "th")), frozenset(("table",))
_ROWS = frozenset(("thead", "tbody", "tfoot")), frozenset(("table",))
_RUBY = frozenset(("rt", "rp")), frozenset(("ruby",))
_PARAGRAPH = frozenset(("p",)), frozenset(("button", "object", "td", "th", "caption"))
_ENDS = {
    **dict.fromkeys(_NOT_IN_PARAGRAPHS, _PARAGRAPH),
    "li": _ITEM,
    **dict.fromkeys(("dt", "dd"), _TERM),
    **dict.fromkeys(("td", "th"), _CELL),
    "tr": (frozenset(("tr",)), frozenset(("table",))),
    **dict.fromkeys(("thead", "tbody", "tfoot"), _ROWS),
    **dict.fromkeys(("rt", "rp"), _RUBY),
    "option": (frozenset(("option",)), frozenset(("select", "datalist"))),
    "optgroup": (frozenset(("option", "optgroup")), frozenset(("select",))),
}
"""Which elements an element of this name ends where it begins, unless they are outside of the
innermost one of the others."""
_TOLD = frozenset(name for ends, within in _ENDS.values() for name in ends | within)


def implied_ends(tokens: Sequence[Token]) -> dict[int, int]:
    """Index of a start tag → of its element's last token, where another element's start ends it."""
    found: dict[int, int] = {}
    opened: dict[str, list[int]] = {name: [] for name in _TOLD}

    def leave(begin: int) -> None:
        """Forget all that was opened from this token on."""
        for places in opened.values():
            while places and places[-1] >= begin:
                places.pop()

    for index, token in enumerate(tokens):
        if token.what is What.START and not token.is_empty:
            ends, within = _ENDS.get(token.name, ((), ()))
            begin = max((opened[name][-1] for name in ends if opened[name]), default=-1)
            if begin > max((opened[name][-1] for name in within if opened[name]), default=-1):
                found[begin] = index - 1
                leave(begin)
            if token.name in _TOLD:
                opened[token.name].append(index)
        elif token.what is What.END and opened.get(token.name):
            leave(opened[token.name][-1])
    return found
