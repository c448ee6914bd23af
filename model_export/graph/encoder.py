"""The encoder graph.

inputs   source_ids      [sentences, source] int64
         source_lengths  [sentences] int64
outputs  memory.lengths  [sentences] int32
         memory.I.key    [sentences, heads, source, d / heads]  for each decoder layer I
         memory.I.value  the same
         state.I.key     [sentences, heads, 0, d / heads]       the decoder's first, empty, cache
         state.I.value   the same
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper

from model_export.graph import layers
from model_export.graph.builder import FLOAT, INT32, INT64, GraphBuilder, Shape
from model_export.graph.precision import Precision
from model_export.spec import Embedding, EncoderLayer, Linear, Transformer


def build_encoder(network: Transformer, precision: Precision) -> ModelProto:
    """Author the encoder graph from the weights."""
    graph = GraphBuilder("encoder")
    ids = graph.input("source_ids", INT64, ["sentences", "source"])
    lengths = graph.input("source_lengths", INT64, ["sentences"])
    lengths = graph.op("Cast", lengths, to=INT32)

    x = layers.embed(
        graph,
        precision,
        network.source_embedding,
        ids,
        _first_positions(graph, network.source_embedding, ids),
    )
    for layer in network.encoder:
        x = _encoder_layer(graph, precision, layer, x, lengths)

    graph.output("memory.lengths", lengths, INT32, ["sentences"])
    _memory(graph, precision, network, x)
    _first_state(graph, network, ids)
    return graph.model()


def _first_positions(graph: GraphBuilder, embedding: Embedding, ids: str) -> str:
    """positions[:source], [source, d]."""
    length = graph.op("Shape", ids, start=1, end=2)
    table = graph.constant(embedding.positions)
    return graph.op("Slice", table, graph.integers(0), length, graph.integers(0))


def _encoder_layer(
    graph: GraphBuilder, precision: Precision, layer: EncoderLayer, x: str, lengths: str
) -> str:
    attention = layer.attention
    projections = (attention.query, attention.key, attention.value)
    projected = layers.products(graph, precision, x, projections)
    attended = layers.attend(graph, attention, *projected, "", lengths)
    attended = layers.product(graph, precision, attended, attention.output)
    x = layers.add_and_norm(graph, attended, x, layer.attention_norm)
    transformed = layers.feed_forward(graph, precision, x, layer.feed_forward)
    return layers.add_and_norm(graph, transformed, x, layer.feed_forward_norm)


def _memory(graph: GraphBuilder, precision: Precision, network: Transformer, x: str) -> None:
    """Keys and values of every decoder layer's cross-attention, once per sentence."""
    linears: list[Linear] = []
    for layer in network.decoder:
        linears += [layer.cross_attention.key, layer.cross_attention.value]
    projected = layers.products(graph, precision, x, tuple(linears))
    for index, layer in enumerate(network.decoder):
        heads, width = layer.cross_attention.heads, linears[0].bias.size
        for name, value in zip(("key", "value"), projected[2 * index :], strict=False):
            split = layers.split_heads(graph, value, heads, width)
            shape: Shape = ["sentences", heads, "source", width // heads]
            graph.output(f"memory.{index}.{name}", split, FLOAT, shape)


def _first_state(graph: GraphBuilder, network: Transformer, ids: str) -> None:
    sentences = graph.op("Shape", ids, start=0, end=1)
    for index, layer in enumerate(network.decoder):
        attention = layer.self_attention
        heads, width = attention.heads, attention.key.bias.size
        sizes = graph.integers(heads, 0, width // heads)
        shape = graph.op("Concat", sentences, sizes, axis=0)
        zero = helper.make_tensor("zero", TensorProto.FLOAT, [1], np.zeros(1, np.float32))
        empty = graph.op("ConstantOfShape", shape, value=zero)
        for name in ("key", "value"):
            graph.output(
                f"state.{index}.{name}", empty, FLOAT, ["sentences", heads, 0, width // heads]
            )
