"""The pairs of a run, epoch after epoch. Two numbers say where it stands, so it can go on there."""

from __future__ import annotations

import numpy as np
import torch

from model_export.training.batches import Ids, Weights, epoch_batches
from model_export.training.checkpoint import Position
from model_export.training.data import Corpus
from model_export.training.errors import BadData
from model_export.training.network import Batch
from model_export.training.settings import Recipe
from model_export.training.vocabulary import EncodedTexts, Vocabulary


class Stream:
    """Hands out batches. Call it from one thread."""

    def __init__(self, corpus: Corpus, vocabulary: Vocabulary, recipe: Recipe) -> None:
        """Raises BadData if no pair is short enough."""
        self._recipe = recipe
        self._padding = vocabulary.padding
        self._sources = vocabulary.encode(corpus.sources, recipe.threads)
        self._targets = vocabulary.encode(corpus.targets, recipe.threads)
        self._lengths = np.stack([self._sources.lengths(), self._targets.lengths()], axis=1)
        self._weights: Weights = np.where(
            self._lengths.max(axis=1) <= recipe.max_training_tokens, corpus.weights, 0.0
        )
        self.left_out = int((self._weights == 0).sum())
        if self.left_out == len(corpus):
            raise BadData([f"every pair has more than {recipe.max_training_tokens} tokens."])
        self._epoch = -1
        self._batches: list[Ids] = []

    def take(self, position: Position) -> list[Batch]:
        """The batches of the next step, one for each thread; moves the position on."""
        return [self._next(position) for _ in range(self._recipe.threads)]

    def _next(self, position: Position) -> Batch:
        self._prepare(position.epoch)
        while position.batch >= len(self._batches):
            position.epoch, position.batch = position.epoch + 1, 0
            self._prepare(position.epoch)
        places = self._batches[position.batch]
        position.batch += 1
        return Batch(self._table(self._sources, places), self._table(self._targets, places))

    def _prepare(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        tokens = max(1, self._recipe.batch_tokens // self._recipe.threads)
        seed = self._recipe.seed
        self._batches = epoch_batches(self._weights, self._lengths, tokens, seed, epoch)
        self._epoch = epoch

    def _table(self, texts: EncodedTexts, places: Ids) -> torch.Tensor:
        return torch.from_numpy(texts.padded(places, self._padding))
