"""The decoder graph: one step for all rows. A row is one hypothesis of one sentence.

inputs   last_ids     [rows] int64               the token each row ended with
         positions    [rows] int64               how many tokens it has before this one
         parents      [rows] int64               the row of the state that it continues
         places       [sentences, width] int64   the row in each place of each sentence
         row_places   [rows] int64               each row's place in the flattened places
         biased       [biases, 2] int64          row and token of logits to change
         biases       [biases] float             what is added there; -inf forbids a token
         candidates   [1] int64                  how many continuations to return
         memory.*     as the encoder gave them
         state.*      [previous rows, …]
outputs  log_probs    [rows, candidates]         best first
         ids          [rows, candidates] int64
         new_state.*  [rows, …]                  the next step's state.*

Cross-attention takes a sentence's rows together, as the query axis, so that the memory is never
copied per row. Places that hold no row repeat any row; nothing reads their result.
"""

from __future__ import annotations

from onnx import ModelProto

from model_export.graph import layers
from model_export.graph.builder import FLOAT, INT32, INT64, GraphBuilder, Shape
from model_export.graph.precision import Precision
from model_export.spec import Attention, DecoderLayer, Transformer


def build_decoder(network: Transformer, precision: Precision) -> ModelProto:
    """Author the decoder graph from the weights."""
    graph = GraphBuilder("decoder")
    x = _embed_last(graph, precision, network)
    graph.input("parents", INT64, ["rows"])
    graph.input("places", INT64, ["sentences", "width"])
    graph.input("row_places", INT64, ["rows"])
    graph.input("memory.lengths", INT32, ["sentences"])
    for index, layer in enumerate(network.decoder):
        x = _decoder_layer(graph, precision, layer, index, x)
    _continuations(graph, precision, network, x)
    return graph.model()


def _embed_last(graph: GraphBuilder, precision: Precision, network: Transformer) -> str:
    embedding = network.target_embedding
    ids = graph.input("last_ids", INT64, ["rows"])
    positions = graph.input("positions", INT64, ["rows"])
    table = graph.constant(embedding.positions)
    return layers.embed(
        graph, precision, embedding, ids, graph.op("Gather", table, positions, axis=0)
    )


def _decoder_layer(
    graph: GraphBuilder, precision: Precision, layer: DecoderLayer, index: int, x: str
) -> str:
    # x: [rows, d]
    attended = _self_attention(graph, precision, layer.self_attention, index, x)
    x = layers.add_and_norm(graph, attended, x, layer.self_attention_norm)
    attended = _cross_attention(graph, precision, layer.cross_attention, index, x)
    x = layers.add_and_norm(graph, attended, x, layer.cross_attention_norm)
    transformed = layers.feed_forward(graph, precision, x, layer.feed_forward)
    return layers.add_and_norm(graph, transformed, x, layer.feed_forward_norm)


def _self_attention(
    graph: GraphBuilder, precision: Precision, attention: Attention, index: int, x: str
) -> str:
    projections = (attention.query, attention.key, attention.value)
    wide = layers.product(graph, precision, x, layers.beside(projections))
    wide = graph.op("Unsqueeze", wide, graph.integers(1))  # [rows, 1, 3 d]
    projected = layers.split(graph, wide, projections)
    heads, width = attention.heads, attention.key.bias.size
    past = [
        graph.op("Gather", _state(graph, index, name, heads, width), "parents", axis=0)
        for name in ("key", "value")
    ]
    attended, keys, values = layers.attend_cached(graph, attention, projected, (past[0], past[1]))
    for name, value in (("key", keys), ("value", values)):
        shape: Shape = ["rows", heads, "steps_after", width // heads]
        graph.output(f"new_state.{index}.{name}", value, FLOAT, shape)
    attended = graph.op("Squeeze", attended, graph.integers(1))
    return layers.product(graph, precision, attended, attention.output)


def _state(graph: GraphBuilder, index: int, name: str, heads: int, width: int) -> str:
    shape: Shape = ["previous_rows", heads, "steps", width // heads]
    return graph.input(f"state.{index}.{name}", FLOAT, shape)


def _cross_attention(
    graph: GraphBuilder, precision: Precision, attention: Attention, index: int, x: str
) -> str:
    heads, width = attention.heads, attention.key.bias.size
    shape: Shape = ["sentences", heads, "source", width // heads]
    memory = [graph.input(f"memory.{index}.{name}", FLOAT, shape) for name in ("key", "value")]
    query = layers.product(graph, precision, x, attention.query)
    placed = graph.op("Gather", query, "places", axis=0)  # [sentences, width, d]
    attended = layers.attend(graph, attention, placed, *memory, "", "memory.lengths")
    flat = graph.op("Reshape", attended, graph.integers(-1, width))
    attended = graph.op("Gather", flat, "row_places", axis=0)  # [rows, d]
    return layers.product(graph, precision, attended, attention.output)


def _continuations(graph: GraphBuilder, precision: Precision, network: Transformer, x: str) -> None:
    biased = graph.input("biased", INT64, ["biases", 2])
    biases = graph.input("biases", FLOAT, ["biases"])
    candidates = graph.input("candidates", INT64, [1])
    logits = layers.product(graph, precision, x, network.projection)
    logits = graph.op("ScatterND", logits, biased, biases, reduction="add")
    log_probs = graph.op("LogSoftmax", logits, axis=-1)
    best, ids = graph.ops("TopK", log_probs, candidates, outputs=2, axis=-1)
    graph.output("log_probs", best, FLOAT, ["rows", "candidates"])
    graph.output("ids", ids, INT64, ["rows", "candidates"])
