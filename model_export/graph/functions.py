"""Activation functions of recurrent networks, element by element.

Made of operators whose results do not depend on where in a tensor an element is. ONNX Runtime's
Elu, Selu and Softplus on the CPU compute the last elements of a tensor in another way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from model_export.graph.builder import GraphBuilder
from model_export.recurrent_spec import Function


def activate(graph: GraphBuilder, x: str, function: Function) -> str:
    """function(x)."""
    return _FUNCTIONS[function](graph, x)


def _elu(graph: GraphBuilder, x: str, alpha: float = 1.0) -> str:
    """x where it is positive, otherwise alpha * (exp(x) - 1)."""
    below = graph.op("Sub", x, graph.op("Relu", x))  # min(x, 0)
    grown = graph.op("Sub", graph.op("Exp", below), _like(graph, below, 1.0))
    return graph.op("Add", graph.op("Relu", x), _scaled(graph, grown, alpha))


def _selu(graph: GraphBuilder, x: str) -> str:
    return _scaled(graph, _elu(graph, x, 1.67326324), 1.05070098)


def _silu(graph: GraphBuilder, x: str) -> str:
    return graph.op("Mul", x, graph.op("Sigmoid", x))


def _like(graph: GraphBuilder, x: str, value: float) -> str:
    """A constant of the type of x."""
    return graph.op("CastLike", graph.constant(np.array(value, np.float32)), x)


def _scaled(graph: GraphBuilder, x: str, factor: float) -> str:
    return x if factor == 1 else graph.op("Mul", x, _like(graph, x, factor))


_FUNCTIONS: Mapping[Function, Callable[[GraphBuilder, str], str]] = {
    "elu": _elu,
    "exponential": lambda graph, x: graph.op("Exp", x),
    "gelu": lambda graph, x: graph.op("Gelu", x),
    "hard_sigmoid": lambda graph, x: graph.op("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    "leaky_relu": lambda graph, x: graph.op("LeakyRelu", x, alpha=0.2),
    "linear": lambda graph, x: x,
    "relu": lambda graph, x: graph.op("Relu", x),
    "selu": _selu,
    "sigmoid": lambda graph, x: graph.op("Sigmoid", x),
    "silu": _silu,
    "softmax": lambda graph, x: graph.op("Softmax", x, axis=-1),
    "softsign": lambda graph, x: graph.op("Softsign", x),
    "tanh": lambda graph, x: graph.op("Tanh", x),
}
