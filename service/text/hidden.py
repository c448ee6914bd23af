"""Text of which a model is not shown everything."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

from service.text.placeholders import Span


class Hidden:
    """A text without some runs of its characters."""

    def __init__(self, runs: Sequence[Span]) -> None:
        """runs: in order; none is empty, and none overlaps another."""
        self.runs = runs
        self._ends = [run.end for run in runs]
        self._lengths = [0, *accumulate(end - start for start, end in runs)]

    def place(self, place: int) -> int:
        """Where a place outside of the runs is then."""
        return place - self._lengths[bisect_right(self._ends, place)]

    def span(self, span: Span) -> Span:
        """Where some of what stays is then."""
        return Span(self.place(span.start), self.place(span.end))

    def without(
        self, text: str, begins: Sequence[int], ends: Sequence[int]
    ) -> tuple[str, Sequence[int], Sequence[int]]:
        """The text, and where each of its characters begins and ends in a document, without
        them."""
        bounds = [0, *(place for run in self.runs for place in run), len(text)]
        kept = [slice(*span) for span in list(pairwise(bounds))[::2]]
        return (
            "".join(text[part] for part in kept),
            [place for part in kept for place in begins[part]],
            [place for part in kept for place in ends[part]],
        )
