"""Which characters of a document belong to which characters of its translation.

Word alignment tells it of what the model was shown and of what it said. Both are taken back to what
the document writes: numbers to the protected spans that they stand for, and characters to their
references, with the tags between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from service.domain import Alignment
from service.text import stand_ins
from service.text.assembly import Attended, Mark, spaces
from service.text.passage import Sentence
from service.text.placeholders import Span
from service.text.tags import Tag
from service.text.word_alignment import Weights, weights, words


@dataclass(slots=True)
class Places:
    """Of each character of a text, where it begins and ends as it is written somewhere."""

    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    marks: list[Span] = field(default_factory=list)
    """Where the marks are written that stand in a translation, in order."""

    def written(self, span: Span) -> Span:
        """Where some of the text is written; not for empty spans."""
        return Span(self.begins[span.start], self.ends[span.end - 1])


def shown_places(sentence: Sentence) -> Places:
    """Of what the model is shown of a sentence, in the document."""
    passage, places, position = sentence.passage, Places(), sentence.place
    for span in (*sentence.protected, Span(len(sentence.text), len(sentence.text))):
        start, end = (sentence.place + place for place in span)
        places.begins += passage.begins[position:start]
        places.ends += passage.ends[position:start]
        if start < end:
            places.begins += [passage.begins[start]] * stand_ins.LENGTH
            places.ends += [passage.ends[end - 1]] * stand_ins.LENGTH
        position = end
    return places


def translated_places(sentence: Sentence, translation: str, marks: Sequence[Mark]) -> Places:
    """Of a translation, in how the document writes it."""
    places, position, written = Places(), 0, 0
    end = Span(len(translation), len(translation))
    around = chain(spaces(sentence, translation, marks), [("", "")])
    for (place, mark), (space, space_behind) in zip((*marks, (end, None)), around, strict=True):
        for character in translation[position : place.start]:
            places.begins.append(written)
            written += len(sentence.passage.written(character))
            places.ends.append(written)
        written += len(space)
        begin = written
        if isinstance(mark, Span):
            at_start = not any(map(str.isalnum, translation[: place.start]))
            written += len(sentence.written_span(mark, at_start=at_start))
        elif mark is not None:
            written += len(sentence.written_tag(mark))
        if mark is not None:
            places.marks.append(Span(begin, written))
        places.begins += [begin] * (place.end - place.start)
        places.ends += [written] * (place.end - place.start)
        written += len(space_behind)
        position = max(position, place.end)
    return places


def aligned(
    sentence: Sentence, translation: str, marks: Sequence[Mark], attended: Attended
) -> list[Alignment]:
    """The words of a translation, in order, with those of the document that they come from.

    Every word is there, on both sides: one that no other word comes from is with the one that comes
    from it most. Targets are counted from the beginning of the translation.

    marks: as marks_in() finds them.
    """
    shown = stand_ins.shown(sentence) or sentence.text
    source_words, target_words = words(shown), words(translation)
    if not source_words or not target_words:
        return []
    matrix = weights(
        attended.attention, attended.target, attended.source, target_words, source_words
    )
    for source, target in _known(sentence, marks):
        _settle(matrix, _touched(target_words, target), _touched(source_words, source))
    sources, targets = shown_places(sentence), translated_places(sentence, translation, marks)
    pairs = [
        Alignment(sources.written(source_words[column]), targets.written(target_words[row]))
        for row, column in _pairs(matrix)
    ]
    pictures = _pictures(sentence, marks, targets.marks)
    return sorted([*pairs, *pictures], key=lambda pair: (pair.target, pair.source))


def kept(text: str) -> list[Alignment]:
    """The words of a text that stays as it is."""
    return [Alignment(word, word) for word in words(text)]


def _pictures(
    sentence: Sentence, marks: Sequence[Mark], places: Sequence[Span]
) -> Iterator[Alignment]:
    """The emoji of a sentence, each with itself; places: of the marks in the translation."""
    for (_, mark), (start, end) in zip(marks, places, strict=True):
        if isinstance(mark, Tag) and mark.is_picture:
            written = sentence.written_tag(mark)
            space = len(written) - len(written.lstrip())
            yield Alignment(Span(mark.start + space, mark.end), Span(start + space, end))


def _known(sentence: Sentence, marks: Sequence[Mark]) -> Iterator[tuple[Span, Span]]:
    """Where the number of each protected span is, in what was shown and in the translation."""
    for place, mark in marks:
        if isinstance(mark, Span):
            start = stand_ins.shown_place(sentence, mark.start)
            yield Span(start, start + stand_ins.LENGTH), place


def _touched(spans: Sequence[Span], touching: Span) -> list[int]:
    """The spans that have characters of another one."""
    return [
        index
        for index, (start, end) in enumerate(spans)
        if start < touching.end and touching.start < end
    ]


def _settle(matrix: Weights, rows: Sequence[int], columns: Sequence[int]) -> None:
    """Let these words belong to each other alone."""
    matrix[rows, :] = 0
    matrix[:, columns] = 0
    for row in rows:
        matrix[row, columns] = 1


def _pairs(matrix: Weights) -> list[tuple[int, int]]:
    """(target word, source word), so that every one is in some pair, in order."""
    best = matrix.argmax(1).tolist()
    missing = set(range(matrix.shape[1])) - set(best)
    lonely = [(int(matrix[:, column].argmax()), column) for column in missing]
    return sorted([*enumerate(best), *lonely])
