"""HTML → passages.

The text is cut into tokens as browsers do it (turbohtml, which follows WHATWG). Elements that
stand inside of lines of text (`b`, `a`, `span`, unknown ones) and that are opened and closed belong
to a passage. Everything else ends it: blocks, line breaks, and tags that are never closed or were
never opened. What is not to be translated is a protected span of its passage, or, if it is a block,
between two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import turbohtml
from turbohtml import TokenType

from service.domain import TagRules
from service.text.markup import Attributes, Dialect, Token, What, passages
from service.text.optional_tags import implied_ends
from service.text.passage import Document
from service.text.protection import Protection

_BLOCKS = frozenset(
    """
    address area article aside audio base basefont bgsound blockquote body br canvas caption center
    col colgroup datalist dd details dialog dir div dl dt embed fieldset figcaption figure footer
    form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe legend li link listing
    main map marquee menu menuitem meta nav noembed noframes noscript object ol optgroup option p
    param picture plaintext pre rp rt rtc ruby script search section select selectedcontent slot
    source style summary table tbody td template textarea tfoot th thead title tr track ul video xmp
    """.split()  # noqa: SIM905 (one a line would be 90 lines)
)
_UNTOUCHED = frozenset(
    """
    script style pre code textarea svg math iframe noembed noframes noscript plaintext xmp listing
    template
    """.split()  # noqa: SIM905
)
_WITHOUT_END = frozenset(
    """
    area base basefont bgsound br col embed frame hr img input keygen link meta param source track
    wbr
    """.split()  # noqa: SIM905
)
_KINDS = {
    TokenType.START_TAG: What.START,
    TokenType.END_TAG: What.END,
    TokenType.COMMENT: What.POINT,
    TokenType.PROCESSING_INSTRUCTION: What.POINT,
    TokenType.DOCTYPE: What.BREAK,
    TokenType.TEXT: What.TEXT,
    TokenType.CHARACTER_REFERENCE: What.TEXT,
}
_LINE_END = re.compile(r"\r\n|\r|\n")
_RUN = re.compile(r"\r\n|\r|\n|[^\r\n<]+|<")


def document(text: str, protection: Protection, *, rules: TagRules, lines: bool) -> Document:
    """Read a page or a fragment of one. Never fails: browsers read anything.

    lines: as in service.text.markup.
    """
    found = passages(text, list(_tokens(text)), _dialect(rules), protection, lines=lines)
    return Document(text, list(found))


def _dialect(rules: TagRules) -> Dialect:
    blocks = _BLOCKS | rules.splitting
    untouched = _UNTOUCHED | rules.untouched
    return Dialect(
        is_inline=lambda name: name not in blocks,
        has_no_end=lambda name: name in _WITHOUT_END,
        not_in_itself=lambda name: name in {"a", "nobr", "button"},
        is_untouched=lambda name, attributes: name in untouched or _says_no(attributes),
        stands_for_text=lambda name: name in rules.untouched,
        is_picture=lambda name: name == "svg",
        implied_ends=implied_ends,
    )


def _says_no(attributes: Attributes) -> bool:
    values = dict(reversed(attributes))  # the first of two equal names counts
    translate = values.get("translate")
    classes = values.get("class") or ""
    return "notranslate" in classes.split() or (translate or "").lower() == "no"


def _tokens(text: str) -> Iterator[Token]:
    tokens = list(turbohtml.tokenize(text, resolve_references=False, capture_source=True))
    lines = [0, *(match.end() for match in _LINE_END.finditer(text))]
    starts = [lines[token.line - 1] + token.col for token in tokens]
    for token, (start, end) in zip(tokens, pairwise([*starts, len(text)]), strict=True):
        what = _KINDS[token.type]
        if token.type is TokenType.CHARACTER_REFERENCE:
            yield from _reference(token, start, end)
        elif what is What.TEXT:
            yield from _characters(text, start, end, token.data or "")
        else:
            yield Token(what, start, end, (token.tag or "").lower(), tuple(token.attrs or ()))


def _reference(token: turbohtml.Token, start: int, end: int) -> Iterator[Token]:
    """What a character reference stands for, and what browsers read over behind it."""
    data, stop = token.data or "", start + len(token.source or "")
    count = len(data)
    yield Token(What.TEXT, start, stop, text=data, begins=(start,) * count, ends=(stop,) * count)
    if stop < end:
        yield Token(What.BREAK, stop, end)


def _characters(text: str, start: int, end: int, data: str) -> Iterator[Token]:
    """Text as it stands in the source, where `data` is how the tokenizer reads it."""
    if text.startswith(data, start) and len(data) == end - start:
        yield Token.of_text(text, start, end)
        return
    read = 0
    for part in _RUN.finditer(text, start, end):
        run = part.group().replace("\r\n", "\n").replace("\r", "\n")
        if not data.startswith(run, read):
            yield Token(What.BREAK, part.start(), end)
            return
        read += len(run)
        if run == "\n":
            yield Token(
                What.TEXT, *part.span(), text=run, begins=(part.start(),), ends=(part.end(),)
            )
        else:
            yield Token.of_text(text, *part.span())
