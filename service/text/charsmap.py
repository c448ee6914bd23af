"""SentencePiece's character map, applied as SentencePiece applies it.

A map is a list of rules: a sequence of characters and what is written instead of it. Text is read
from the left; at each place the longest rule that matches is applied, and its result is not read
again. `tokenizers` has the same map as its Precompiled normaliser but applies it per grapheme
cluster, so that for a letter under several combining marks, say, it gives another text.

The usual map has 225,000 rules, most of them for ways to spell Hangul, in a trie of 180 KB that
shares their ends. So rules are looked up in the trie, never listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Units = NDArray[np.int64]
Indices = NDArray[np.intp]

_LABEL_BITS = 0x800000FF
_VALUE_BITS = 0x7FFFFFFF
_LABELS = np.arange(1, 256, dtype=np.int64)
_LAST_OF_BASIC_PLANE = "\uffff"


class CharacterMap:
    """Callable: text → normalised text. Safe for any number of threads."""

    def __init__(self, charsmap: bytes) -> None:
        """charsmap: the precompiled form that SentencePiece models hold: the size of the trie in
        bytes, the trie (a darts-clone double array), the rules' results, each ended by NUL.

        Raises:
            ValueError: the bytes are no such map.
        """
        results_start = 4 + int.from_bytes(charsmap[:4], "little")
        units = np.frombuffer(charsmap[4:results_start], dtype="<u4").astype(np.int64)
        try:
            self._candidate = _candidate_pattern(units)
        except (IndexError, UnicodeDecodeError) as error:
            raise ValueError("it holds no valid character map") from error
        self._units: list[int] = units.tolist()
        self._results = charsmap[results_start:]

    def __call__(self, text: str) -> str:
        rewritten = list(self._rewritten(text))
        if not rewritten:
            return text
        position, written = 0, []
        for start, end, result in rewritten:
            written += [text[position:start], result]
            position = end
        return "".join(written) + text[position:]

    def origins(self, text: str) -> list[tuple[int, int]]:
        """Of each character of the normalised text, which characters [start, end) it came from."""
        position, origins = 0, []
        for start, end, result in [*self._rewritten(text), (len(text), len(text), "")]:
            origins += [(place, place + 1) for place in range(position, start)]
            origins += [(start, end)] * len(result)
            position = end
        return origins

    def _rewritten(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Every [start, end) that a rule applies to, and its result."""
        position = 0
        while found := self._candidate.search(text, position):
            start = found.start()
            position, result = self._longest_rule(text, start)
            yield start, position, result

    def _longest_rule(self, text: str, start: int) -> tuple[int, str]:
        """Where the longest rule that matches at start ends, and its result.

        Without any the character at start stays as it is.
        """
        end, result = start + 1, text[start]
        node = 0
        for position in range(start, len(text)):
            for byte in text[position].encode():
                node ^= _offset(self._units[node]) ^ byte
                if self._units[node] & _LABEL_BITS != byte:
                    return end, result
            unit = self._units[node]
            if _has_value(unit):
                value = self._units[node ^ _offset(unit)] & _VALUE_BITS
                end, result = position + 1, self._result(value)
        return end, result

    def _result(self, value: int) -> str:
        return self._results[value : self._results.index(0, value)].decode()


def _offset(unit: int) -> int:
    return (unit >> 10) << ((unit & 1 << 9) >> 6)


def _has_value(unit: int) -> int:
    return unit >> 8 & 1


def _candidate_pattern(units: Units) -> re.Pattern[str]:
    """Finds every place where a rule may match, and few others.

    Nearly every letter begins a rule (e and an accent after it), so longer rules are found by
    their second character.
    """
    firsts = list(_next_characters(units, [0]))
    singles = {character for character, node in firsts if _has_value(int(units[node]))}
    seconds = {
        character for character, _ in _next_characters(units, sorted({node for _, node in firsts}))
    }
    return re.compile(f"{_one_of(singles)}|.(?={_one_of(seconds)})", re.DOTALL)


def _one_of(characters: Iterable[str]) -> str:
    # Any character beyond the basic plane: `re` looks those up one by one, and they are rare.
    basic = sorted(character for character in characters if character <= _LAST_OF_BASIC_PLANE)
    return f"[{''.join(map(re.escape, basic))}\U00010000-\U0010ffff]"


def _next_characters(units: Units, starts: list[int]) -> Iterator[tuple[str, int]]:
    """(character, node behind it) of every way to go on from these nodes."""
    nodes, prefixes = np.array(starts, dtype=np.int64), [b""] * len(starts)
    while prefixes:
        nodes, parents, labels = _children(units, nodes)
        longer = [
            prefixes[parent] + bytes([label])
            for parent, label in zip(parents.tolist(), labels.tolist(), strict=True)
        ]
        complete = np.array([len(prefix) == _utf8_length(prefix[0]) for prefix in longer], bool)
        for index in np.flatnonzero(complete).tolist():
            yield longer[index].decode(), int(nodes[index])
        nodes = nodes[~complete]
        prefixes = [longer[index] for index in np.flatnonzero(~complete).tolist()]


def _children(units: Units, nodes: Units) -> tuple[Units, Indices, Units]:
    """Every child of these nodes: its node, the index of its parent, its label."""
    parents = units[nodes]
    bases = nodes ^ ((parents >> 10) << ((parents & (1 << 9)) >> 6))
    candidates = bases[:, None] ^ _LABELS  # (nodes, 255)
    rows, columns = np.nonzero(units[candidates] & _LABEL_BITS == _LABELS)
    return candidates[rows, columns], rows, _LABELS[columns]


def _utf8_length(first: int) -> int:
    return 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
