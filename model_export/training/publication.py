"""What a run shows of itself: scores in its journal, a model directory, a picture of its curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import MarianMTModel

from model_export.training import curves, evaluation, output
from model_export.training.checkpoint import Position
from model_export.training.data import DevelopmentSet
from model_export.training.journal import Journal
from model_export.training.run import MODEL_NAME, Run
from model_export.training.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes into a run's directory."""

    directory: Path
    run: Run
    vocabulary: Vocabulary
    development: Sequence[DevelopmentSet]
    journal: Journal

    def publish(self, model: MarianMTModel, position: Position) -> Iterator[str]:
        """Measure a model, write it and draw the curves; hands out lines that say what was found.

        model: in evaluation mode. It is written when the lines are at their end.
        """
        scores = {}
        for texts in self.development:
            scores[texts.name] = found = self._measure(model, texts)
            self.journal.add({**where(position), "set": texts.name, **found})
            yield f"step {position.step:,}  {texts.name}: {found}"
        training = {**self.run.model_dump(mode="json"), **where(position), "scores": scores}
        destination = self.directory / MODEL_NAME
        output.write(destination, model, self.vocabulary, self.run.pair, training)
        if self.journal.path.exists():
            curves.draw(self.directory)

    def _measure(self, model: MarianMTModel, texts: DevelopmentSet) -> dict[str, float]:
        found = evaluation.measure(model, self.vocabulary, texts, self.run.recipe)
        return {
            "loss": round(found.loss, 4),
            "bleu": round(found.scores.bleu, 2),
            "chrf": round(found.scores.chrf, 2),
        }


def where(position: Position) -> dict[str, float]:
    """A position in the journal's words."""
    return {
        "step": position.step,
        "epoch": position.epoch,
        "tokens": position.tokens,
        "seconds": round(position.seconds, 1),
        "cpu_seconds": round(position.cpu_seconds, 1),
    }
