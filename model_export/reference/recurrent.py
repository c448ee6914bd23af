"""A recurrent encoder-decoder in plain numpy: one sentence, one operation after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from model_export.recurrent_spec import (
    LAST_IDS,
    SOURCE_IDS,
    Activate,
    Advance,
    Affine,
    Attend,
    Cell,
    Dense,
    Embed,
    Function,
    Join,
    Merge,
    Node,
    Norm,
    OneHot,
    Operation,
    RecurrentNetwork,
    Reverse,
    Run,
)
from model_export.spec import Array, Linear

Values = Mapping[str, Array]
"""By name: sequences [source, width] and vectors [width]."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the encoder made of a sentence."""

    values: Values


def encode(network: RecurrentNetwork, source_ids: Sequence[int]) -> Memory:
    """All values of the encoder for one sentence."""
    values: dict[str, Array] = {SOURCE_IDS: np.array(source_ids)}
    evaluate(network.encoder, values)
    return Memory(values)


def first_state(network: RecurrentNetwork, memory: Memory) -> dict[str, Array]:
    """The state in which the decoder begins."""
    return {
        state.name: np.zeros(state.width, np.float32)
        if state.first is None
        else memory.values[state.first]
        for state in network.states
    }


def step(
    network: RecurrentNetwork, memory: Memory, state: Values, last_id: int
) -> tuple[Array, dict[str, Array]]:
    """Log-probabilities of the next token, (vocabulary,), and the next state."""
    values = {**memory.values, **state, LAST_IDS: np.array(last_id)}
    evaluate(network.decoder, values)
    logits = _linear(network.projection, values[network.output])
    following = {one.name: values[one.following] for one in network.states}
    return logits - _log_sum_exp(logits), following


def log_probs(network: RecurrentNetwork, memory: Memory, target_ids: Sequence[int]) -> Array:
    """Log-probabilities of the token after each target token: [target, vocabulary].

    target_ids: begins with the start token.
    """
    state = first_state(network, memory)
    found = []
    for token in target_ids:
        scores, state = step(network, memory, state, token)
        found.append(scores)
    return np.stack(found)


def evaluate(nodes: Sequence[Node], values: dict[str, Array]) -> None:
    """Add the values that nodes make to those that are known."""
    for node in nodes:
        inputs = [values[name] for name in node.inputs]
        values |= zip(node.outputs, _compute(node.operation, *inputs), strict=False)


@singledispatch
def _compute(operation: Operation, *inputs: Array) -> Sequence[Array]:
    raise NotImplementedError(type(operation).__name__)


@_compute.register
def _(operation: Embed, ids: Array) -> Sequence[Array]:
    return [operation.table[ids]]


@_compute.register
def _(operation: OneHot, ids: Array) -> Sequence[Array]:
    return [(ids[..., None] == np.arange(operation.depth)).astype(np.float32)]


@_compute.register
def _(operation: Dense, x: Array) -> Sequence[Array]:
    return [FUNCTIONS[operation.function](_linear(operation.linear, x))]


@_compute.register
def _(operation: Activate, x: Array) -> Sequence[Array]:
    return [FUNCTIONS[operation.function](x)]


@_compute.register
def _(operation: Norm, x: Array) -> Sequence[Array]:
    norm = operation.norm
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return [centred / np.sqrt(variance + norm.epsilon) * norm.scale + norm.bias]


@_compute.register
def _(operation: Affine, x: Array) -> Sequence[Array]:
    return [x * operation.scale + operation.offset]


@_compute.register
def _(operation: Join, *inputs: Array) -> Sequence[Array]:
    return [np.concatenate(inputs, axis=-1)]


@_compute.register
def _(operation: Merge, *inputs: Array) -> Sequence[Array]:
    stacked = np.stack(inputs)
    if operation.how == "product":
        return [stacked.prod(axis=0)]
    total: Array = stacked.sum(axis=0)
    return [total / np.float32(len(inputs)) if operation.how == "mean" else total]


@_compute.register
def _(operation: Reverse, x: Array) -> Sequence[Array]:
    return [x[::-1]]


@_compute.register
def _(operation: Run, x: Array, *state: Array) -> Sequence[Array]:
    cell = operation.cell
    zeros = np.zeros(cell.units, np.float32)
    state = state or ((zeros, zeros) if cell.kind == "lstm" else (zeros,))
    outputs: list[Array] = []
    for vector in x:
        state = tuple(_advance(cell, vector, *state))
        outputs.append(state[0])
    return [np.stack(outputs), *state]


@_compute.register
def _(operation: Advance, x: Array, *state: Array) -> Sequence[Array]:
    return _advance(operation.cell, x, *state)


@_compute.register
def _(operation: Attend, query: Array, keys: Array, values: Array) -> Sequence[Array]:
    if operation.score == "additive":
        scores = np.tanh(query + keys) @ operation.scale
    else:
        scores = keys @ query * np.float32(operation.factor)
    return [np.exp(scores - _log_sum_exp(scores)) @ values]


def _advance(cell: Cell, x: Array, *state: Array) -> Sequence[Array]:
    return (_advance_lstm if cell.kind == "lstm" else _advance_gru)(cell, x, *state)


def _advance_lstm(cell: Cell, x: Array, h: Array, c: Array) -> Sequence[Array]:
    function, gates = FUNCTIONS[cell.function], FUNCTIONS[cell.gates]
    i, f, o, g = np.split(_linear(cell.input, x) + _linear(cell.recurrent, h), 4)
    c = gates(f) * c + gates(i) * function(g)
    return [gates(o) * function(c), c]


def _advance_gru(cell: Cell, x: Array, h: Array) -> Sequence[Array]:
    function, gates = FUNCTIONS[cell.function], FUNCTIONS[cell.gates]
    x_z, x_r, x_n = np.split(_linear(cell.input, x), 3)
    h_z, h_r, h_n = np.split(_linear(cell.recurrent, h), 3)
    z, r = gates(x_z + h_z), gates(x_r + h_r)
    if cell.reset_after:
        n = function(x_n + r * h_n)
    else:
        weight: Array = cell.recurrent.weight[:, 2 * cell.units :]
        reset: Array = r * h
        n = function(x_n + reset @ weight)
    return [z * h + (1 - z) * n]


def _linear(linear: Linear, x: Array) -> Array:
    result: Array = x @ linear.weight + linear.bias
    return result


def _log_sum_exp(x: Array) -> Array:
    most = x.max(axis=-1, keepdims=True)
    result: Array = most + np.log(np.exp(x - most).sum(axis=-1, keepdims=True))
    return result


def _sigmoid(x: Array) -> Array:
    result: Array = np.float32(0.5) * (1 + np.tanh(x / 2))
    return result


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _gelu(x: Array) -> Array:
    erf = np.vectorize(math.erf, otypes=[np.float32])
    result: Array = x * (1 + erf(x / math.sqrt(2))) / 2
    return result


def _selu(x: Array) -> Array:
    below = np.float32(1.67326324) * np.expm1(np.minimum(x, 0))
    result: Array = np.float32(1.05070098) * np.where(x > 0, x, below)
    return result


FUNCTIONS: Mapping[Function, Callable[[Array], Array]] = {
    "elu": _elu,
    "exponential": np.exp,
    "gelu": _gelu,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "leaky_relu": lambda x: np.where(x > 0, x, np.float32(0.2) * x),
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "selu": _selu,
    "sigmoid": _sigmoid,
    "silu": lambda x: x * _sigmoid(x),
    "softmax": lambda x: np.exp(x - _log_sum_exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanh": np.tanh,
}
"""keras.activations of these names."""
