"""A Transformer in plain numpy: no cache, no batch, no ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from model_export.spec import (
    SSRU,
    Activation,
    Array,
    Attention,
    Embedding,
    FeedForward,
    LayerNorm,
    Linear,
    Norm,
    RelativePositions,
    Transformer,
)

Part = Callable[[Array], Array]


def encode(network: Transformer, source_ids: Sequence[int]) -> Array:
    """The encoder's output for one sentence: [source, d]."""
    x = _embed(network.source_embedding, source_ids)
    bias = _distance_bias(network.encoder_positions, len(x))
    for layer in network.encoder:
        attend = partial(_attend, layer.attention, bias=bias)
        x = _residual(network, layer.attention_norm, x, attend)
        x = _residual(network, layer.feed_forward_norm, x, partial(_transform, layer.feed_forward))
    return _norm(network.encoder_norm, x)


def log_probs(network: Transformer, memory: Array, target_ids: Sequence[int]) -> Array:
    """Log-probabilities of the token after each target token: [target, vocabulary].

    memory: encode()'s result. target_ids: begins with the start token.
    """
    return _project(network, decode(network, memory, target_ids))


def decode(network: Transformer, memory: Array, target_ids: Sequence[int]) -> Array:
    """The decoder's output before the projection: [target, d]."""
    x = _embed(network.target_embedding, target_ids)
    future = np.triu(np.full((len(x), len(x)), -np.inf, np.float32), k=1)
    bias = _distance_bias(network.decoder_positions, len(x)) + future
    for layer in network.decoder:
        look_back = partial(_look_back, layer.self_attention, bias)
        ask = partial(_attend, layer.cross_attention, memory=memory)
        x = _residual(network, layer.self_attention_norm, x, look_back)
        x = _residual(network, layer.cross_attention_norm, x, ask)
        x = _residual(network, layer.feed_forward_norm, x, partial(_transform, layer.feed_forward))
    return _norm(network.decoder_norm, x)


def _look_back(part: Attention | SSRU, bias: Array, x: Array) -> Array:
    """bias: hides the future from attention."""
    return _recur(part, x) if isinstance(part, SSRU) else _attend(part, x, bias=bias)


def _recur(unit: SSRU, x: Array) -> Array:
    values, forget = _linear(unit.value, x), 1 / (1 + np.exp(-_linear(unit.forget, x)))
    state, states = np.zeros_like(values[0]), []
    for value, share in zip(values, forget, strict=True):
        state = share * state + (1 - share) * value
        states.append(state)
    found = _relu(np.stack(states))
    return found if unit.output is None else _linear(unit.output, found)


def _project(network: Transformer, x: Array) -> Array:
    return _log_softmax(_linear(network.projection, x))


def _embed(embedding: Embedding, ids: Sequence[int]) -> Array:
    x: Array = embedding.table[list(ids)] * np.float32(embedding.scale)
    if embedding.positions is not None:
        x = x + embedding.positions[: len(ids)]
    return _norm(embedding.norm, x)


def _residual(network: Transformer, norm: Norm, x: Array, part: Part) -> Array:
    return x + part(_norm(norm, x)) if network.norm_first else _norm(norm, x + part(x))


def _distance_bias(positions: RelativePositions | None, length: int) -> Array:
    """[heads or 1, length, length]: what each query's score of each key gets for their distance."""
    if positions is None:
        return np.zeros((1, length, length), np.float32)
    distances = np.arange(length)[:, None] - np.arange(length)  # [query, key]
    reach = len(positions.before) - 1
    bias = positions.before[distances.clip(0, reach)]
    if positions.behind is not None:
        behind = positions.behind[(-distances).clip(0, reach)]
        bias = np.where(distances[:, :, None] >= 0, bias, behind)
    by_head: Array = bias.transpose(2, 0, 1)
    return by_head


def _attend(
    attention: Attention, x: Array, memory: Array | None = None, bias: Array | None = None
) -> Array:
    """memory: what is attended to, x itself if None."""
    memory = x if memory is None else memory
    # query: [heads, target, d / heads]; key, value: [heads, source, d / heads]
    query = _heads(_linear(attention.query, x), attention.heads)
    key = _heads(_linear(attention.key, memory), attention.heads)
    value = _heads(_linear(attention.value, memory), attention.heads)
    scores = query @ key.transpose(0, 2, 1) * np.float32(attention.score_scale)
    if bias is not None:
        scores += bias
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = (weights @ value).transpose(1, 0, 2).reshape(len(x), -1)
    return _linear(attention.output, mixed)


def _heads(x: Array, heads: int) -> Array:
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def _linear(linear: Linear, x: Array) -> Array:
    return x @ linear.weight + linear.bias


def _norm(norm: Norm | None, x: Array) -> Array:
    match norm:
        case LayerNorm():
            x = x - x.mean(axis=-1, keepdims=True)
            return _to_unit(x, norm.epsilon) * norm.scale + norm.bias
        case None:
            return x
        case _:
            return _to_unit(x, norm.epsilon) * norm.scale


def _to_unit(x: Array, epsilon: float) -> Array:
    result: Array = x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + epsilon)
    return result


def _transform(weights: FeedForward, x: Array) -> Array:
    inner = ACTIVATIONS[weights.activation](_linear(weights.inner, x))
    if weights.gate is not None:
        inner = inner * _linear(weights.gate, x)
    return _linear(weights.outer, inner)


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _swish(x: Array) -> Array:
    result: Array = x / (1 + np.exp(-x))
    return result


def _gelu(x: Array) -> Array:
    erf = np.vectorize(math.erf, otypes=[np.float32])
    result: Array = x * (1 + erf(x / math.sqrt(2))) / 2
    return result


def _gelu_sigmoid(x: Array) -> Array:
    result: Array = x / (1 + np.exp(np.float32(-1.702) * x))
    return result


def _gelu_tanh(x: Array) -> Array:
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    result: Array = x * (1 + np.tanh(inner)) / 2
    return result


ACTIVATIONS: Mapping[Activation, Callable[[Array], Array]] = {
    "relu": _relu,
    "swish": _swish,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "gelu_sigmoid": _gelu_sigmoid,
}


def _log_softmax(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
