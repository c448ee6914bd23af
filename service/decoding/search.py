"""Search for the translations of a batch of sentences, one decoder step at a time.

Every sentence has options of its own. Rows of all sentences stand one after the other: the live
hypotheses of the first sentence, best first, then those of the second, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from service.decoding.beam import Beam, best_continuations
from service.decoding.model import Candidates, Decoding, Seq2SeqModel, StepInput
from service.domain import DecodingOptions, Hypothesis

KEEP_SHARE = 0.5
"""Memory of finished sentences is given up when fewer than this share of them are left."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the search has to know of a model's target side."""

    start: int
    """The decoder's first input."""
    end: int
    """The token that ends a hypothesis."""
    vocabulary: int
    """How many tokens there are."""
    max_length: int
    """Most steps that the decoder can take; a larger max_decoding_length means this one."""


class Search:
    """A batch on its way. Sentences are known by their index in the batch, whatever finishes."""

    def __init__(
        self, decoding: Decoding, options: Sequence[DecodingOptions], target: Target
    ) -> None:
        self._decoding = decoding
        self._target = target
        self._beams = {
            index: Beam(sentence, target.end, target.max_length)
            for index, sentence in enumerate(options)
        }
        self._memory = list(self._beams)  # sentences that the decoding still holds
        self._starts = {index: index for index in self._beams}  # first row in the step before

    @property
    def sentences(self) -> list[int]:
        """Indices of the sentences that are not done."""
        return list(self._beams)

    @property
    def rows(self) -> int:
        """Rows that the next step computes."""
        return sum(beam.size for beam in self._beams.values())

    def drop(self, sentence: int) -> None:
        """Give a sentence up; its rows are gone at the next step."""
        self._beams.pop(sentence, None)

    def step(self) -> dict[int, tuple[Hypothesis, ...]]:
        """Advance all sentences by one token; returns those that are done with their results."""
        self._forget()
        starts = self._first_rows()
        candidates = self._decoding.step(self._step_input(starts))
        return self._advance(candidates, starts)

    def _step_input(self, starts: list[int]) -> StepInput:
        beams = list(self._beams.items())
        places = {sentence: place for place, sentence in enumerate(self._memory)}
        sizes = [beam.size for _, beam in beams]
        parents = [self._starts[index] + p for index, beam in beams for p in beam.parents]
        last_ids = [id_ for _, beam in beams for id_ in beam.last_tokens(self._target.start)]
        banned = self._rows_that_may_not_end(starts)
        return StepInput(
            last_ids=np.array(last_ids, np.int64),
            positions=np.repeat(np.array([beam.step for _, beam in beams], np.int64), sizes),
            parents=np.array(parents, np.int64),
            sentences=np.repeat(np.array([places[index] for index, _ in beams], np.int64), sizes),
            biased=np.array([(row, self._target.end) for row in banned], np.int64).reshape(-1, 2),
            biases=np.full(len(banned), -np.inf, np.float32),
            candidates=min(self._target.vocabulary, max(beam.candidates for _, beam in beams)),
        )

    def _rows_that_may_not_end(self, starts: list[int]) -> list[int]:
        return [
            row
            for (_, beam), start in zip(self._beams.items(), starts, strict=True)
            if not beam.may_end
            for row in range(start, start + beam.size)
        ]

    def _first_rows(self) -> list[int]:
        sizes = [beam.size for beam in self._beams.values()]
        return list(accumulate(sizes, initial=0))[:-1]

    def _advance(
        self, candidates: Candidates, starts: list[int]
    ) -> dict[int, tuple[Hypothesis, ...]]:
        for (size, seen), alike in self._alike(starts).items():
            # rows: (sentences, size)
            rows = np.array([start for _, start in alike])[:, None] + np.arange(size)
            totals = np.array([beam.totals for beam, _ in alike], np.float32)
            best = best_continuations(
                totals,
                candidates.log_probs[rows, :seen],
                candidates.ids[rows, :seen],
                2 * alike[0][0].beam_size,
            )
            for (beam, _), continuations in zip(alike, best, strict=True):
                beam.advance(continuations)
        self._starts = dict(zip(self._beams, starts, strict=True))
        done = {index: beam.result() for index, beam in self._beams.items() if beam.done}
        for index in done:
            del self._beams[index]
        return done

    def _alike(self, starts: list[int]) -> dict[tuple[int, int], list[tuple[Beam, int]]]:
        """Beams with their first rows, by live hypotheses and candidates, which are one array."""
        groups: dict[tuple[int, int], list[tuple[Beam, int]]] = {}
        for beam, start in zip(self._beams.values(), starts, strict=True):
            groups.setdefault((beam.size, beam.candidates), []).append((beam, start))
        return groups

    def _forget(self) -> None:
        """Shrink the decoding's memory when most of its sentences are done."""
        if len(self._beams) > KEEP_SHARE * len(self._memory):
            return
        places = [place for place, index in enumerate(self._memory) if index in self._beams]
        self._decoding.keep(np.array(places, np.int64))
        self._memory = list(self._beams)


def decode(
    model: Seq2SeqModel,
    source_ids: Sequence[tuple[int, ...]],
    options: Sequence[DecodingOptions],
    target: Target,
) -> list[tuple[Hypothesis, ...]]:
    """Translate one batch to its end; results in the order of the sentences."""
    search = Search(model.encode(list(source_ids)), options, target)
    results: dict[int, tuple[Hypothesis, ...]] = {}
    while search.sentences:
        results |= search.step()
    return [results[index] for index in range(len(options))]
