"""Does a hypothesis only repeat itself? Models that lose their way write the same few tokens again
and again until they are cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from service.domain import DecodingOptions, FinishReason, Hypothesis

REPEATS = 4
"""A sequence of tokens must follow itself so often …"""
TOKENS = 12
"""… and cover so many tokens together, to count as repetition. "No, no, no, no!" does not."""
BLOCKED_NGRAM_SIZE = 3
"""no_repeat_ngram_size of the second try."""


def repeats_itself(target_ids: Sequence[int], source_ids: Sequence[int]) -> bool:
    """Whether a sequence follows itself REPEATS times over TOKENS tokens, and at least twice as
    often as any does in the source: what says the same again and again is translated so."""
    # Most hypotheses have too few tokens that occurred before for any such repetition.
    occurred_before = len(target_ids) - len(set(target_ids))
    if occurred_before < TOKENS - TOKENS // REPEATS:
        return False
    found = _most_repeats(target_ids, TOKENS)
    return found >= max(REPEATS, 2 * _most_repeats(source_ids, 0))


def without_repetitions(options: DecodingOptions) -> DecodingOptions:
    """The options of the second try."""
    return replace(options, no_repeat_ngram_size=BLOCKED_NGRAM_SIZE)


def as_second_try(hypotheses: Sequence[Hypothesis]) -> tuple[Hypothesis, ...]:
    """The results of the second try, which say so."""
    return tuple(replace(one, finish_reason=FinishReason.REPETITION) for one in hypotheses)


def _most_repeats(ids: Sequence[int], tokens: int) -> int:
    """How often a sequence follows itself at most, counting runs of so many tokens at least."""
    most = 1
    for period in range(1, len(ids) // 2 + 1):
        run = 0
        for index in range(period, len(ids)):
            run = run + 1 if ids[index] == ids[index - period] else 0
            if run and run + period >= tokens:
                most = max(most, run // period + 1)
    return most
