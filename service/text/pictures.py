"""Emoji and other pictures between words. Models have no tokens for most of them, write nothing or
anything in their place, and translate the rest better without them.

So models don't see them: a picture is a tag of the passage, which stands by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from service.text.letters import is_in_word
from service.text.placeholders import Span
from service.text.protection import divided, overlaps

_BLOCKS = (
    r"\u2139"  # the sign of information, which is a letter to Unicode
    r"\u2300-\u23ff"  # technical signs, clocks
    r"\u25a0-\u27bf"  # shapes, signs, dingbats
    r"\u2b00-\u2bff"  # arrows and stars
    r"\U0001f000-\U0001faff"  # tiles, cards, flags, emoji
)
_BEHIND = r"[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
"""Which of its forms is meant, keycaps, colours of skin, regions of flags."""
_NAMED = r"(?<![\w/:])(?::(?:[a-z][a-z0-9_+-]{1,40}|[+-]1):)+(?![\w:])"
"""As chats and Markdown write them: `:tada:`, `:+1:`."""
_ONE = rf"(?:(?:[{_BLOCKS}]|[^\w\s]\ufe0f|[0-9#*]\ufe0f?\u20e3){_BEHIND}*|{_NAMED})"
_JOINED = rf"{_ONE}(?:\u200d{_ONE})*"
RUN = re.compile(rf"{_JOINED}(?:[ \u00a0\u202f]*{_JOINED})*")
"""Pictures, and no words between them."""
_SPACES = " \u00a0\u202f"
_NO_WORD = re.compile(r"\Z|\s|[.,;:!?…)\]}»”’%]")
"""What may stand behind a word; anything else begins one, and would be a part of an address."""
_FEELING = re.compile(
    r"[\u2639\u263a\U0001f600-\U0001f64f\U0001f910-\U0001f92f"  # faces and gestures
    r"\U0001f970-\U0001f97a\U0001fae0-\U0001fae8\U0001faf0-\U0001faf8"  # more of them
    r"\U0001f44a-\U0001f44f\U0001f4aa\U0001f389\U0001f38a\U0001f525]"  # 👏, 💪, 🎉, 🔥
)
"""What is said of a whole sentence. Other pictures often stand beside a noun, or for a verb (❤)."""
_WORD_END = re.compile(rf"([^\W_]|[)\]}}»”>])[{_SPACES}]?\Z")
_NEXT_WORD = re.compile(rf"[{_SPACES}]+(?:[«“\"'¿¡(][{_SPACES}]?)?([^\W\d_])")


def pictures(text: str, taken: Sequence[Span], stops: frozenset[int]) -> Iterator[Span]:
    """Runs of pictures, each with the space before it unless something follows at once, in order.

    Not those that touch words on both sides, or that are in what is taken. A tag divides a run.

    taken: in order; stops: places of tags.
    """
    for match in RUN.finditer(text):
        whole = Span(*match.span())
        if is_in_word(text, whole.end) and is_in_word(text, whole.start - 1):
            continue
        is_behind = bool(_NO_WORD.match(text, whole.end))
        for part in divided(text, whole, stops):
            run = _with_space(text, part, stops) if is_behind else part
            if not overlaps(run, taken):
                yield run


def ends_sentence(text: str, run: Span) -> bool:
    """Whether a run of pictures stands in place of a full stop: one that shows a feeling, in front
    of a capital and behind what is none."""
    before = _WORD_END.search(text, max(run.start - 2, 0), run.start)
    behind = _NEXT_WORD.match(text, run.end)
    if before is None or behind is None or not _FEELING.search(text, *run):
        return False
    return behind[1].isupper() and (before[1].islower() or not before[1].isalpha())


def _with_space(text: str, run: Span, stops: frozenset[int]) -> Span:
    start = run.start
    while start > 0 and text[start - 1] in _SPACES and start not in stops:
        start -= 1
    starts_line = start == 0 or text[start - 1] in "\r\n"
    return run if starts_line else Span(start, run.end)
