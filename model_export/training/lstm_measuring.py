"""Measure a network on a development set: loss, BLEU and chrF."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from model_export.training import lstm_fitting
from model_export.training.batches import cut
from model_export.training.data import DevelopmentSet
from model_export.training.lstm_decoding import Translator, translate
from model_export.training.lstm_vocabulary import END, Vocabulary
from model_export.training.scores import Scores, corpus_scores

BATCH_TOKENS = 2000


@dataclass(frozen=True, slots=True)
class EncodedSet:
    """A development set as ids. END is in neither side."""

    name: str
    sources: list[list[int]]
    targets: list[list[int]]
    references: tuple[str, ...]

    @classmethod
    def of(cls, texts: DevelopmentSet, source: Vocabulary, target: Vocabulary) -> EncodedSet:
        return cls(
            texts.name,
            [source.encode(sentence) for sentence in texts.sources],
            [target.encode(sentence) for sentence in texts.references],
            texts.references,
        )


def loss(network: keras.Model, texts: EncodedSet) -> float:
    """Mean cross entropy of a reference's token in nats, without smoothing. network: to logits."""
    cross_entropy = lstm_fitting.smoothed_loss(0.0)
    pairs = zip(texts.sources, texts.targets, strict=True)
    lengths = np.array([(len(source) + 1, len(target) + 1) for source, target in pairs])
    total, tokens = 0.0, 0
    for places in cut(np.arange(len(lengths)), lengths, BATCH_TOKENS):
        source_ids, told, asked = lstm_fitting.batch(
            [texts.sources[place] for place in places], [texts.targets[place] for place in places]
        )
        losses = cross_entropy(asked, network.predict_on_batch([source_ids, told]))
        wanted = asked != 0
        total += float(np.asarray(losses)[wanted].sum())
        tokens += int(wanted.sum())
    return total / tokens


def scores(translator: Translator, target: Vocabulary, texts: EncodedSet, beam: int = 1) -> Scores:
    """BLEU and chrF of the translations."""
    sources = [[*source, END] for source in texts.sources]
    hypotheses = [target.decode(ids) for ids in translate(translator, sources, beam)]
    return corpus_scores(hypotheses, texts.references)
