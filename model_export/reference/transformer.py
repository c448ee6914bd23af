"""A Transformer in plain numpy: no cache, no batch, no ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from model_export.spec import (
    Activation,
    Array,
    Attention,
    Embedding,
    FeedForward,
    LayerNorm,
    Linear,
    Transformer,
)


def encode(network: Transformer, source_ids: Sequence[int]) -> Array:
    """The encoder's output for one sentence: [source, d]."""
    x = _embed(network.source_embedding, source_ids)
    for layer in network.encoder:
        attended = _attend(layer.attention, x, x, causal=False)
        x = _norm(layer.attention_norm, x + attended)
        x = _norm(layer.feed_forward_norm, x + _feed_forward(layer.feed_forward, x))
    return x


def log_probs(network: Transformer, memory: Array, target_ids: Sequence[int]) -> Array:
    """Log-probabilities of the token after each target token: [target, vocabulary].

    memory: encode()'s result. target_ids: begins with the start token.
    """
    return _project(network, decode(network, memory, target_ids))


def decode(network: Transformer, memory: Array, target_ids: Sequence[int]) -> Array:
    """The decoder's output before the projection: [target, d]."""
    x = _embed(network.target_embedding, target_ids)
    for layer in network.decoder:
        attended = _attend(layer.self_attention, x, x, causal=True)
        x = _norm(layer.self_attention_norm, x + attended)
        attended = _attend(layer.cross_attention, x, memory, causal=False)
        x = _norm(layer.cross_attention_norm, x + attended)
        x = _norm(layer.feed_forward_norm, x + _feed_forward(layer.feed_forward, x))
    return x


def _project(network: Transformer, x: Array) -> Array:
    return _log_softmax(_linear(network.projection, x))


def _embed(embedding: Embedding, ids: Sequence[int]) -> Array:
    tokens: Array = embedding.table[list(ids)] * np.float32(embedding.scale)
    return tokens + embedding.positions[: len(ids)]


def _attend(attention: Attention, x: Array, memory: Array, *, causal: bool) -> Array:
    # query: [heads, target, d / heads]; key, value: [heads, source, d / heads]
    query = _heads(_linear(attention.query, x), attention.heads)
    key = _heads(_linear(attention.key, memory), attention.heads)
    value = _heads(_linear(attention.value, memory), attention.heads)
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
    if causal:
        scores += np.triu(np.full(scores.shape[1:], -np.inf, np.float32), k=1)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = (weights @ value).transpose(1, 0, 2).reshape(len(x), -1)
    return _linear(attention.output, mixed)


def _heads(x: Array, heads: int) -> Array:
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def _linear(linear: Linear, x: Array) -> Array:
    return x @ linear.weight + linear.bias


def _norm(norm: LayerNorm, x: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    result: Array = centred / np.sqrt(variance + norm.epsilon) * norm.scale + norm.bias
    return result


def _feed_forward(weights: FeedForward, x: Array) -> Array:
    return _linear(weights.outer, ACTIVATIONS[weights.activation](_linear(weights.inner, x)))


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _swish(x: Array) -> Array:
    result: Array = x / (1 + np.exp(-x))
    return result


def _gelu(x: Array) -> Array:
    erf = np.vectorize(math.erf, otypes=[np.float32])
    result: Array = x * (1 + erf(x / math.sqrt(2))) / 2
    return result


ACTIVATIONS: Mapping[Activation, Callable[[Array], Array]] = {
    "relu": _relu,
    "swish": _swish,
    "gelu": _gelu,
}


def _log_softmax(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
