"""Where the tags of a sentence go in its translation.

Every element keeps its parent, and takes the run of words in the translation that belongs to what
it held in the sentence: the run for which the sum of (weight - 1/2) is greatest. Siblings may come
in another order. So nesting stays as it was, whatever the weights are.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from service.text.passage import Sentence
from service.text.placeholders import Span
from service.text.tags import Kind, Tag
from service.text.word_alignment import Weights

_NOWHERE = Span(0, 0)
Belongs = Callable[[int, int], Weights]
"""(start, end) of characters in the sentence → (target words,): how much each belongs there."""


@dataclass(slots=True, eq=False)
class _Element:
    """An element, a point, or the sentence itself."""

    start: int
    end: int
    order: int
    opening: Tag | None = None
    closing: Tag | None = None
    from_start: bool = False
    """It was opened before the sentence."""
    to_end: bool = False
    """It is closed behind the sentence."""
    children: list[_Element] = field(default_factory=list)
    words: Span = _NOWHERE
    """What it takes of the translation; if empty, it stands before that word."""
    place: Span = _NOWHERE
    """The same in characters."""


def placed(
    sentence: Sentence, length: int, target_words: Sequence[Span], belongs: Belongs
) -> Iterator[tuple[int, Tag]]:
    """Every tag of the sentence with the characters of the translation before it, in order.

    length: characters of the translation; target_words: those of the translation.
    """
    root = _tree(sentence)
    root.words, root.place = Span(0, len(target_words)), Span(0, length)
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        _place_children(parent, sentence.text, target_words, belongs)
        waiting += parent.children
    yield from _in_order(root)


def _tree(sentence: Sentence) -> _Element:
    length, first = len(sentence.text), sentence.first_tag
    root = _Element(0, length, -1)
    inside = range(first, first + len(sentence.tags))
    unopened = [tag for tag in sentence.tags if tag.kind is Kind.CLOSE and not _in(tag, inside)]
    path = [root]
    for order in range(len(unopened)):
        _descend(path, _Element(0, length, order, from_start=True))
    for order, tag in enumerate(sentence.tags, start=len(unopened)):
        place = tag.place - sentence.place
        if tag.kind is Kind.CLOSE:
            closed = path.pop()
            closed.closing, closed.end = tag, place
            continue
        element = _Element(place, place, order, opening=tag)
        if tag.kind is Kind.POINT:
            path[-1].children.append(element)
        else:
            element.end, element.to_end = length, not _in(tag, inside)
            _descend(path, element)
    return root


def _in(tag: Tag, inside: range) -> bool:
    return tag.partner is not None and tag.partner in inside


def _descend(path: list[_Element], element: _Element) -> None:
    path[-1].children.append(element)
    path.append(element)


def _place_children(
    parent: _Element, text: str, target_words: Sequence[Span], belongs: Belongs
) -> None:
    """Give each child its words among those of its parent."""
    low, high = parent.words
    free = np.ones(high - low, bool)
    for child in sorted(parent.children, key=_most_bound_first):
        if low == high or not text[child.start : child.end].strip():
            continue
        if (child.start, child.end) == (parent.start, parent.end):
            child.words = parent.words
        else:
            gain = belongs(child.start, child.end)[low:high] - 0.5
            run = _best_run(np.where(free, gain, -np.inf), child)
            child.words = Span(low + run.start, low + run.end)
        free[child.words.start - low : child.words.end - low] = False
    runs = _runs(parent.children, target_words)
    for child in parent.children:
        if child.words.start == child.words.end:
            child.place = _point(child, parent, runs, text, target_words, belongs)
    parent.children.sort(key=lambda child: (child.place, child.order))


def _runs(children: Sequence[_Element], target_words: Sequence[Span]) -> list[Span]:
    """Set the places of those that have words; these places, in order."""
    runs = []
    for child in children:
        first, last = child.words
        if first < last:
            child.place = Span(target_words[first].start, target_words[last - 1].end)
            # What is open at an end of the sentence leaves no room between itself and that end.
            runs.append(
                Span(
                    -1 if child.from_start else child.place.start,
                    sys.maxsize if child.to_end else child.place.end,
                )
            )
    return sorted(runs)


def _most_bound_first(element: _Element) -> tuple[bool, int]:
    """What must touch an end, then what has the fewest characters."""
    return not (element.from_start or element.to_end), element.end - element.start


def _best_run(gain: Weights, child: _Element) -> Span:
    """The words, one after the other, with the greatest sum; at least one if any is free."""
    if child.from_start:
        if gain[0] == -np.inf:
            return Span(0, 0)
        return Span(0, int(np.argmax(np.cumsum(gain))) + 1)
    if child.to_end:
        if gain[-1] == -np.inf:
            return Span(0, 0)
        return Span(len(gain) - 1 - int(np.argmax(np.cumsum(gain[::-1]))), len(gain))
    best, found, start, total = -np.inf, Span(0, 0), 0, -np.inf
    for index, value in enumerate(gain.tolist()):
        if total <= 0:
            start, total = index, 0.0
        total += value
        if total > best:
            best, found = total, Span(start, index + 1)
    return found


def _point(
    child: _Element,
    parent: _Element,
    runs: Sequence[Span],
    text: str,
    target_words: Sequence[Span],
    belongs: Belongs,
) -> Span:
    """Where something without words goes: behind the word that it stood behind, else before one."""
    low, high = parent.words
    if low == high or child.from_start:
        return Span(parent.place.start, parent.place.start)
    if child.to_end:
        return Span(parent.place.end, parent.place.end)
    follows = child.start > 0 and not text[child.start - 1].isspace()
    start = child.start - 1 if follows else _behind_space(text, child.start)
    word = low + int(np.argmax(belongs(start, start + 1)[low:high]))
    place = target_words[word].end if follows else target_words[word].start
    place = _outside(place, runs)
    return Span(place, place)


def _behind_space(text: str, place: int) -> int:
    """Where the next word or mark begins."""
    while place < len(text) - 1 and text[place].isspace():
        place += 1
    return place


def _outside(place: int, runs: Sequence[Span]) -> int:
    """The place, or an end of the run that it would be inside of."""
    before = bisect_left(runs, place, key=lambda run: run.start) - 1
    if before < 0 or runs[before].end <= place:
        return place
    return runs[before].end if runs[before].end < sys.maxsize else runs[before].start


def _in_order(root: _Element) -> Iterator[tuple[int, Tag]]:
    """Depth first, without recursion."""
    path: list[_Element | tuple[int, Tag]] = [root]
    while path:
        element = path.pop()
        if isinstance(element, tuple):
            yield element
            continue
        if element.opening is not None:
            yield element.place.start, element.opening
        if element.closing is not None:
            path.append((element.place.end, element.closing))
        path += reversed(element.children)
