"""How a sentence is decoded: which kind of search its options ask for."""

from __future__ import annotations

from service.decoding.beam import Beam
from service.decoding.branches import Alternatives, SideBySide
from service.decoding.guided import GuidedBeam
from service.decoding.model import Target
from service.decoding.scoring import Scoring
from service.domain import DecodingOptions

OnItsOwn = GuidedBeam | SideBySide | Alternatives | Scoring
"""A sentence whose take() makes a step. Plain beams are advanced many at once."""
Sentence = Beam | OnItsOwn
"""One sentence on its way. All have size, parents, step, candidates, last_tokens() and demand()
for what the next step computes, and done and result()."""


def begin(options: DecodingOptions, target: Target) -> Sentence:
    """Begin a sentence."""
    if options.scored_target is not None:
        return Scoring(options.scored_target, target, options.start)
    if options.return_alternatives:
        return Alternatives(options, target)
    if options.beam_size == 1 and options.num_hypotheses > 1:
        return SideBySide([GuidedBeam(options, target, i) for i in range(options.num_hypotheses)])
    if _is_plain(options):
        return Beam(options, target)
    return GuidedBeam(options, target)


def _is_plain(options: DecodingOptions) -> bool:
    return not (
        options.start
        or options.target_prefix
        or options.samples
        or options.return_attention
        or options.coverage_penalty
    )
