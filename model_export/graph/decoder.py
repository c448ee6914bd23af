"""The decoder graph: one step for all rows. A row is one hypothesis of one sentence.

inputs   last_ids       [rows] int64                    the token each row ended with
         positions      [rows] int64                    how many tokens it has before this one
         parents        [rows] int64                    the row of the state that it continues
         places         [sentences, width] int64        the row in each place of each sentence
         row_places     [rows] int64                    each row's place in the flattened places
         candidates     [1] int64                       how many continuations to return
         slots          [rows, heads, 3] int64          sentence, head and slot of the cache that
                                                        take each row's key and value
         unseen         [sentences, 1, width, slots]    0 where the row in a place attends to a
                                                        slot, -inf where it does not
         cache.I.key    [sentences, heads, slots, d / heads]  for each layer I
         cache.I.value  the same
         memory.*       as the encoder gave them
         extra          [1] bool                        whether some row needs one of the below
outputs  log_probs      [rows, candidates]              best first
         ids            [rows, candidates] int64
         new_cache.*    cache.* with the new keys and values in their slots

What only some rows need (see model_export.graph.extras); inputs that are not given are empty, and
without extra none is looked at and these outputs are empty:

inputs   biased              [biases, 2] int64   row and token of logits to change
         biases              [biases] float      what is added there; -inf forbids a token
         penalised           [n, 2] int64        row and token of logits to penalise, before biases
         penalties           [n] float           positive logits are divided, others multiplied
         asked               [n, 2] int64        row and token
         full_rows           [n] int64
         attended_rows       [n] int64
         attended_sentences  [n] int64           the seat of each attended row's sentence
outputs  asked_log_probs     [n]                 normalised log-probabilities of those tokens
         full_log_probs      [n, vocabulary]     all those of these rows
         attention_scores    [n, alignment heads, source]
                                                 logits of the attention to each source token;
                                                 anything behind the sentence's end

A sentence's slots hold the keys and values of the tree of its hypotheses: a token that several
hypotheses have in common is there once, and going on with other hypotheses moves nothing; only
what each row sees changes. Bound to the same memory, cache.* and new_cache.* cost no copy.

Attention takes a sentence's rows together, as the query axis. Places that hold no row repeat any
row; nothing reads their result.
"""

from __future__ import annotations

from onnx import ModelProto

from model_export.graph import extras, layers
from model_export.graph.builder import FLOAT, INT32, INT64, GraphBuilder, Shape
from model_export.graph.precision import Precision
from model_export.spec import Attention, DecoderLayer, Transformer


def build_decoder(network: Transformer, precision: Precision) -> ModelProto:
    """Author the decoder graph from the weights."""
    graph = GraphBuilder("decoder")
    heads = network.decoder[0].self_attention.heads
    x = _embed_last(graph, precision, network)
    graph.input("parents", INT64, ["rows"])
    graph.input("places", INT64, ["sentences", "width"])
    graph.input("row_places", INT64, ["rows"])
    graph.input("slots", INT64, ["rows", heads, 3])
    graph.input("unseen", FLOAT, ["sentences", 1, "width", "slots"])
    graph.input("memory.lengths", INT32, ["sentences"])
    for index, layer in enumerate(network.decoder):
        x, query = _decoder_layer(graph, precision, layer, index, x)
    logits = layers.product(graph, precision, x, network.projection)
    attention = network.decoder[-1].cross_attention
    key = f"memory.{len(network.decoder) - 1}.key"
    extras.continuations(graph, logits, network.projection.bias.size, attention, query, key)
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
) -> tuple[str, str]:
    """x: [rows, d]. Returns the layer's output and what it asks the source: both [rows, d]."""
    attended = _self_attention(graph, precision, layer.self_attention, index, x)
    x = layers.add_and_norm(graph, attended, x, layer.self_attention_norm)
    query = layers.product(graph, precision, x, layer.cross_attention.query)
    attended = _cross_attention(graph, precision, layer.cross_attention, index, query)
    x = layers.add_and_norm(graph, attended, x, layer.cross_attention_norm)
    transformed = layers.feed_forward(graph, precision, x, layer.feed_forward)
    return layers.add_and_norm(graph, transformed, x, layer.feed_forward_norm), query


def _self_attention(
    graph: GraphBuilder, precision: Precision, attention: Attention, index: int, x: str
) -> str:
    heads, width = attention.heads, attention.key.bias.size
    wide = layers.product(
        graph, precision, x, layers.beside((attention.query, attention.key, attention.value))
    )
    wide = graph.op("Reshape", wide, graph.integers(0, 3 * heads, width // heads))
    thirds = graph.integers(heads, heads, heads)
    query, *new = graph.ops("Split", wide, thirds, outputs=3, axis=1)  # [rows, heads, d / heads]
    cached = [
        _extend(graph, f"cache.{index}.{name}", heads, width, value)
        for name, value in zip(("key", "value"), new, strict=True)
    ]
    query = graph.op("Reshape", query, graph.integers(0, width))
    attended = _attend(graph, attention, query, *cached, "", "", "unseen")
    return layers.product(graph, precision, attended, attention.output)


def _extend(graph: GraphBuilder, name: str, heads: int, width: int, new: str) -> str:
    """Write each row's new key or value, [rows, heads, d / heads], into its slot."""
    shape: Shape = ["sentences", heads, "slots", width // heads]
    cache = graph.op("ScatterND", graph.input(name, FLOAT, shape), "slots", new)
    return graph.output(f"new_{name}", cache, FLOAT, shape)


def _cross_attention(
    graph: GraphBuilder, precision: Precision, attention: Attention, index: int, query: str
) -> str:
    heads, width = attention.heads, attention.key.bias.size
    shape: Shape = ["sentences", heads, "source", width // heads]
    memory = [graph.input(f"memory.{index}.{name}", FLOAT, shape) for name in ("key", "value")]
    attended = _attend(graph, attention, query, *memory, "", "memory.lengths")
    return layers.product(graph, precision, attended, attention.output)


def _attend(graph: GraphBuilder, attention: Attention, query: str, *others: str) -> str:
    """Attention of every row to its sentence's keys; [rows, d].

    query: [rows, d]; others: as layers.attend() takes them.
    """
    placed = graph.op("Gather", query, "places", axis=0)  # [sentences, width, d]
    attended = layers.attend(graph, attention, placed, *others)
    flat = graph.op("Reshape", attended, graph.integers(-1, attention.value.bias.size))
    return graph.op("Gather", flat, "row_places", axis=0)
