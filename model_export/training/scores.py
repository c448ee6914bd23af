"""BLEU and chrF of translations, as sacrebleu computes them by default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF


@dataclass(frozen=True, slots=True)
class Scores:
    """Both from 0 to 100."""

    bleu: float
    chrf: float


def corpus_scores(hypotheses: Sequence[str], references: Sequence[str]) -> Scores:
    """Scores of a whole set, one reference a sentence."""
    return Scores(
        bleu=BLEU().corpus_score(hypotheses, [references]).score,
        chrf=CHRF().corpus_score(hypotheses, [references]).score,
    )
