"""Several beams that share one sentence: independent draws, and alternatives behind a prefix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from service.decoding.beam import Beam
from service.decoding.demands import Demands
from service.decoding.guided import GuidedBeam
from service.decoding.model import Candidates, Target
from service.domain import DecodingOptions, Hypothesis


class SideBySide:
    """Beams that go on until each is done. Their rows stand one after the other."""

    def __init__(self, beams: Sequence[GuidedBeam], starts: Sequence[int] | None = None) -> None:
        """starts: the token behind which each beam begins; by default the model's start."""
        self._beams = list(beams)
        self._starts = starts
        self._live = list(range(len(beams)))
        self._offsets = [0] * len(beams)  # first row of each live beam in the step before

    @property
    def size(self) -> int:
        """As Beam."""
        return sum(self._beams[index].size for index in self._live)

    @property
    def step(self) -> int:
        """As Beam."""
        return self._beams[self._live[0]].step

    @property
    def parents(self) -> list[int]:
        """As Beam."""
        return [
            offset + parent
            for index, offset in zip(self._live, self._offsets, strict=True)
            for parent in self._beams[index].parents
        ]

    @property
    def candidates(self) -> int:
        """As Beam."""
        return max(self._beams[index].candidates for index in self._live)

    @property
    def done(self) -> bool:
        """As Beam."""
        return not self._live

    def last_tokens(self, start: int) -> list[int]:
        """As Beam."""
        return [
            token
            for index in self._live
            for token in self._beams[index].last_tokens(
                start if self._starts is None else self._starts[index]
            )
        ]

    def demand(self, demands: Demands, row: int) -> None:
        """As Beam."""
        for index, offset in zip(self._live, self._first_rows(), strict=True):
            self._beams[index].demand(demands, row + offset)

    def take(self, candidates: Candidates, row: int) -> None:
        """As GuidedBeam."""
        placed = list(zip(self._live, self._first_rows(), strict=True))
        for index, offset in placed:
            self._beams[index].take(candidates, row + offset)
        going_on = [(index, offset) for index, offset in placed if not self._beams[index].done]
        self._live = [index for index, _ in going_on]
        self._offsets = [offset for _, offset in going_on]

    def best(self) -> list[Hypothesis]:
        """The best hypothesis of each beam, in the order of the beams."""
        return [beam.result()[0] for beam in self._beams]

    def result(self) -> tuple[Hypothesis, ...]:
        """The best hypothesis of each beam, best first."""
        return tuple(sorted(self.best(), key=lambda hypothesis: -hypothesis.score))

    def _first_rows(self) -> list[int]:
        sizes = [self._beams[index].size for index in self._live]
        return list(accumulate(sizes, initial=0))[:-1]


class Alternatives:
    """return_alternatives: the best tokens behind the prefix, each of which is continued by a
    search of its own, as CTranslate2's decode_alternatives.

    Unlike there, constraints on repetitions see the whole hypothesis.
    """

    def __init__(self, options: DecodingOptions, target: Target) -> None:
        self._options = options
        self._target = target
        self._longest = min(options.max_decoding_length, target.max_length)
        prefix = len(options.start) + len(options.target_prefix)
        self._stem_length = min(prefix + 1, self._longest)
        self._stem = GuidedBeam(_stem_options(options, self._stem_length), target)
        self._expansions: list[Hypothesis] = []
        self._branches: SideBySide | None = None

    @property
    def _current(self) -> Beam | SideBySide:
        return self._branches or self._stem

    @property
    def size(self) -> int:
        """As Beam."""
        return self._current.size

    @property
    def step(self) -> int:
        """As Beam."""
        return self._stem_length + self._branches.step if self._branches else self._stem.step

    @property
    def parents(self) -> list[int]:
        """As Beam."""
        return self._current.parents

    @property
    def candidates(self) -> int:
        """As Beam."""
        return self._current.candidates

    @property
    def done(self) -> bool:
        """As Beam."""
        if self._branches:
            return self._branches.done
        return self._stem.done

    def last_tokens(self, start: int) -> list[int]:
        """As Beam."""
        return self._current.last_tokens(start)

    def demand(self, demands: Demands, row: int) -> None:
        """As Beam."""
        self._current.demand(demands, row)

    def take(self, candidates: Candidates, row: int) -> None:
        """As GuidedBeam."""
        if self._branches:
            self._branches.take(candidates, row)
            return
        self._stem.take(candidates, row)
        if self._stem.done:
            self._expansions = self._probable(self._stem.result())
            if self._stem_length < self._longest:
                self._branches = self._branch_out()

    def result(self) -> tuple[Hypothesis, ...]:
        """As Beam, but in the order of the expansions."""
        if not self._branches:
            return tuple(self._expansions)
        pairs = zip(self._expansions, self._branches.best(), strict=True)
        return tuple(_joined(expansion, rest) for expansion, rest in pairs)

    def _probable(self, expansions: tuple[Hypothesis, ...]) -> list[Hypothesis]:
        """The best one, and all others that may be and are probable enough."""
        least = self._options.min_alternative_expansion_prob
        others = (one for one in expansions[1:] if math.isfinite(one.score))
        return [*expansions[:1], *(one for one in others if math.exp(one.score) >= least)]

    def _branch_out(self) -> SideBySide:
        longest = self._longest - self._stem_length
        options = replace(
            self._options,
            num_hypotheses=1,
            start=(),
            target_prefix=(),
            return_alternatives=False,
            max_decoding_length=longest,
            # More than the model can do may be asked for.
            min_decoding_length=min(
                longest, max(0, self._options.min_decoding_length - self._stem_length)
            ),
        )
        beams = [
            GuidedBeam(options, self._target, stream, self._options.start + expansion.target_ids)
            for stream, expansion in enumerate(self._expansions)
        ]
        return SideBySide(beams, [one.target_ids[-1] for one in self._expansions])


def _stem_options(options: DecodingOptions, length: int) -> DecodingOptions:
    """A search that ends with the first token behind the prefix; its score is that token's."""
    return replace(
        options,
        beam_size=options.num_hypotheses,
        patience=1.0,
        length_penalty=0.0,
        coverage_penalty=0.0,
        sampling_topk=1,
        return_alternatives=False,
        max_decoding_length=length,
        min_decoding_length=length,
    )


def _joined(expansion: Hypothesis, rest: Hypothesis) -> Hypothesis:
    return replace(
        rest,
        target_ids=expansion.target_ids + rest.target_ids,
        score=expansion.score + rest.score,
        attention=expansion.attention + rest.attention,
    )
