"""The operations of recurrent networks that are the same in both graphs.

Values are [..., width]: sequences [source, sentences, width], vectors [sentences, width] in the
encoder and [rows, width] in the decoder.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from model_export.graph.builder import GraphBuilder
from model_export.graph.functions import activate
from model_export.graph.precision import Precision
from model_export.recurrent_spec import (
    Activate,
    Affine,
    Dense,
    Embed,
    Join,
    Merge,
    Norm,
    OneHot,
    Operation,
)


@singledispatch
def author(operation: Operation, graph: GraphBuilder, precision: Precision, *inputs: str) -> str:
    """Append the operators of an operation; returns what it gives."""
    raise NotImplementedError(type(operation).__name__)


@author.register
def _(operation: Embed, graph: GraphBuilder, precision: Precision, ids: str) -> str:
    return precision.rows(graph, operation.table, ids)


@author.register
def _(operation: OneHot, graph: GraphBuilder, precision: Precision, ids: str) -> str:
    places = graph.constant(np.arange(operation.depth))
    equal = graph.op("Equal", graph.op("Unsqueeze", ids, graph.integers(-1)), places)
    return graph.op("Cast", equal, to=precision.real)


@author.register
def _(operation: Dense, graph: GraphBuilder, precision: Precision, x: str) -> str:
    return activate(
        graph, precision, precision.product(graph, x, operation.linear), operation.function
    )


@author.register
def _(operation: Activate, graph: GraphBuilder, precision: Precision, x: str) -> str:
    return activate(graph, precision, x, operation.function)


@author.register
def _(operation: Norm, graph: GraphBuilder, precision: Precision, x: str) -> str:
    norm = operation.norm
    parts = (precision.constant(graph, array) for array in (norm.scale, norm.bias))
    return graph.op("LayerNormalization", x, *parts, axis=-1, epsilon=norm.epsilon)


@author.register
def _(operation: Affine, graph: GraphBuilder, precision: Precision, x: str) -> str:
    scaled = graph.op("Mul", x, precision.constant(graph, operation.scale))
    return graph.op("Add", scaled, precision.constant(graph, operation.offset))


@author.register
def _(operation: Join, graph: GraphBuilder, precision: Precision, *inputs: str) -> str:
    return graph.op("Concat", *inputs, axis=-1)


@author.register
def _(operation: Merge, graph: GraphBuilder, precision: Precision, *inputs: str) -> str:
    first, *others = inputs
    for other in others:
        first = graph.op("Mul" if operation.how == "product" else "Add", first, other)
    if operation.how != "mean":
        return first
    share = precision.constant(graph, np.array(1 / len(inputs), np.float32))
    return graph.op("Mul", first, share)
