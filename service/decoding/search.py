"""Search for the translations of a batch of sentences, one decoder step at a time.

Every sentence has options of its own. Rows of all sentences stand one after the other: the live
hypotheses of the first sentence, best first, then those of the second, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from service.decoding.beam import Beam, best_continuations
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
        own = [one.for_source(len(ids)) for one, ids in zip(options, source_ids, strict=True)]
        numbers = self._decoding.join(list(source_ids))
        for number, sentence in zip(numbers, own, strict=True):
            self._beams[number] = begin(sentence, self._target)
            self._starts[number] = self._next_start
            self._next_start += 1
        return numbers

    def drop(self, sentence: int) -> None:
        """Give a sentence up; its rows are gone at the next step."""
        del self._beams[sentence], self._starts[sentence]
        self._decoding.leave([sentence])

    def step(self) -> dict[int, tuple[Hypothesis, ...]]:
        """Advance all sentences by one token; returns those that are done with their results.

        Raises:
            FloatingPointError: a sentence's numbers are too large for the model. What they leave in
                memory would spoil the sentences that come after it, so the search has to end.
        """
        starts = self._first_rows()
        candidates = self._decoding.step(self._step_input(starts))
        if np.isnan(candidates.log_probs).any():
            raise FloatingPointError("the model computed what is not a number")
        self._advance(candidates, starts)
        self._starts = dict(zip(self._beams, starts, strict=True))
        self._next_start = len(candidates.ids)
        done = {number: beam.result() for number, beam in self._beams.items() if beam.done}
        for number in done:
            self.drop(number)
        return done

    def run(
        self, source_ids: Sequence[tuple[int, ...]], options: Sequence[DecodingOptions]
    ) -> list[tuple[Hypothesis, ...]]:
        """Let sentences join and translate them to their ends, when there are no others."""
        numbers = self.add(source_ids, options)
        results: dict[int, tuple[Hypothesis, ...]] = {}
        while not results.keys() >= set(numbers):
            results |= self.step()
        return [results[number] for number in numbers]

    def _step_input(self, starts: list[int]) -> StepInput:
        beams = list(self._beams.items())
        parents = [self._starts[number] + p for number, beam in beams for p in beam.parents]
        last_ids = [id_ for _, beam in beams for id_ in beam.last_tokens(self._target.start)]
        demands = Demands(self._target.vocabulary)
        for (_, beam), start in zip(beams, starts, strict=True):
            beam.demand(demands, start)
        return StepInput(
            last_ids=np.array(last_ids, np.int64),
            positions=np.array([beam.step for _, beam in beams for _ in range(beam.size)]),
            parents=np.array(parents, np.int64),
            sentences=np.array([number for number, beam in beams for _ in range(beam.size)]),
            biased=demands.biased,
            biases=demands.biases,
            candidates=min(self._target.vocabulary, max(beam.candidates for _, beam in beams)),
            extras=demands.extras,
        )

    def _first_rows(self) -> list[int]:
        sizes = [beam.size for beam in self._beams.values()]
        return list(accumulate(sizes, initial=0))[:-1]

    def _advance(self, candidates: Candidates, starts: list[int]) -> None:
        alike: dict[tuple[int, int], list[tuple[Beam, int]]] = {}
        for sentence, start in zip(self._beams.values(), starts, strict=True):
            if isinstance(sentence, OnItsOwn):
                sentence.take(candidates, start)
            else:
                alike.setdefault((sentence.size, sentence.candidates), []).append((sentence, start))
        for (size, seen), beams in alike.items():
            _advance_alike(beams, candidates, size, seen)


def _advance_alike(
    beams: list[tuple[Beam, int]], candidates: Candidates, size: int, seen: int
) -> None:
    """Advance plain beams, with their first rows, that have so many hypotheses and look at so many
    continuations of each: one array operation for all."""
    if seen == 1:
        _advance_greedily(beams, candidates)
        return
    rows = np.array([start for _, start in beams])[:, None] + np.arange(size)  # (sentences, size)
    log_probs, ids = candidates.log_probs[rows, :seen], candidates.ids[rows, :seen]
    totals = np.array([beam.totals for beam, _ in beams], np.float32)
    best = best_continuations(totals, log_probs, ids, 2 * beams[0][0].beam_size)
    for (beam, _), continuations in zip(beams, best, strict=True):
        beam.extend(*continuations)


def _advance_greedily(beams: list[tuple[Beam, int]], candidates: Candidates) -> None:
    log_probs, ids = candidates.log_probs[:, 0].tolist(), candidates.ids[:, 0].tolist()
    for beam, row in beams:
        beam.extend([0], [ids[row]], [beam.totals[0] + log_probs[row]])


def decode(
    model: Seq2SeqModel,
    source_ids: Sequence[tuple[int, ...]],
    options: Sequence[DecodingOptions],
    target: Target,
) -> list[tuple[Hypothesis, ...]]:
    """Translate some sentences to their ends; results in their order."""
    return Search(model.begin(), target).run(source_ids, options)
