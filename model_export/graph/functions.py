"""Activation functions of recurrent networks, element by element.

Made of operators whose results do not depend on where in a tensor an element is. ONNX Runtime's
Elu, Selu and Softplus on the CPU gave the same number other last digits in other places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from model_export.graph.builder import GraphBuilder
from model_export.graph.precision import Precision
from model_export.recurrent_spec import Function


def activate(graph: GraphBuilder, precision: Precision, x: str, function: Function) -> str:
    """function(x)."""
    if function in _SIMPLE:
        operator, attributes = _SIMPLE[function]
        return graph.op(operator, x, **attributes)
    return _MADE_OF_SEVERAL[function](graph, precision, x)


def _linear(graph: GraphBuilder, precision: Precision, x: str) -> str:
    return x


def _silu(graph: GraphBuilder, precision: Precision, x: str) -> str:
    return graph.op("Mul", x, graph.op("Sigmoid", x))


def _elu(graph: GraphBuilder, precision: Precision, x: str, alpha: float = 1.0) -> str:
    """x where it is positive, otherwise alpha * (exp(x) - 1)."""
    above = graph.op("Relu", x)
    below = graph.op("Sub", x, above)  # min(x, 0)
    grown = graph.op("Sub", graph.op("Exp", below), _number(graph, precision, 1.0))
    return graph.op("Add", above, graph.op("Mul", grown, _number(graph, precision, alpha)))


def _selu(graph: GraphBuilder, precision: Precision, x: str) -> str:
    scale = _number(graph, precision, 1.05070098)
    return graph.op("Mul", _elu(graph, precision, x, 1.67326324), scale)


def _number(graph: GraphBuilder, precision: Precision, value: float) -> str:
    return precision.constant(graph, np.array(value, np.float32))


_SIMPLE: Mapping[Function, tuple[str, dict[str, Any]]] = {
    "exponential": ("Exp", {}),
    "gelu": ("Gelu", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "softsign": ("Softsign", {}),
    "tanh": ("Tanh", {}),
}
_MADE_OF_SEVERAL: Mapping[Function, Callable[[GraphBuilder, Precision, str], str]] = {
    "elu": _elu,
    "linear": _linear,
    "selu": _selu,
    "silu": _silu,
}
