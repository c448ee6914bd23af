"""A sentence's translation, with all that the sentence has besides words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import merge
from typing import cast

import numpy as np

from service.text import placeholders, stand_ins
from service.text.letters import is_in_word
from service.text.passage import Sentence
from service.text.placeholders import Span
from service.text.tag_placement import Belongs, placed
from service.text.tags import Kind, Tag
from service.text.terms import has_terms
from service.text.word_alignment import Weights, weights, words

Mark = tuple[Span, Tag | Span]
"""A tag or protected span of a sentence, and where it is in a text."""
_OUTSIDE = -1 << 62
_CERTAIN = 1000.0
"""Weight of what is known: where a protected span is. More than all other words together."""


@dataclass(frozen=True, slots=True)
class Attended:
    """What the tokens of a translation attended to."""

    attention: Sequence[Sequence[float]]
    """(target tokens, source tokens)."""
    target: Sequence[Span]
    """Characters of each target token in the translation."""
    source: Sequence[Span]
    """Characters of each source token in what was shown; special tokens have none."""


def assembled(sentence: Sentence, translation: str, attended: Attended | None) -> str | None:
    """How the document writes the translation.

    attended: needed if the sentence has tags.

    Returns None if the translation is damaged, as marks_in() says.
    """
    marks = marks_in(sentence, translation, attended)
    return None if marks is None else "".join(_written(sentence, translation, marks))


def marks_in(sentence: Sentence, translation: str, attended: Attended | None) -> list[Mark] | None:
    """Where the marks of a sentence are in its translation, in order.

    attended: needed if the sentence has tags.

    Returns None if the translation is damaged: some number that stands for a protected span is
    not there exactly once and by itself, other placeholders are there than in the sentence, or
    terms are not there as often as wanted.
    """
    found = stand_ins.found(sentence, translation)
    if found is None or not _same_placeholders(sentence, translation, found):
        return None
    if sentence.wanted and not has_terms(translation, sentence.wanted):
        return None
    tags: list[Mark] = []
    if sentence.tags:
        target_words = words(translation)
        if attended is None or not target_words:
            return None
        if not {place for place, _ in found} <= set(target_words):  # as in x_201
            return None
        belongs = _belongs(sentence, found, attended, target_words)
        placed_tags = placed(sentence, len(translation), target_words, belongs)
        tags = [(Span(place, place), tag) for place, tag in placed_tags]
    # merge() is stable: a tag before a span stays before it, and tags keep their order.
    marks = list(merge(tags, cast("list[Mark]", found), key=_place))
    if sentence.tags and _elements(marks) != _elements(_marks_of(sentence)):
        return None
    return marks


def spaces(
    sentence: Sentence, translation: str, marks: Sequence[Mark]
) -> Sequence[tuple[str, str]]:
    """What is to be written before and behind each mark: a space where an image or an emoji is
    apart from a word in the sentence, but would not be in the translation; outside of elements that
    begin or end there."""
    text, points = sentence.text, [tag for tag in sentence.tags if tag.kind is Kind.POINT]
    firsts = {tag.place: tag.start for tag in reversed(points)}
    lasts = {tag.place: tag.start for tag in points}
    before, behind = [""] * len(marks), [""] * len(marks)
    for index, ((start, end), mark) in enumerate(marks):
        if not isinstance(mark, Tag) or mark.kind is not Kind.POINT:
            continue
        at = mark.place - sentence.place
        is_first, is_last = (ends[mark.place] == mark.start for ends in (firsts, lasts))
        if is_first and text[max(at - 1, 0) : at].isspace() and is_in_word(translation, start - 1):
            before[_outermost(marks, range(index - 1, -1, -1), Kind.OPEN, index)] = " "
        if is_last and text[at : at + 1].isspace() and is_in_word(translation, end):
            behind[_outermost(marks, range(index + 1, len(marks)), Kind.CLOSE, index)] = " "
    return list(zip(before, behind, strict=True))


def _outermost(marks: Sequence[Mark], others: Iterable[int], kind: Kind, index: int) -> int:
    """The last one of other marks that are tags of a kind at the place of this one; or this one."""
    for other in others:
        mark = marks[other][1]
        is_tag = isinstance(mark, Tag) and mark.kind is kind
        if not is_tag or marks[other][0] != marks[index][0]:
            break
        index = other
    return index


def _place(mark: Mark) -> int:
    return mark[0].start


def _marks_of(sentence: Sentence) -> Iterator[Mark]:
    """Where the marks are in the sentence."""
    places = (tag.place - sentence.place for tag in sentence.tags)
    tags: Iterator[Mark] = (
        (Span(place, place), tag) for place, tag in zip(places, sentence.tags, strict=True)
    )
    return merge(tags, ((span, span) for span in sentence.protected), key=_place)


def _elements(marks: Iterable[Mark]) -> dict[Span, int]:
    """The tag behind which each protected span is, as deep as it gets; by the tag's place in the
    document."""
    path: list[int] = []
    found: dict[Span, int] = {}
    for _, mark in marks:
        if isinstance(mark, Span):
            found[mark] = path[-1] if path else _OUTSIDE
        elif mark.kind is Kind.OPEN:
            path.append(mark.start)
        elif mark.kind is Kind.CLOSE:
            if path and path[-1] >= 0:
                path.pop()
            else:  # opened before the sentence: what is behind its end is somewhere else
                path.append(-1 - mark.start)
    return found


def _written(sentence: Sentence, translation: str, marks: Sequence[Mark]) -> Iterator[str]:
    position = 0
    around = spaces(sentence, translation, marks)
    for (place, mark), (space, space_behind) in zip(marks, around, strict=True):
        yield sentence.passage.written(translation[position : place.start])
        position = place.end
        if isinstance(mark, Span):
            before = translation[: place.start]
            yield sentence.written_span(mark, at_start=not any(map(str.isalnum, before)))
        else:
            yield f"{space}{sentence.written_tag(mark)}{space_behind}"
    yield sentence.passage.written(translation[position:])


def _same_placeholders(
    sentence: Sentence, translation: str, found: Sequence[tuple[Span, Span]]
) -> bool:
    text, position = "", 0
    for place, span in found:
        text += translation[position : place.start] + sentence.text[span.start : span.end]
        position = place.end
    return placeholders.same(sentence.text, text + translation[position:])


def _belongs(
    sentence: Sentence,
    found: Sequence[tuple[Span, Span]],
    attended: Attended,
    target_words: Sequence[Span],
) -> Belongs:
    shown = stand_ins.shown(sentence) or ""
    source_words = words(shown)
    matrix: Weights = weights(
        attended.attention, attended.target, attended.source, target_words, source_words
    )
    stand_ins_at = [(target_words.index(place), span) for place, span in found]
    starts, ends = np.array(source_words, np.float64).T

    @cache
    def belongs(start: int, end: int) -> Weights:
        begin, stop = (stand_ins.shown_place(sentence, place) for place in (start, end))
        shared = np.minimum(ends, stop) - np.maximum(starts, begin)
        belonging: Weights = matrix @ (np.maximum(shared, 0) / (ends - starts))
        for word, span in stand_ins_at:
            inside = start <= span.start and span.end <= end
            belonging[word] = _CERTAIN if inside else -_CERTAIN
        return belonging

    return belongs
