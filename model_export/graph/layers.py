"""The layers that graphs are made of. Shapes: d = d_model, h = heads."""

from __future__ import annotations

import numpy as np

from model_export.graph.builder import CONTRIB, GraphBuilder
from model_export.graph.precision import Precision
from model_export.spec import Embedding, FeedForward, LayerNorm, Linear


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
    """Token embeddings plus those of their positions: [..., d]."""
    scaled = embedding.table * np.float32(embedding.scale)
    return graph.op("Add", precision.rows(graph, scaled, ids), positions)


def split_heads(graph: GraphBuilder, x: str, heads: int, width: int) -> str:
    """[batch, length, d] → [batch, h, length, d / h]."""
    shape = graph.integers(0, 0, heads, width // heads)
    return graph.op("Transpose", graph.op("Reshape", x, shape), perm=[0, 2, 1, 3])


def feed_forward(graph: GraphBuilder, precision: Precision, x: str, weights: FeedForward) -> str:
    """outer(activation(inner(x)))."""
    inner = product(graph, precision, x, weights.inner)
    return product(graph, precision, _activation(graph, inner, weights.activation), weights.outer)


def add_and_norm(
    graph: GraphBuilder, precision: Precision, x: str, residual: str, norm: LayerNorm
) -> str:
    """LayerNorm(x + residual)."""
    return precision.add_and_norm(graph, x, residual, norm)


def _activation(graph: GraphBuilder, x: str, name: str) -> str:
    match name:
        case "relu":
            return graph.op("Relu", x)
        case "gelu":
            return graph.op("Gelu", x)
        case "swish":  # x * sigmoid(alpha * x) with alpha 1
            return graph.op("QuickGelu", x, domain=CONTRIB, alpha=1.0)
        case _:
            raise ValueError(f"no layer for the activation {name!r}")
