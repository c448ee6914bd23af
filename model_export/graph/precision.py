"""How numbers are stored and computed with: the only thing in which variants differ.

Every precision computes every row on its own, so that a sentence's translation can't depend on
the sentences it is batched with. This rules out ONNX Runtime's dynamic quantisation
(DynamicQuantizeMatMul), which has one activation scale for the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from model_export.graph.builder import CONTRIB, FLOAT, GraphBuilder
from model_export.spec import Array, Attention, LayerNorm, Linear, Norm

Attended = tuple[str, str, str]
"""Query, [batch, length, d], key and value, [batch, h, length, d / h] or as key_or_value() says."""

Range = tuple[Array, Array]
"""Least and greatest value of each channel, (inputs,) both."""

SMOOTHING = 0.65
"""Share of the difference between channels that goes from activations to weights."""
WORTHWHILE = 1.25
"""By this factor, at least, smoothing must lessen the error of a product: it costs an operator."""
TINY = 1e-6
"""Stands for the largest value of a channel that is always zero."""

CHUNKS = range(128, 31, -1)
"""How many log-probabilities best() takes the maximum of at a time, in order of preference."""

LEVELS = 127
"""Weights and activations are rounded to -127 … 127 times their scale."""


class Precision(Protocol):
    """A way to store and to compute with what a network is made of."""

    real: int
    """ONNX's number of the type that operators hand on, and of memory.* and cache.*."""

    def constant(self, graph: GraphBuilder, array: Array) -> str:
        """A constant of the type real."""

    def cast(self, graph: GraphBuilder, x: str) -> str:
        """A float32 value in the type real."""

    def product(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        """x @ weight + bias, for x: [..., inputs]."""

    def logits(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        """The same in float32, whatever the type of x."""

    def rows(self, graph: GraphBuilder, table: Array, ids: str) -> str:
        """table[ids]."""

    def recurrence(self, graph: GraphBuilder, weight: Array) -> str:
        """A matrix in float32 for the operators LSTM and GRU; "" where these can't be used."""

    def wide(self) -> Precision:
        """The same for a network with large activations that has its norms first."""

    def widen(self, graph: GraphBuilder, x: str) -> str:
        """A value as the residual stream, norms and outer_product() take it."""

    def outer_product(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        """product() of a wide value, for a residual stream."""

    def norm(self, graph: GraphBuilder, x: str, norm: Norm) -> str:
        """norm(x), of the type real, for an x as widen() makes it."""

    def add_and_norm(self, graph: GraphBuilder, x: str, residual: str, norm: Norm) -> str:
        """norm(x + residual)."""

    def key_mask(self, graph: GraphBuilder, lengths: str, keys: str, axis: int, most: int) -> str:
        """What attend() takes so as to see no key behind its sentence's length.

        lengths: [batch] int32; keys: a value with as many keys along its axis, at most this many.
        """

    def attend_within(
        self,
        graph: GraphBuilder,
        attention: Attention,
        inputs: Attended,
        lengths: str,
        mask: str,
        bias: str = "",
    ) -> str:
        """attend() of sequences to themselves: query, key and value are [batch, length, d].

        lengths: [batch] int64; mask: of key_mask(); bias: as attend()'s.
        """

    def attend(
        self,
        graph: GraphBuilder,
        attention: Attention,
        inputs: Attended,
        mask: str = "",
        bias: str = "",
    ) -> str:
        """softmax(scale * query @ keyᵀ + bias) @ value, without the projections.

        mask: of key_mask(); bias: [batch or 1, h or 1, length of query, length of key] of the type
        real.
        Returns [batch, length, d].
        """

    def best(
        self, graph: GraphBuilder, log_probs: str, candidates: str, vocabulary: int
    ) -> tuple[str, str]:
        """The best log-probabilities of each row, best first, and their ids: [rows, candidates].

        Of equal ones, the one with the lower id comes first.
        """


class Float32:
    """Everything in float32, with operators that are fast on a CPU."""

    real: int = FLOAT

    def constant(self, graph: GraphBuilder, array: Array) -> str:
        return graph.constant(array)

    def cast(self, graph: GraphBuilder, x: str) -> str:
        return x

    def product(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        product = graph.op("MatMul", x, graph.constant(linear.weight))
        return _add_bias(graph, product, linear.bias)

    def logits(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        return self.product(graph, x, linear)

    def rows(self, graph: GraphBuilder, table: Array, ids: str) -> str:
        return graph.op("Gather", graph.constant(table), ids, axis=0)

    def recurrence(self, graph: GraphBuilder, weight: Array) -> str:
        return graph.constant(weight)

    def wide(self) -> Precision:
        return self

    def widen(self, graph: GraphBuilder, x: str) -> str:
        return x

    def outer_product(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        return self.product(graph, x, linear)

    def norm(self, graph: GraphBuilder, x: str, norm: Norm) -> str:
        return normalize(graph, x, norm, graph.constant)

    def add_and_norm(self, graph: GraphBuilder, x: str, residual: str, norm: Norm) -> str:
        return self.norm(graph, graph.op("Add", x, residual), norm)

    def key_mask(self, graph: GraphBuilder, lengths: str, keys: str, axis: int, most: int) -> str:
        return lengths

    def attend_within(
        self,
        graph: GraphBuilder,
        attention: Attention,
        inputs: Attended,
        lengths: str,
        mask: str,
        bias: str = "",
    ) -> str:
        # The same digits as MultiHeadAttention's, in two thirds of its time: it moves less.
        heads = attention.heads
        attributes: dict[str, Any] = {"q_num_heads": heads, "kv_num_heads": heads}
        if attention.scale is not None:
            attributes["scale"] = attention.scale
        return graph.op("Attention", *inputs, bias, "", "", lengths, **attributes)

    def attend(
        self,
        graph: GraphBuilder,
        attention: Attention,
        inputs: Attended,
        mask: str = "",
        bias: str = "",
    ) -> str:
        fused = [*inputs, "", mask, bias]
        attributes: dict[str, Any] = {"num_heads": attention.heads}
        if attention.scale is not None:
            attributes["scale"] = attention.scale
        return graph.op("MultiHeadAttention", *fused, domain=CONTRIB, **attributes)

    def best(
        self, graph: GraphBuilder, log_probs: str, candidates: str, vocabulary: int
    ) -> tuple[str, str]:
        # A maximum is ten times as fast as TopK. The best of all are among the best chunks, in
        # the order of which ids stay in order.
        chunk = _chunk(vocabulary)
        if chunk is None:
            best, ids = graph.ops("TopK", log_probs, candidates, outputs=2, axis=-1)
            return best, ids
        chunks = graph.op("Reshape", log_probs, graph.integers(0, -1, chunk))
        maxima = graph.op("ReduceMax", chunks, graph.integers(-1), keepdims=0)
        few = graph.op("Min", candidates, graph.integers(vocabulary // chunk))
        _, chosen = graph.ops("TopK", maxima, few, outputs=2, axis=-1, sorted=0)
        chosen, _ = graph.ops("TopK", chosen, few, outputs=2, axis=-1, largest=0)
        values = graph.op(
            "GatherND", chunks, graph.op("Unsqueeze", chosen, graph.integers(2)), batch_dims=1
        )
        values = graph.op("Reshape", values, graph.integers(0, -1))  # [rows, few * chunk]
        best, places = graph.ops("TopK", values, candidates, outputs=2, axis=-1)
        size = graph.constant(np.array(chunk))
        firsts = graph.op("Mul", chosen, size)
        firsts = graph.op("GatherElements", firsts, graph.op("Div", places, size), axis=-1)
        return best, graph.op("Add", firsts, graph.op("Mod", places, size))


class Observed(Float32):
    """Float32 whose graphs also put out the range of what every product is given.

    The outputs are named range.0, range.1, … in the order in which the products are built.
    """

    def product(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        axes = graph.integers(0)
        flat = graph.op("Reshape", x, graph.integers(-1, len(linear.weight)))
        bounds = [graph.op(reduce, flat, axes, keepdims=1) for reduce in ("ReduceMin", "ReduceMax")]
        shape = [2, len(linear.weight)]
        graph.append_output("range", graph.op("Concat", *bounds, axis=0), FLOAT, shape)
        return super().product(graph, x, linear)


class RowScaledInt8(Float32):
    """int8 weights with one scale per output, uint8 activations with one scale per row.

    With r = max|x| of a row, x / r is rounded to n / 127 (stored as n + 128), multiplied in
    integers, and the product is multiplied by r. Tables keep one scale per row.
    """

    def product(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        # x: [..., inputs]; radius: [..., 1]. A row of zeros becomes 0 / 0 and then some integers,
        # and zeros again when the product is multiplied by its radius.
        radius = graph.op("ReduceMax", graph.op("Abs", x), graph.integers(-1), keepdims=1)
        unit = graph.op("Div", x, radius)
        product = multiply_integers(graph, unit, linear, _STEP, _ZERO_POINT)
        return _add_bias(graph, graph.op("Mul", product, radius), linear.bias)

    def rows(self, graph: GraphBuilder, table: Array, ids: str) -> str:
        integers, scale = quantize(table, axis=1)
        picked = graph.op("Gather", graph.constant(integers), ids, axis=0)
        scales = graph.op("Gather", graph.constant(scale), ids, axis=0)
        return graph.op("Mul", graph.op("Cast", picked, to=FLOAT), scales)

    def recurrence(self, graph: GraphBuilder, weight: Array) -> str:
        # Only stored in 8 bits: the operators that compute in 8 bits have one activation scale for
        # the whole batch. ONNX Runtime computes this once, when it loads the graph.
        integers, scale = quantize(weight, axis=1)
        return graph.op(
            "Mul", graph.op("Cast", graph.constant(integers), to=FLOAT), graph.constant(scale)
        )


class CalibratedInt8(RowScaledInt8):
    """int8 weights with one scale per output, uint8 activations in one fixed range per product.

    Where channels differ much in size, activations are divided, and weights multiplied, by a factor
    for each channel before they are rounded (SmoothQuant, arXiv:2211.10438). What is outside of the
    range is clipped. Two or three operators a product instead of seven.
    """

    def __init__(self, ranges: Sequence[Range]) -> None:
        """ranges: of what every product is given, in the order in which they are built."""
        self._ranges = iter(ranges)

    def product(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        low, high = next(self._ranges)
        smoothing = _smoothing(np.maximum(-low, high), linear.weight)
        smooth = (low / smoothing, high / smoothing), linear.weight * smoothing[:, None]
        if _noise((low, high), linear.weight) > WORTHWHILE * _noise(*smooth):
            x = graph.op("Mul", x, graph.constant(1 / smoothing))
            (low, high), weight = smooth
            linear = Linear(weight, linear.bias)
        scale, zero_point = _asymmetric(low, high)
        if linear.bias.any() and np.isfinite(linear.bias).all():
            return multiply_integers(graph, x, linear, scale, zero_point, linear.bias)
        product = multiply_integers(graph, x, linear, scale, zero_point)
        return _add_bias(graph, product, linear.bias)


def normalize(graph: GraphBuilder, x: str, norm: Norm, constant: Callable[[Array], str]) -> str:
    """norm(x), with constants that this function makes."""
    scale = constant(norm.scale)
    attributes: dict[str, Any] = {"axis": -1, "epsilon": norm.epsilon}
    if isinstance(norm, LayerNorm):
        return graph.op("LayerNormalization", x, scale, constant(norm.bias), **attributes)
    return graph.op("RMSNormalization", x, scale, **attributes)


def multiply_integers(
    graph: GraphBuilder,
    x: str,
    linear: Linear,
    scale: Array,
    zero_point: npt.NDArray[np.uint8],
    bias: Array | None = None,
) -> str:
    """x @ weight + bias with x rounded to (integer - zero_point) * scale, integers 0 … 255."""
    weight, weight_scale = quantize(linear.weight, axis=0)
    step, zero = graph.constant(scale), graph.constant(zero_point)
    inputs = [
        graph.op("QuantizeLinear", x, step, zero),
        graph.constant(weight),
        step,
        graph.constant(weight_scale.reshape(-1)),
        zero,
    ]
    if bias is not None:
        inputs += ["", graph.constant(bias)]
    return graph.op("MatMulIntegerToFloat", *inputs, domain=CONTRIB)


def quantize(matrix: Array, axis: int) -> tuple[npt.NDArray[np.int8], Array]:
    """Round a matrix to int8 with one scale for each slice along axis; symmetric.

    Returns the integers and the scales (axis kept with length 1): matrix ≈ integers * scales.
    """
    if matrix.flags.f_contiguous and not matrix.flags.c_contiguous:
        # Tables that are used transposed: the same numbers, in the order in which they are stored.
        integers, scale = quantize(matrix.T, 1 - axis)
        return integers.T, scale.T
    radius = np.maximum(matrix.max(axis=axis, keepdims=True), -matrix.min(axis=axis, keepdims=True))
    scale = np.where(radius > 0, radius / LEVELS, 1).astype(np.float32)
    integers = np.empty(matrix.shape, np.int8)
    for start in range(0, len(matrix), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        integers[rows] = np.rint(matrix[rows] / (scale[rows] if axis == 1 else scale))
    return integers, scale


def _add_bias(graph: GraphBuilder, product: str, bias: Array) -> str:
    return graph.op("Add", product, graph.constant(bias)) if bias.any() else product


def _chunk(vocabulary: int) -> int | None:
    return next((size for size in CHUNKS if vocabulary % size == 0), None)


def _smoothing(radius: Array, weight: Array) -> Array:
    """The factor of each channel.

    radius: (inputs,) largest activation of each; weight: [inputs, outputs].
    """
    largest = np.maximum(radius, TINY), np.maximum(np.abs(weight).max(axis=1), TINY)
    factors = largest[0] ** SMOOTHING / largest[1] ** (1 - SMOOTHING)
    smoothing: Array = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
    return smoothing


def _noise(bounds: Range, weight: Array) -> float:
    """Rounding's share of a product, estimated from the ranges of its channels: the standard
    deviation of its error / that of the product.

    An error spreads evenly over a step, which gives it a variance of step² / 12. A channel's values
    are taken to reach three standard deviations.
    """
    low, high = bounds
    values = (np.maximum(-low, high) / 3) ** 2  # (inputs,) variance of each channel
    step, _ = _asymmetric(low, high)
    _, steps = quantize(weight, axis=0)
    error = step**2 * (weight**2).sum() + values.sum() * (steps**2).sum()
    return math.sqrt(error / 12 / max(TINY, values @ (weight**2).sum(axis=1)))


def _asymmetric(low: Array, high: Array) -> tuple[Array, npt.NDArray[np.uint8]]:
    """Scale and zero point that spread 0 … 255 over all channels. Zero stays zero."""
    least, greatest = min(0.0, float(low.min())), max(0.0, float(high.max()))
    scale = (greatest - least) / 255 or 1.0
    return np.array(scale, np.float32), np.array(round(-least / scale), np.uint8)


_BLOCK_ROWS = 256
"""Rounded at a time: copies of a large table would take gigabytes."""
_STEP = np.array(1 / LEVELS, np.float32)
_ZERO_POINT = np.array(128, np.uint8)
