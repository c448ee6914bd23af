"""Search for the translations of a batch of sentences, one decoder step at a time.

Every sentence has options of its own. Rows of all sentences stand one after the other: the live
hypotheses of the first sentence, best first, then those of the second, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from service.decoding.beam import Beam, Continuation, best_continuations
from service.decoding.demands import Demands
from service.decoding.model import Candidates, Decoding, Seq2SeqModel, StepInput, Target
from service.decoding.sentence import OnItsOwn, Sentence, begin
from service.domain import DecodingOptions, Hypothesis

__all__ = ["Search", "Target", "decode"]


class Search:
    """Sentences on their way, known by their numbers in the decoding. Any may join or be dropped
    between steps."""

    def __init__(self, decoding: Decoding, target: Target) -> None:
        self._decoding = decoding
        self._target = target
        self._beams: dict[int, Sentence] = {}
        self._starts: dict[int, int] = {}  # each sentence's first row in the step before
        self._next_start = 0  # where the next to join begins

    @property
    def sentences(self) -> list[int]:
        """The sentences that are not done."""
        return list(self._beams)

    @property
    def rows(self) -> int:
        """Rows that the next step computes."""
        return sum(beam.size for beam in self._beams.values())

    def add(
        self, source_ids: Sequence[tuple[int, ...]], options: Sequence[DecodingOptions]
    ) -> list[int]:
        """Let sentences join, each with its options; returns their numbers."""
        numbers = self._decoding.join(list(source_ids))
        for number, sentence in zip(numbers, options, strict=True):
            self._beams[number] = begin(sentence, self._target)
            self._starts[number] = self._next_start
            self._next_start += 1
        return numbers

    def drop(self, sentence: int) -> None:
        """Give a sentence up; its rows are gone at the next step."""
        del self._beams[sentence], self._starts[sentence]
        self._decoding.leave([sentence])

    def step(self) -> dict[int, tuple[Hypothesis, ...]]:
        """Advance all sentences by one token; returns those that are done with their results."""
        starts = self._first_rows()
        candidates = self._decoding.step(self._step_input(starts))
        self._advance(candidates, starts)
        self._starts = dict(zip(self._beams, starts, strict=True))
        self._next_start = len(candidates.ids)
        done = {number: beam.result() for number, beam in self._beams.items() if beam.done}
        for number in done:
            self.drop(number)
        return done

    def _step_input(self, starts: list[int]) -> StepInput:
        beams = list(self._beams.items())
        sizes = [beam.size for _, beam in beams]
        parents = [self._starts[number] + p for number, beam in beams for p in beam.parents]
        last_ids = [id_ for _, beam in beams for id_ in beam.last_tokens(self._target.start)]
        demands = Demands(self._target.vocabulary)
        for (_, beam), start in zip(beams, starts, strict=True):
            beam.demand(demands, start)
        return StepInput(
            last_ids=np.array(last_ids, np.int64),
            positions=np.repeat(np.array([beam.step for _, beam in beams], np.int64), sizes),
            parents=np.array(parents, np.int64),
            sentences=np.repeat(np.array([number for number, _ in beams], np.int64), sizes),
            biased=demands.biased,
            biases=demands.biases,
            candidates=min(self._target.vocabulary, max(beam.candidates for _, beam in beams)),
            extras=demands.extras,
        )

    def _first_rows(self) -> list[int]:
        sizes = [beam.size for beam in self._beams.values()]
        return list(accumulate(sizes, initial=0))[:-1]

    def _advance(self, candidates: Candidates, starts: list[int]) -> None:
        for (size, seen), alike in self._alike(starts).items():
            if seen == 1:
                _advance_greedily(alike, candidates)
                continue
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
        for sentence, start in zip(self._beams.values(), starts, strict=True):
            if isinstance(sentence, OnItsOwn):
                sentence.take(candidates, start)

    def _alike(self, starts: list[int]) -> dict[tuple[int, int], list[tuple[Beam, int]]]:
        """Plain beams and their first rows, by live hypotheses and candidates: one array each."""
        groups: dict[tuple[int, int], list[tuple[Beam, int]]] = {}
        for beam, start in zip(self._beams.values(), starts, strict=True):
            if not isinstance(beam, OnItsOwn):
                groups.setdefault((beam.size, beam.candidates), []).append((beam, start))
        return groups


def _advance_greedily(alike: list[tuple[Beam, int]], candidates: Candidates) -> None:
    """The same for beams that have one hypothesis and look at one continuation."""
    rows = [start for _, start in alike]
    log_probs, ids = candidates.log_probs[rows, 0], candidates.ids[rows, 0]
    for (beam, _), log_prob, id_ in zip(alike, log_probs, ids.tolist(), strict=True):
        beam.advance([Continuation(0, id_, float(np.float32(beam.totals[0]) + log_prob))])


def decode(
    model: Seq2SeqModel,
    source_ids: Sequence[tuple[int, ...]],
    options: Sequence[DecodingOptions],
    target: Target,
) -> list[tuple[Hypothesis, ...]]:
    """Translate some sentences to their ends; results in their order."""
    search = Search(model.begin(), target)
    numbers = search.add(source_ids, options)
    results: dict[int, tuple[Hypothesis, ...]] = {}
    while search.sentences:
        results |= search.step()
    return [results[number] for number in numbers]
