"""Translate with a trained network: one step at a time, greedily or with a beam.

In training the decoder is told the right words so far. Here it is told its own, so the layers of
the saved network are put together anew: an encoder that runs once, a step that runs once a token.
N rows: sentences in greedy search, row = sentence * beam + place in a beam. The rest as in network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from model_export.training.lstm_network import Tensor
from model_export.training.lstm_settings import LstmRecipe
from model_export.training.lstm_vocabulary import END, PADDING, START

Array = npt.NDArray[Any]

SENTENCES_TOGETHER = 125
NEVER = [PADDING, START]
"""Tokens that no translation holds."""


@dataclass(frozen=True, slots=True)
class Translator:
    """A network taken apart. Fed with ids, gives ids."""

    encoder: keras.Model
    """source_ids [N, S] → memory [N, S, U], then the decoder's states."""
    step: keras.Model
    """[token [N, 1], memory, source_ids, states…] → [probabilities [N, V], attention [N, S],
    states…]"""

    @classmethod
    def of(cls, network: keras.Model, recipe: LstmRecipe) -> Translator:
        """network: as build() makes it and keras.saving.load_model() reads it."""
        return cls(_encoder(network, recipe), _step(network, recipe))

    def greedy(self, source_ids: Array) -> tuple[Array, Array]:
        """Take the likeliest token each time.

        Returns [N, T], ended by END, and the attention [N, T, S] paid when each was chosen.
        """
        memory, *states = self._encode(source_ids)
        tokens = np.full((len(source_ids), 1), START, np.int32)
        chosen, attention = [], []
        for _ in range(_limit(source_ids)):
            probabilities, weights, *states = self._advance(tokens, memory, source_ids, states)
            probabilities[:, NEVER] = 0.0
            tokens = np.where(tokens == END, END, probabilities.argmax(-1)[:, None])
            chosen.append(tokens)
            attention.append(weights)
            if (tokens == END).all():
                break
        return np.concatenate(chosen, axis=1), np.stack(attention, axis=1)

    def beam(self, source_ids: Array, width: int) -> Array:
        """Keep the best few beginnings of each sentence, choose by mean log-probability.

        Returns [N, T], ended by END.
        """
        sentences = len(source_ids)
        source_ids = np.repeat(source_ids, width, axis=0)
        memory, *states = self._encode(source_ids)
        hypotheses = np.full((sentences * width, 1), START, np.int32)
        scores = np.full((sentences, width), -np.inf)
        scores[:, 0] = 0.0  # all places of a beam begin alike: only the first may branch
        for _ in range(_limit(source_ids)):
            probabilities, _, *states = self._advance(
                hypotheses[:, -1:], memory, source_ids, states
            )
            rows, tokens, scores = _best(scores, hypotheses, probabilities)
            hypotheses = np.concatenate([hypotheses[rows], tokens], axis=1)
            states = [state[rows] for state in states]
            if (tokens == END).all():
                break
        lengths = 1 + (hypotheses[:, 1:] != END).sum(-1).reshape(sentences, width)
        best = np.arange(sentences) * width + (scores / lengths).argmax(-1)
        return hypotheses[best, 1:]

    def _encode(self, source_ids: Array) -> list[Array]:
        return [np.asarray(part) for part in self.encoder.predict_on_batch(source_ids)]

    def _advance(
        self, tokens: Array, memory: Array, source_ids: Array, states: list[Array]
    ) -> list[Array]:
        inputs = [tokens, memory, source_ids, *states]
        return [np.array(part) for part in self.step.predict_on_batch(inputs)]


def translate(
    translator: Translator, sources: Sequence[list[int]], beam: int = 1
) -> list[list[int]]:
    """Translate sentences of any length, in their order. The results have no END."""
    results: list[list[int]] = [[] for _ in sources]
    for places in _like_lengths(sources):
        source_ids = pad([sources[place] for place in places])
        found = translator.greedy(source_ids)[0] if beam == 1 else translator.beam(source_ids, beam)
        for place, row in zip(places, found, strict=True):
            results[place] = row[row != END].tolist()
    return results


