"""The layers that graphs are made of. Shapes: d = d_model, h = heads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_export.graph.builder import CONTRIB, GraphBuilder
from model_export.graph.precision import Precision
from model_export.spec import Embedding, FeedForward, Linear, Norm


def product(graph: GraphBuilder, precision: Precision, x: str, linear: Linear) -> str:
    """x @ weight + bias."""
    return precision.product(graph, x, linear)


def split(graph: GraphBuilder, wide: str, linears: tuple[Linear, ...]) -> list[str]:
    """Take the wide product of these apart again."""
    widths = graph.integers(*(linear.bias.size for linear in linears))
    return graph.ops("Split", wide, widths, outputs=len(linears), axis=-1)


def beside(linears: tuple[Linear, ...]) -> Linear:
    """One Linear whose outputs are those of all of these, one after the other."""
    return Linear(
        weight=np.concatenate([linear.weight for linear in linears], axis=1),
        bias=np.concatenate([linear.bias for linear in linears]),
    )


def embed(
    graph: GraphBuilder, precision: Precision, embedding: Embedding, ids: str, positions: str
) -> str:
    """Token embeddings plus those of their positions: [..., d].

    positions: embedding.positions of each token, "" where there are none.
    """
    table = embedding.table
    if embedding.scale != 1:
        table = table * np.float32(embedding.scale)
    x = precision.rows(graph, table, ids)
    if positions:
        x = graph.op("Add", x, positions)
    x = precision.widen(graph, x)
    if embedding.norm is None:
        return x
    return precision.widen(graph, precision.norm(graph, x, embedding.norm))


def split_heads(graph: GraphBuilder, x: str, heads: int, width: int) -> str:
    """[batch, length, d] → [batch, h, length, d / h]."""
    shape = graph.integers(0, 0, heads, width // heads)
    return graph.op("Transpose", graph.op("Reshape", x, shape), perm=[0, 2, 1, 3])


def feed_forward(graph: GraphBuilder, precision: Precision, weights: FeedForward, x: str) -> str:
    """outer(activation(inner(x))), or with gate(x) as a factor in between."""
    if weights.gate is None:
        inner = precision.widen(graph, product(graph, precision, x, weights.inner))
        inner = _activation(graph, inner, weights.activation)
        return precision.outer_product(graph, inner, weights.outer)
    both = (weights.inner, weights.gate)
    wide = precision.widen(graph, product(graph, precision, x, beside(both)))
    inner, gate = split(graph, wide, both)
    inner = graph.op("Mul", _activation(graph, inner, weights.activation), gate)
    return precision.outer_product(graph, inner, weights.outer)


def residual(
    graph: GraphBuilder,
    precision: Precision,
    x: str,
    part: Callable[[str], str],
    norm: Norm,
    *,
    norm_first: bool,
) -> str:
    """x + part(norm(x)), or norm(x + part(x)); see Transformer.norm_first."""
    if norm_first:
        added = part(precision.norm(graph, x, norm))
        return graph.op("Add", x, precision.widen(graph, added))
    return precision.add_and_norm(graph, part(x), x, norm)


def final_norm(graph: GraphBuilder, precision: Precision, x: str, norm: Norm | None) -> str:
    """norm(x), or x itself where there is none."""
    return x if norm is None else precision.norm(graph, x, norm)


def _activation(graph: GraphBuilder, x: str, name: str) -> str:
    match name:
        case "relu":
            return graph.op("Relu", x)
        case "gelu":
            return graph.op("Gelu", x)
        case "gelu_tanh":
            return graph.op("Gelu", x, approximate="tanh")
        case "swish":  # x * sigmoid(alpha * x) with alpha 1
            return graph.op("QuickGelu", x, domain=CONTRIB, alpha=1.0)
        case "gelu_sigmoid":
            return graph.op("QuickGelu", x, domain=CONTRIB, alpha=1.702)
        case _:
            raise ValueError(f"no layer for the activation {name!r}")
