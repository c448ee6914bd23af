"""4-bit weights in blocks, for CPUs: smaller than int8, at some cost in quality and speed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_export.graph.builder import CONTRIB, GraphBuilder
from model_export.graph.precision import RowScaledInt8
from model_export.spec import Array, Linear

BLOCK = 32
"""Weights that share a scale; wider blocks are hardly smaller or faster, and less exact."""
LEVELS = 15
"""The largest integer; the least is 0."""
INT8_ACTIVATIONS = 4
"""accuracy_level of MatMulNBits: activations in 8 bits with a scale for each row and block."""


class BlockInt4(RowScaledInt8):
    """Products with weights in 4 bits, a scale and a zero point for each block of an output's
    weights. Logits, tables and the weights of recurrent layers are int8.
    """

    def product(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        inputs, outputs = linear.weight.shape
        operands = [graph.constant(part) for part in quantize_blocks(linear.weight)]
        sizes = {"K": inputs, "N": outputs, "bits": 4, "block_size": BLOCK}
        product = graph.op(
            "MatMulNBits", x, *operands, domain=CONTRIB, accuracy_level=INT8_ACTIVATIONS, **sizes
        )
        if not linear.bias.any():
            return product
        return graph.op("Add", product, graph.constant(linear.bias))

    def logits(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        # In 4 bits too, they would add a third to the error.
        return super().product(graph, x, linear)


def quantize_blocks(
    weight: Array,
) -> tuple[npt.NDArray[np.uint8], Array, npt.NDArray[np.uint8]]:
    """weight: [inputs, outputs], ≈ (integers - zero_points) * scales, integers 0 … 15.

    Returns the integers, [outputs, blocks, BLOCK / 2], the scales, [outputs, blocks], and the zero
    points, [outputs, blocks / 2]; two 4-bit numbers a byte, the first in the lower half. What is
    missing of a last block is zero.
    """
    inputs, outputs = weight.shape
    blocks = -(-inputs // BLOCK)
    packed = np.empty((outputs, blocks, BLOCK // 2), np.uint8)
    scales = np.empty((outputs, blocks), np.float32)
    zero_points = np.empty((outputs, -(-blocks // 2)), np.uint8)
    for start in range(0, outputs, _OUTPUTS):
        some = slice(start, start + _OUTPUTS)
        rows = np.zeros((len(scales[some]), blocks * BLOCK), np.float32)
        rows[:, :inputs] = weight[:, some].T
        integers, scales[some], zeros = _rounded(rows.reshape(len(rows), blocks, BLOCK))
        packed[some] = _packed(integers)
        zero_points[some] = _packed(np.pad(zeros, ((0, 0), (0, blocks % 2))))
    return packed, scales, zero_points


def _rounded(blocks: Array) -> tuple[npt.NDArray[np.uint8], Array, npt.NDArray[np.uint8]]:
    """Integers, scales and zero points of [..., BLOCK]; zero stays zero."""
    low = np.minimum(blocks.min(axis=-1, keepdims=True), 0)
    high = np.maximum(blocks.max(axis=-1, keepdims=True), 0)
    scale = np.where(high > low, (high - low) / LEVELS, 1).astype(np.float32)
    zero = np.rint(-low / scale)
    integers = np.clip(np.rint(blocks / scale) + zero, 0, LEVELS)
    return integers.astype(np.uint8), scale[..., 0], zero[..., 0].astype(np.uint8)


def _packed(integers: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Two numbers of the last axis in each byte."""
    return integers[..., 0::2] | integers[..., 1::2] << np.uint8(4)


_OUTPUTS = 256
"""Rounded at a time: copies of a large matrix would take gigabytes."""
