"""Measure a model on a development set: loss, and BLEU and chrF of its greedy translations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import MarianMTModel

from model_export.training.batches import Ids, cut
from model_export.training.data import DevelopmentSet
from model_export.training.network import Batch, losses, precision
from model_export.training.scores import Scores, corpus_scores
from model_export.training.settings import Recipe
from model_export.training.vocabulary import EncodedTexts, Vocabulary

BATCH_TOKENS = 4000


@dataclass(frozen=True, slots=True)
class Measurement:
    """loss: mean cross entropy of a reference's token, without smoothing."""

    loss: float
    scores: Scores


@torch.no_grad()
def measure(
    model: MarianMTModel, vocabulary: Vocabulary, texts: DevelopmentSet, recipe: Recipe
) -> Measurement:
    """Measure a model that is in evaluation mode."""
    sources = vocabulary.encode(texts.sources)
    targets = vocabulary.encode(texts.references)
    with precision(recipe.precision):
        loss = _loss(model, sources, targets)
        hypotheses = translate(model, vocabulary, texts.sources)
    return Measurement(loss, corpus_scores(hypotheses, texts.references))


@torch.no_grad()
def translate(model: MarianMTModel, vocabulary: Vocabulary, texts: Sequence[str]) -> list[str]:
    """Translate each text greedily."""
    sources = vocabulary.encode(texts)
    translations = [""] * len(texts)
    for places in _batches(sources, sources):
        source = torch.from_numpy(sources.padded(places, vocabulary.padding))
        found = model.generate(
            source,
            attention_mask=(source != vocabulary.padding).long(),
            num_beams=1,
            do_sample=False,
            suppress_tokens=[vocabulary.padding],
            max_new_tokens=min(2 * source.shape[1] + 10, model.config.max_position_embeddings - 1),
        )
        for place, ids in zip(places, found[:, 1:].tolist(), strict=True):
            translations[place] = vocabulary.decode(ids)
    return translations


def _loss(model: MarianMTModel, sources: EncodedTexts, targets: EncodedTexts) -> float:
    total = 0.0
    padding: int = model.config.pad_token_id
    for places in _batches(sources, targets):
        source = torch.from_numpy(sources.padded(places, padding))
        target = torch.from_numpy(targets.padded(places, padding))
        total += float(losses(model, Batch(source, target), smoothing=0.0))
    return total / len(targets.ids)


def _batches(sources: EncodedTexts, targets: EncodedTexts) -> Iterator[Ids]:
    lengths = np.stack([sources.lengths(), targets.lengths()], axis=1)
    yield from cut(np.arange(len(lengths)), lengths, BATCH_TOKENS)