def pad(sentences: Sequence[Sequence[int]]) -> Array:
    """[sentences, longest], filled up with PADDING."""
    ids = np.full((len(sentences), max(map(len, sentences))), PADDING, np.int32)
    for row, sentence in zip(ids, sentences, strict=True):
        row[: len(sentence)] = sentence
    return ids


def _best(scores: Array, hypotheses: Array, probabilities: Array) -> tuple[Array, Array, Array]:
    """The rows that the best continuations continue [N], their tokens [N, 1], their scores."""
    sentences, width = scores.shape
    with np.errstate(divide="ignore"):
        log_probs = np.log(probabilities)
    log_probs[:, NEVER] = -np.inf
    finished = hypotheses[:, -1] == END
    log_probs[finished] = -np.inf
    log_probs[finished, END] = 0.0  # a finished one stays as it is
    candidates = (scores.reshape(-1, 1) + log_probs).reshape(sentences, -1)
    best = np.argpartition(-candidates, range(width), axis=-1)[:, :width]
    rows = np.arange(sentences)[:, None] * width + best // probabilities.shape[-1]
    tokens = (best % probabilities.shape[-1]).astype(np.int32)
    return rows.ravel(), tokens.reshape(-1, 1), np.take_along_axis(candidates, best, -1)


def _like_lengths(sources: Sequence[list[int]]) -> Iterator[list[int]]:
    order = sorted(range(len(sources)), key=lambda place: len(sources[place]))
    for begin in range(0, len(order), SENTENCES_TOGETHER):
        yield order[begin : begin + SENTENCES_TOGETHER]


def _limit(source_ids: Array) -> int:
    """Tokens after which a translation is given up: a network that repeats itself never ends."""
    return 2 * int(source_ids.shape[1]) + 10


def _encoder(network: keras.Model, recipe: LstmRecipe) -> keras.Model:
    memory = network.get_layer(f"encoder_{recipe.layers}").output[0]
    states = [network.get_layer(name).output for name in _bridges(recipe)]
    return keras.Model(network.inputs[0], [memory, *states])


def _bridges(recipe: LstmRecipe) -> list[str]:
    return [
        f"bridge_{number}_{state}"
        for number in range(1, recipe.layers + 1)
        for state in range(2 if recipe.cell == "lstm" else 1)
    ]


def _step(network: keras.Model, recipe: LstmRecipe) -> keras.Model:
    token = keras.Input((1,), dtype="int32")
    memory = keras.Input((None, recipe.units))
    source = keras.Input((None,), dtype="int32")
    states = [keras.Input((recipe.units,)) for _ in _bridges(recipe)]
    hidden, weights, new_states = _decode_one(network, recipe, (token, memory, source), states)
    probabilities = network.get_layer("output")(hidden)
    outputs = [probabilities[:, 0], weights[:, 0], *new_states]
    return keras.Model([token, memory, source, *states], outputs)


def _decode_one(
    network: keras.Model,
    recipe: LstmRecipe,
    inputs: tuple[Tensor, Tensor, Tensor],
    states: list[Tensor],
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """What the output layer sees, the attention, the new states. Dropout is for training only."""
    token, memory, source = inputs
    each = len(states) // recipe.layers
    asking = 1 if recipe.attend_after == "first" else recipe.layers
    hidden = network.get_layer("target_embedding")(token)
    context = weights = None
    new_states: list[Tensor] = []
    for number in range(1, recipe.layers + 1):
        state = states[(number - 1) * each : number * each]
        hidden, *ends = network.get_layer(f"decoder_{number}")(hidden, initial_state=state)
        new_states += ends
        if number == asking:
            context, weights = _attend(network, hidden, memory, source)
        if context is not None:
            hidden = network.get_layer(f"with_context_{number}")([hidden, context])
    return network.get_layer("attentional")(hidden), weights, new_states


def _attend(network: keras.Model, query: Tensor, memory: Tensor, source: Tensor) -> Any:
    """The context and the attention. The mask that Embedding gives in training is made here."""
    asked = [network.get_layer("query")(query), memory]
    attention = network.get_layer("attention")
    if isinstance(attention, keras.layers.AdditiveAttention):
        asked.append(network.get_layer("keys")(memory))
    return attention(
        asked, mask=[None, keras.ops.not_equal(source, PADDING)], return_attention_scores=True
    )
