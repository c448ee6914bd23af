"""Tokens that the options of a sentence forbid or penalise, given what a hypothesis has so far.

repetition_penalty, no_repeat_ngram_size, suppress_sequences and disable_unk, as CTranslate2's
logits processors (src/decoding_utils.cc). A forced prefix counts as part of the hypothesis.
"""

from __future__ import annotations

from service.decoding.demands import Demands
from service.domain import DecodingOptions

Tokens = tuple[int, ...]


class Constraints:
    """The constraints of one sentence."""

    def __init__(self, options: DecodingOptions, unknown: int | None) -> None:
        self._penalty = options.repetition_penalty
        self._ngram_size = options.no_repeat_ngram_size
        never = {sequence[0] for sequence in options.suppress_sequences if len(sequence) == 1}
        if options.disable_unk and unknown is not None:
            never.add(unknown)
        self._never = frozenset(never)
        self._sequences = [one for one in options.suppress_sequences if len(one) > 1]
        self.any = bool(self._penalty != 1 or self._ngram_size or never or self._sequences)
        """Whether there are any."""

    def demand(self, demands: Demands, row: int, tokens: Tokens) -> None:
        """Apply them to a row whose hypothesis has these tokens."""
        for token in self.forbidden(tokens):
            demands.forbid(row, token)
        if self._penalty != 1:
            for token in set(tokens):
                demands.penalise(row, token, self._penalty)

    def forbidden(self, tokens: Tokens) -> set[int]:
        """What must not come next."""
        forbidden = set(self._never)
        for sequence in self._sequences:
            if tokens[-len(sequence) + 1 :] == sequence[:-1]:
                forbidden.add(sequence[-1])
        if self._ngram_size:
            forbidden |= _ends_of_repeated_ngrams(tokens, self._ngram_size)
        return forbidden


def _ends_of_repeated_ngrams(tokens: Tokens, size: int) -> set[int]:
    """Tokens that would end a sequence of this size which tokens already has."""
    last = tokens[len(tokens) - size + 1 :]
    return {
        tokens[start + size - 1]
        for start in range(len(tokens) - size + 1)
        if tokens[start : start + size - 1] == last
    }
