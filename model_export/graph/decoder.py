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
         cache.positions  [sentences, 1, slots] int64   position of the token in each slot; only
                                                        where distances between tokens matter
         state.I        [rows of the step before, d]    only where layer I is recurrent; then slots,
                                                        unseen and cache.* are not there
         memory.*       as the encoder gave them
         extra          [1] bool                        whether some row needs one of the below
outputs  log_probs      [rows, candidates]              best first
         ids            [rows, candidates] int64
         new_cache.*    cache.* with the new keys and values in their slots
         new_state.I    [rows, d]

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

Rows of the step before are numbered with those of the sentences that joined since behind them.
Attention takes a sentence's rows together, as the query axis. Places that hold no row repeat any
row; nothing reads their result.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from onnx import ModelProto

from model_export.graph import extras, layers
from model_export.graph.builder import FLOAT, INT32, INT64, GraphBuilder, Shape
from model_export.graph.precision import Precision
from model_export.graph.weights import WeightFile
from model_export.spec import SSRU, Attention, RelativePositions, Transformer


def build_decoder(
    network: Transformer, precision: Precision, weights: WeightFile | None = None
) -> ModelProto:
    """Author the decoder graph. weights: takes its large constants."""
    graph = GraphBuilder("decoder", weights=weights)
    x = _embed_last(graph, precision, network)
    graph.input("parents", INT64, ["rows"])
    graph.input("places", INT64, ["sentences", "width"])
    graph.input("row_places", INT64, ["rows"])
    bias = _slot_bias(graph, precision, network)
    lengths = graph.input("memory.lengths", INT32, ["sentences"])
    key_mask = precision.key_mask(graph, lengths, "memory.0.key", 2, network.longest_source)
    queries = []
    for index in range(len(network.decoder)):
        x, query = _decoder_layer(graph, precision, network, index, x, (bias, key_mask))
        queries.append(query)
    x = layers.final_norm(graph, precision, x, network.decoder_norm)
    logits = precision.logits(graph, x, network.projection)
    shown = network.alignment_layer % len(network.decoder)
    attention = network.decoder[shown].cross_attention
    attended = (attention, queries[shown], f"memory.{shown}.key")
    extras.continuations(graph, precision, logits, network.projection.bias.size, attended)
    return graph.model()


def _embed_last(graph: GraphBuilder, precision: Precision, network: Transformer) -> str:
    embedding = network.target_embedding
    ids = graph.input("last_ids", INT64, ["rows"])
    places = graph.input("positions", INT64, ["rows"])
    positions = ""
    if embedding.positions is not None:
        table = precision.constant(graph, embedding.positions)
        positions = graph.op("Gather", table, places, axis=0)
    return layers.embed(graph, precision, embedding, ids, positions)


def _slot_bias(graph: GraphBuilder, precision: Precision, network: Transformer) -> str:
    """What is added to the score of each slot of the cache, "" where there is none."""
    first = network.decoder[0].self_attention
    if isinstance(first, SSRU):
        return ""
    graph.input("slots", INT64, ["rows", first.heads, 3])
    unseen = graph.input("unseen", FLOAT, ["sentences", 1, "width", "slots"])
    bias = precision.cast(graph, unseen)
    if network.decoder_positions is None:
        return bias
    return _add_distances(graph, precision, network.decoder_positions, bias)


def _add_distances(
    graph: GraphBuilder, precision: Precision, positions: RelativePositions, unseen: str
) -> str:
    """[sentences, heads, width, slots]: unseen plus what the distance to each slot's token adds.

    Slots are taken in any order, so each says the position of its token; a cache like the others.
    """
    zero = graph.integers(0)
    cache = graph.input("cache.positions", INT64, ["sentences", 1, "slots"])
    places = graph.op("Gather", "slots", zero, axis=1)  # [rows, 1, 3] sentence, head 0, slot
    new = graph.op("Unsqueeze", "positions", graph.integers(1))
    cache = graph.op("ScatterND", cache, places, new)
    cache = graph.output("new_cache.positions", cache, INT64, ["sentences", 1, "slots"])
    rows = graph.op("Gather", "positions", "places", axis=0)
    rows = graph.op("Unsqueeze", rows, graph.integers(2))  # [sentences, width, 1]
    distances = graph.op("Sub", rows, cache)  # [sentences, width, slots]
    distances = graph.op("Clip", distances, zero, graph.integers(len(positions.before) - 1))
    table = precision.constant(graph, positions.before)
    bias = graph.op("Gather", table, distances, axis=0)  # [sentences, width, slots, heads]
    return graph.op("Add", graph.op("Transpose", bias, perm=[0, 3, 1, 2]), unseen)


