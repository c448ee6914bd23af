"""How matrices are stored and multiplied: the only thing in which variants differ.

Both precisions compute every row on its own, so that a sentence's translation can't depend on
the sentences it is batched with. This rules out ONNX Runtime's dynamic quantisation
(DynamicQuantizeMatMul), which has one activation scale for the whole batch.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from model_export.graph.builder import CONTRIB, FLOAT, GraphBuilder
from model_export.spec import Array, Linear

LEVELS = 127
"""Weights and activations are rounded to -127 … 127 times their scale."""


class Precision(Protocol):
    """A way to store and to multiply matrices."""

    def prepare(self, graph: GraphBuilder, x: str) -> tuple[str, ...]:
        """Bring activations, [..., inputs], into the form that product() takes."""

    def product(self, graph: GraphBuilder, x: tuple[str, ...], linear: Linear) -> str:
        """x @ weight + bias."""

    def rows(self, graph: GraphBuilder, table: Array, ids: str) -> str:
        """table[ids]."""


class Float32:
    """Everything in float32."""

    def prepare(self, graph: GraphBuilder, x: str) -> tuple[str, ...]:
        return (x,)

    def product(self, graph: GraphBuilder, x: tuple[str, ...], linear: Linear) -> str:
        (activations,) = x
        product = graph.op("MatMul", activations, graph.constant(linear.weight))
        return _add_bias(graph, product, linear.bias)

    def rows(self, graph: GraphBuilder, table: Array, ids: str) -> str:
        return graph.op("Gather", graph.constant(table), ids, axis=0)


class RowScaledInt8:
    """int8 weights with one scale per output, uint8 activations with one scale per row.

    With r = max|x| of a row, x / r is rounded to n / 127 (stored as n + 128), multiplied in
    integers, and the product is multiplied by r. Tables keep one scale per row.
    """

    def prepare(self, graph: GraphBuilder, x: str) -> tuple[str, ...]:
        # x: [..., inputs]; radius: [..., 1]. A row of zeros becomes 0 / 0 and then some integers,
        # and zeros again when the product is multiplied by its radius.
        radius = graph.op("ReduceMax", graph.op("Abs", x), graph.integers(-1), keepdims=1)
        unit = graph.op("Div", x, radius)
        quantized = graph.op("QuantizeLinear", unit, _step(graph), _zero_point(graph))
        return quantized, radius

    def product(self, graph: GraphBuilder, x: tuple[str, ...], linear: Linear) -> str:
        quantized, radius = x
        weight, scale = quantize(linear.weight, axis=0)
        product = graph.op(
            "MatMulIntegerToFloat",
            quantized,
            graph.constant(weight),
            _step(graph),
            graph.constant(scale.reshape(-1)),
            _zero_point(graph),
            domain=CONTRIB,
        )
        return _add_bias(graph, graph.op("Mul", product, radius), linear.bias)

    def rows(self, graph: GraphBuilder, table: Array, ids: str) -> str:
        integers, scale = quantize(table, axis=1)
        picked = graph.op("Gather", graph.constant(integers), ids, axis=0)
        scales = graph.op("Gather", graph.constant(scale), ids, axis=0)
        return graph.op("Mul", graph.op("Cast", picked, to=FLOAT), scales)


def quantize(matrix: Array, axis: int) -> tuple[npt.NDArray[np.int8], Array]:
    """Round a matrix to int8 with one scale for each slice along axis; symmetric.

    Returns the integers and the scales (axis kept with length 1): matrix ≈ integers * scales.
    """
    radius = np.abs(matrix).max(axis=axis, keepdims=True)
    scale = np.where(radius > 0, radius / LEVELS, 1).astype(np.float32)
    return np.rint(matrix / scale).astype(np.int8), scale


def _add_bias(graph: GraphBuilder, product: str, bias: Array) -> str:
    return graph.op("Add", product, graph.constant(bias)) if bias.any() else product


def _step(graph: GraphBuilder) -> str:
    return graph.constant(_STEP)


def _zero_point(graph: GraphBuilder) -> str:
    return graph.constant(_ZERO_POINT)


_STEP = np.array(1 / LEVELS, np.float32)
_ZERO_POINT = np.array(128, np.uint8)
