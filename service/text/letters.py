"""What words are made of, as parts of patterns: `re` counts no combining mark as a letter."""

from __future__ import annotations

import re

WITHOUT_SPACES = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
"""Scripts that have no spaces between words."""
_MARKS = (
    r"\u0300-\u036f\u0483-\u0487\u1ab0-\u1aff\u1dc0-\u1dff"  # of Latin, Greek and Cyrillic
    r"\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew
    r"\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"  # Arabic
    r"\u0900-\u0963\u0966-\u096f\u0971-\u0df3"  # scripts of India, but for their full stops
    r"\u200c\u200d"  # joiners, inside of words of some of these
)
"""Vowel signs and the like, which stand behind letters."""
LETTER = rf"(?:[^\W{WITHOUT_SPACES}]|[{_MARKS}])"
"""A character inside of a word, in a script that has spaces between words."""
WORD = rf"[^\W{WITHOUT_SPACES}]{LETTER}*"
"""A word in such a script; no mark begins one."""
_IN_WORD = re.compile(rf"{LETTER}|\d")


def is_in_word(text: str, place: int) -> bool:
    """Whether a character inside of a word, or a digit, has this place."""
    return 0 <= place < len(text) and bool(_IN_WORD.match(text, place))
