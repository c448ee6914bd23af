"""Which words of a translation come from which words of its sentence, by attention.

A row of attention says what one token of the translation looked at, and often two tokens look at
the same place while the one between them is looked at by nobody. So the matrix is made to agree
with both sides: rows and columns are normalised in turn (Sinkhorn and Knopp 1967), which gives
the words that were left out what the others have too much of. An article attends to its noun as
much as the noun does; so words of like length are preferred before that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.text.letters import WITHOUT_SPACES, WORD
from service.text.placeholders import Span

Weights = NDArray[np.float64]

_WORD = re.compile(
    rf"[{WITHOUT_SPACES}]|{WORD}['’](?:t|s|d|m|re|ve|ll)\b|{WORD}|[^\w\s]", re.IGNORECASE
)
"""A word (`isn't` is one), a mark, or a character of such a script."""
_ROUNDS = 5
_LEAST = 1e-3
"""Below it attention is noise."""


def words(text: str) -> list[Span]:
    """Words and punctuation marks of a text, in order."""
    return [Span(*match.span()) for match in _WORD.finditer(text)]


def weights(
    attention: Sequence[Sequence[float]],
    target_tokens: Sequence[Span],
    source_tokens: Sequence[Span],
    target_words: Sequence[Span],
    source_words: Sequence[Span],
) -> Weights:
    """How much each word of the translation belongs to each of the sentence.

    Args:
        attention: (target tokens, source tokens).
        target_tokens, source_tokens: which characters they are; special ones are empty.

    Returns:
        (target words, source words); rows sum to 1.
    """
    matrix = _overlap(target_words, target_tokens) @ np.asarray(attention, np.float64)
    matrix = np.maximum(matrix @ _overlap(source_words, source_tokens).T, _LEAST)
    matrix *= _likeness(target_words, source_words)
    for _ in range(_ROUNDS):
        matrix /= matrix.sum(0)
        matrix /= matrix.sum(1, keepdims=True)
    return matrix


def _likeness(target_words: Sequence[Span], source_words: Sequence[Span]) -> Weights:
    """(target words, source words): the shorter one's length as a share of the longer one's."""
    target, source = (
        np.array([end - start for start, end in words], np.float64)
        for words in (target_words, source_words)
    )
    likeness: Weights = np.minimum.outer(target, source) / np.maximum.outer(target, source)
    return likeness


def _overlap(words: Sequence[Span], tokens: Sequence[Span]) -> Weights:
    """(words, tokens): the share of the token's characters that the word has."""
    starts, ends = np.array(tokens, np.float64).reshape(-1, 2).T
    begin, end = (np.array(side, np.float64)[:, None] for side in zip(*words, strict=True))
    shared = np.minimum(ends, end) - np.maximum(starts, begin)
    share: Weights = np.maximum(shared, 0) / np.maximum(ends - starts, 1)
    return share