def _decoder_layer(
    graph: GraphBuilder,
    precision: Precision,
    network: Transformer,
    index: int,
    x: str,
    biases: tuple[str, str],
) -> tuple[str, str]:
    """The layer's output and what it asks the source: both [rows, d].

    x: [rows, d]; biases: of self-attention's slots, and the mask of the source's keys.
    """
    layer, (slot_bias, key_mask) = network.decoder[index], biases
    residual = partial(layers.residual, graph, precision, norm_first=network.norm_first)
    look_back = _looking_back(graph, precision, layer.self_attention, index, slot_bias)
    x = residual(x, look_back, layer.self_attention_norm)
    asked = []

    def attend_to_source(x: str) -> str:
        asked.append(layers.product(graph, precision, x, layer.cross_attention.query))
        inputs = index, asked[0], key_mask
        return _cross_attention(graph, precision, layer.cross_attention, *inputs)

    x = residual(x, attend_to_source, layer.cross_attention_norm)
    transform = partial(layers.feed_forward, graph, precision, layer.feed_forward)
    return residual(x, transform, layer.feed_forward_norm), asked[0]


def _looking_back(
    graph: GraphBuilder, precision: Precision, part: Attention | SSRU, index: int, bias: str
) -> Callable[[str], str]:
    """The part of a layer that sees what was translated."""
    if isinstance(part, SSRU):
        return partial(_recur, graph, precision, part, index)
    return partial(_self_attention, graph, precision, part, index, bias)


def _recur(graph: GraphBuilder, precision: Precision, unit: SSRU, index: int, x: str) -> str:
    width = unit.forget.bias.size
    before = graph.input(f"state.{index}", precision.real, ["before", width])
    before = graph.op("Gather", before, "parents", axis=0)
    both = (unit.value, unit.forget)
    wide = layers.product(graph, precision, x, layers.beside(both))
    value, forget = layers.split(graph, wide, both)
    # f * before + (1 - f) * value
    kept = graph.op("Mul", graph.op("Sigmoid", forget), graph.op("Sub", before, value))
    state = graph.op("Add", value, kept)
    state = graph.output(f"new_state.{index}", state, precision.real, ["rows", width])
    found = graph.op("Relu", state)
    return found if unit.output is None else layers.product(graph, precision, found, unit.output)


def _self_attention(
    graph: GraphBuilder,
    precision: Precision,
    attention: Attention,
    index: int,
    bias: str,
    x: str,
) -> str:
    heads, width = attention.heads, attention.key.bias.size
    wide = layers.product(
        graph, precision, x, layers.beside((attention.query, attention.key, attention.value))
    )
    wide = graph.op("Reshape", wide, graph.integers(0, 3 * heads, width // heads))
    thirds = graph.integers(heads, heads, heads)
    # each of them [rows, heads, d / heads]
    query, new_key, new_value = graph.ops("Split", wide, thirds, outputs=3, axis=1)
    key = _extend(graph, precision, f"cache.{index}.key", attention, new_key)
    value = _extend(graph, precision, f"cache.{index}.value", attention, new_value)
    query = graph.op("Reshape", query, graph.integers(0, width))
    attended = precision.attend(graph, attention, (_placed(graph, query), key, value), bias=bias)
    attended = _rows(graph, attended, attention)
    return layers.product(graph, precision, attended, attention.output)


def _extend(
    graph: GraphBuilder, precision: Precision, name: str, attention: Attention, new: str
) -> str:
    """Write each row's new key or value, [rows, heads, d / heads], into its slot."""
    heads, width = attention.heads, attention.key.bias.size
    shape: Shape = ["sentences", heads, "slots", width // heads]
    cache = graph.op("ScatterND", graph.input(name, precision.real, shape), "slots", new)
    return graph.output(f"new_{name}", cache, precision.real, shape)


def _cross_attention(
    graph: GraphBuilder,
    precision: Precision,
    attention: Attention,
    index: int,
    query: str,
    mask: str,
) -> str:
    heads, width = attention.heads, attention.key.bias.size
    shape: Shape = ["sentences", heads, "source", width // heads]
    key = graph.input(f"memory.{index}.key", precision.real, shape)
    value = graph.input(f"memory.{index}.value", precision.real, shape)
    attended = precision.attend(graph, attention, (_placed(graph, query), key, value), mask=mask)
    attended = _rows(graph, attended, attention)
    return layers.product(graph, precision, attended, attention.output)


def _placed(graph: GraphBuilder, query: str) -> str:
    """[rows, d] → [sentences, width, d]."""
    return graph.op("Gather", query, "places", axis=0)


def _rows(graph: GraphBuilder, attended: str, attention: Attention) -> str:
    """[sentences, width, d] → [rows, d]."""
    flat = graph.op("Reshape", attended, graph.integers(-1, attention.value.bias.size))
    return graph.op("Gather", flat, "row_places", axis=0)
