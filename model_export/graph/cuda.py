"""The precision of graphs for CUDA: other operators than on a CPU, in float16 or float32.

Every operator has a CUDA kernel that does without cuDNN, which is larger than all else that the
service needs. ONNX Runtime's MultiHeadAttention asks for cuDNN whether it uses it or not, so
attention is made of products and softmax. Products, softmax and layer norm have float16 at their
ends and compute in float32 (SkipLayerNormalization with the provider's option
enable_skip_layer_norm_strict_mode, which the service sets).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from onnx import helper

from model_export.errors import UnsupportedCheckpoint
from model_export.graph.builder import CONTRIB, FLOAT, FLOAT16, GraphBuilder
from model_export.graph.layers import split_heads
from model_export.graph.precision import Attended, normalize
from model_export.spec import Array, Attention, LayerNorm, Linear, Norm

HIDDEN = -10_000.0
"""Added to the score of a key behind its sentence's end: its share is 0, and where all keys are
hidden, in an empty seat, nothing becomes NaN."""


class ForCuda:
    """Everything in float16 but logits and what follows them."""

    def __init__(self, real: int = FLOAT16, stream: int | None = None) -> None:
        """real: FLOAT16, or FLOAT for everything in float32.

        stream: type of the residual stream, of norms and of what feed-forward layers compute, the
        same as real by default. T5's are beyond float16 (transformers keeps its outer products in
        float32 and clamps the rest).
        """
        self.real = real
        self._stream = real if stream is None else stream
        self._dtype = helper.tensor_dtype_to_np_dtype(real)

    def constant(self, graph: GraphBuilder, array: Array) -> str:
        with np.errstate(over="ignore"):  # looked for below
            stored = array.astype(self._dtype)
        if not np.array_equal(np.isfinite(stored), np.isfinite(array)):
            largest = np.abs(array[np.isfinite(array)]).max()
            raise UnsupportedCheckpoint([f"A weight of {largest:g} is too large for float16."])
        return graph.constant(stored)

    def cast(self, graph: GraphBuilder, x: str) -> str:
        return x if self.real == FLOAT else graph.op("Cast", x, to=self.real)

    def product(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        product = graph.op("MatMul", x, self.constant(graph, linear.weight))
        if not linear.bias.any():
            return product
        return graph.op("Add", product, self.constant(graph, linear.bias))

    def logits(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        product = graph.op("MatMul", x, self.constant(graph, linear.weight))
        product = graph.op("Cast", product, to=FLOAT)
        return graph.op("Add", product, graph.constant(linear.bias))

    def rows(self, graph: GraphBuilder, table: Array, ids: str) -> str:
        return graph.op("Gather", self.constant(graph, table), ids, axis=0)

    def recurrence(self, graph: GraphBuilder, weight: Array) -> str:
        return ""  # the operators need cuDNN

    def wide(self) -> ForCuda:
        return ForCuda(self.real, FLOAT)

    def widen(self, graph: GraphBuilder, x: str) -> str:
        return x if self._stream == self.real else graph.op("Cast", x, to=self._stream)

    def outer_product(self, graph: GraphBuilder, x: str, linear: Linear) -> str:
        return self._for_stream().product(graph, x, linear)

    def norm(self, graph: GraphBuilder, x: str, norm: Norm) -> str:
        normed = normalize(graph, x, norm, partial(self._for_stream().constant, graph))
        return normed if self._stream == self.real else graph.op("Cast", normed, to=self.real)

    def _for_stream(self) -> ForCuda:
        return self if self._stream == self.real else ForCuda(self._stream)

    def add_and_norm(self, graph: GraphBuilder, x: str, residual: str, norm: Norm) -> str:
        if not isinstance(norm, LayerNorm):
            return self.norm(graph, graph.op("Add", x, residual), norm)
        scale, bias = self.constant(graph, norm.scale), self.constant(graph, norm.bias)
        inputs = (x, residual, scale, bias)
        return graph.op("SkipLayerNormalization", *inputs, domain=CONTRIB, epsilon=norm.epsilon)

    def key_mask(self, graph: GraphBuilder, lengths: str, keys: str, axis: int, most: int) -> str:
        count = graph.op("Shape", keys, start=axis, end=axis + 1)
        columns = graph.constant(np.arange(most, dtype=np.int32))
        columns = graph.op("Slice", columns, graph.integers(0), count)
        seen = graph.op("Less", columns, graph.op("Unsqueeze", lengths, graph.integers(1)))
        values = (self.constant(graph, np.array(value, np.float32)) for value in (0, HIDDEN))
        mask = graph.op("Where", seen, *values)  # [batch, keys]
        return graph.op("Unsqueeze", mask, graph.integers(1, 2))

    def attend_within(
        self,
        graph: GraphBuilder,
        attention: Attention,
        inputs: Attended,
        lengths: str,
        mask: str,
        bias: str = "",
    ) -> str:
        query, *others = inputs
        width = attention.value.bias.size
        key, value = (split_heads(graph, x, attention.heads, width) for x in others)
        return self.attend(graph, attention, (query, key, value), mask=mask, bias=bias)

    def attend(
        self,
        graph: GraphBuilder,
        attention: Attention,
        inputs: Attended,
        mask: str = "",
        bias: str = "",
    ) -> str:
        query, key, value = inputs
        query = split_heads(graph, query, attention.heads, attention.query.bias.size)
        scale = {"alpha": attention.score_scale, "transB": 1}
        scores = graph.op("FusedMatMul", query, key, domain=CONTRIB, **scale)
        for added in filter(None, (mask, bias)):
            scores = graph.op("Add", scores, added)
        shares = graph.op("Softmax", scores, axis=-1)
        attended = graph.op("MatMul", shares, value)  # [batch, h, length, d / h]
        joined = graph.integers(0, 0, attention.value.bias.size)
        return graph.op("Reshape", graph.op("Transpose", attended, perm=[0, 2, 1, 3]), joined)

    def best(
        self, graph: GraphBuilder, log_probs: str, candidates: str, vocabulary: int
    ) -> tuple[str, str]:
        best, ids = graph.ops("TopK", log_probs, candidates, outputs=2, axis=-1)
        return best, ids
