"""The network: bidirectional encoder, attention, decoder. Standard Keras layers, functional API.

Shapes: B sentences, S source tokens, T target tokens, U units, E embedding, V target tokens known.
The saved file holds the network in training form, from (source_ids [B, S], target_ids [B, T]) to
probabilities [B, T, V]. Layers are found again by their names, so that decoding.py and others can
run the same layers one step at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import layers

from model_export.training.lstm_settings import LstmRecipe

Tensor = Any
States = list[list[Tensor]]
"""For each decoder layer its state: [hidden, cell] of an LSTM, [hidden] of a GRU, all [B, U]."""

CELLS = {"lstm": layers.LSTM, "gru": layers.GRU}


def build_for_training(recipe: LstmRecipe, source_tokens: int, target_tokens: int) -> keras.Model:
    """A fresh network whose outputs are logits: their loss is exact and cheap."""
    with _precision(recipe.precision):
        return _build(recipe, source_tokens, target_tokens, None)


def build_for_saving(recipe: LstmRecipe, source_tokens: int, target_tokens: int) -> keras.Model:
    """The same in float32, with probabilities as outputs, as users of Keras expect."""
    with _precision("float32"):
        return _build(recipe, source_tokens, target_tokens, "softmax")


def _build(
    recipe: LstmRecipe, source_tokens: int, target_tokens: int, activation: str | None
) -> keras.Model:
    source = keras.Input((None,), dtype="int32", name="source_ids")
    target = keras.Input((None,), dtype="int32", name="target_ids")
    memory, states = _encoder(recipe, source_tokens, source)
    hidden = _decoder(recipe, target_tokens, target, memory, states)
    output = layers.Dense(target_tokens, activation=activation, name="output")(hidden)
    return keras.Model([source, target], output)


def _encoder(recipe: LstmRecipe, tokens: int, source: Tensor) -> tuple[Tensor, States]:
    """What was read: the memory [B, S, U], and the state in which the decoder begins."""
    hidden = layers.Embedding(tokens, recipe.embedding, mask_zero=True, name="source_embedding")(
        source
    )
    states: States = []
    for number in range(1, recipe.layers + 1):
        hidden = layers.Dropout(recipe.dropout, name=f"encoder_dropout_{number}")(hidden)
        cell = CELLS[recipe.cell](recipe.units // 2, return_sequences=True, return_state=True)
        hidden, *ends = layers.Bidirectional(cell, name=f"encoder_{number}")(hidden)
        states.append(_join_directions(ends, number))
    return hidden, states


def _join_directions(ends: Sequence[Tensor], number: int) -> list[Tensor]:
    """ends: the forward states, then the backward ones. U/2 and U/2 make U."""
    half = len(ends) // 2
    return [
        layers.Concatenate(name=f"bridge_{number}_{state}")([ends[state], ends[half + state]])
        for state in range(half)
    ]


def _decoder(
    recipe: LstmRecipe, tokens: int, target: Tensor, memory: Tensor, states: States
) -> Tensor:
    hidden = layers.Embedding(tokens, recipe.embedding, mask_zero=True, name="target_embedding")(
        target
    )
    asking = 1 if recipe.attend_after == "first" else recipe.layers
    context: Tensor = None
    for number, state in enumerate(states, start=1):
        hidden = layers.Dropout(recipe.dropout, name=f"decoder_dropout_{number}")(hidden)
        hidden = _decoder_layer(recipe, number, hidden, state)
        if number == asking:
            context = _attention(recipe, hidden, memory)
        if context is not None:
            hidden = layers.Concatenate(name=f"with_context_{number}")([hidden, context])
    hidden = layers.Dense(recipe.embedding, activation="tanh", name="attentional")(hidden)
    return layers.Dropout(recipe.dropout, name="output_dropout")(hidden)


def _decoder_layer(recipe: LstmRecipe, number: int, hidden: Tensor, state: list[Tensor]) -> Tensor:
    cell = CELLS[recipe.cell](
        recipe.units, return_sequences=True, return_state=True, name=f"decoder_{number}"
    )
    return cell(hidden, initial_state=state)[0]


def _attention(recipe: LstmRecipe, query: Tensor, memory: Tensor) -> Tensor:
    """The context [B, T, U]: for each target token its mean of the memory."""
    query = layers.Dense(recipe.units, use_bias=False, name="query")(query)
    if recipe.attention == "dot":
        asked, attention = [query, memory], layers.Attention(name="attention")
    else:
        keys = layers.Dense(recipe.units, use_bias=False, name="keys")(memory)
        asked, attention = [query, memory, keys], layers.AdditiveAttention(name="attention")
    # Keras 3.15 gives the weights of a later call only if the first asked for them too.
    return attention(asked, return_attention_scores=True)[0]


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """Layers made inside compute in this precision; weights stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
