"""The weights in a graph that this exporter made, in the order in which it builds graphs.

    int8    MatMulIntegerToFloat(QuantizeLinear(x [* factors]), integers, …, scales, …[, bias])
    fp32    MatMul(x, weight) [+ bias]

Integers times scales are the weights, but for what rounding took: half a step at most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, numpy_helper

from model_export.graph.builder import CONTRIB
from model_export.spec import Array, LayerNorm, Linear

INTEGER_PRODUCT, PRODUCT = "MatMulIntegerToFloat", "MatMul"


@dataclass(frozen=True, slots=True)
class GraphWeights:
    """Each list in the order of the graph."""

    products: list[Linear]
    """Those that were built as one, side by side, are one."""
    norms: list[LayerNorm]
    activations: list[str]
    gathered: list[Array]
    """Tables in which rows are looked up: positions, embeddings and, in int8, a scale for each of
    their rows."""
    heads: int
    """Of what the decoder asks the source."""


def read(path: Path) -> GraphWeights:
    """Read a graph, and what lies beside it."""
    model = onnx.load(path)
    graph = _Graph(model)
    return GraphWeights(
        products=list(graph.products()),
        norms=list(graph.norms()),
        activations=list(graph.activations()),
        gathered=list(graph.gathered()),
        heads=_heads(model),
    )


class _Graph:
    def __init__(self, model: onnx.ModelProto) -> None:
        self._nodes = list(model.graph.node)
        self._constants = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self._makers = {name: node for node in self._nodes for name in node.output}
        self._users = defaultdict[str, list[NodeProto]](list)
        for node in self._nodes:
            for name in node.input:
                self._users[name].append(node)

    def products(self) -> Iterator[Linear]:
        for node in self._nodes:
            weight = self._weight(node)
            if weight is not None:
                yield Linear(weight, self._bias(node, weight.shape[1]))

    def norms(self) -> Iterator[LayerNorm]:
        for node in self._nodes:
            if node.op_type == "LayerNormalization":
                scale, bias = (self._constants[name] for name in node.input[1:3])
                yield LayerNorm(scale, bias, _attribute(node, "epsilon"))

    def activations(self) -> Iterator[str]:
        for node in self._nodes:
            if node.op_type == "QuickGelu" and node.domain == CONTRIB:
                yield "swish" if _attribute(node, "alpha") == 1 else "gelu_sigmoid"
            elif node.op_type in ("Relu", "Gelu"):
                yield node.op_type.lower()

    def gathered(self) -> Iterator[Array]:
        for node in self._nodes:
            table = self._constants.get(node.input[0]) if node.op_type == "Gather" else None
            if table is not None and table.ndim == 2:
                yield table

    def _weight(self, node: NodeProto) -> Array | None:
        """[inputs, outputs], if the operator is the product by a constant."""
        if node.op_type == INTEGER_PRODUCT:
            integers, scales = (self._constants[node.input[place]] for place in (1, 3))
            weight: Array = integers.astype(np.float32) * scales
            return weight * self._unsmoothing(node.input[0], len(weight))
        if node.op_type == PRODUCT and node.input[1] in self._constants:
            return self._constants[node.input[1]]
        return None

    def _unsmoothing(self, quantized: str, inputs: int) -> Array:
        """[inputs, 1] what takes back the factors that smoothing put on the rows of a weight."""
        before = self._makers[self._makers[quantized].input[0]]
        factors = self._vector(before, inputs) if before.op_type == "Mul" else None
        return np.ones((1, 1), np.float32) if factors is None else factors[:, None]

    def _bias(self, node: NodeProto, outputs: int) -> Array:
        """The product's own, or what is added to it."""
        if node.op_type == INTEGER_PRODUCT and len(node.input) > 6:
            return self._constants[node.input[6]]
        waiting = [node]
        while waiting:
            for user in self._users[waiting.pop().output[0]]:
                found = self._vector(user, outputs)
                if user.op_type == "Add" and found is not None:
                    return found
                if user.op_type == "Mul" and found is None:  # by the radius of each row
                    waiting.append(user)
        return np.zeros(outputs, np.float32)

    def _vector(self, node: NodeProto, size: int) -> Array | None:
        """A constant of so many numbers among the operator's inputs."""
        found = (self._constants[name] for name in node.input if name in self._constants)
        return next((constant for constant in found if constant.shape == (size,)), None)


def _attribute(node: NodeProto, name: str) -> float:
    return next(float(one.f) for one in node.attribute if one.name == name)


def _heads(model: onnx.ModelProto) -> int:
    """Second length of memory.0.key: [sentences, heads, source, d / heads]."""
    values = (*model.graph.input, *model.graph.output)
    keys = (value for value in values if value.name == "memory.0.key")
    return next((int(key.type.tensor_type.shape.dim[1].dim_value) for key in keys), 0)
