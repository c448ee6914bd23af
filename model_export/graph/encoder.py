"""The encoder graph.

inputs   source_ids      [sentences, source] int64
         source_lengths  [sentences] int64
outputs  memory.lengths  [sentences] int32
         memory.I.key    [sentences, heads, source, d / heads]  for each decoder layer I
         memory.I.value  the same
         state.I         [sentences, d]     zeros, only where decoder layer I is recurrent
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from onnx import ModelProto

from model_export.graph import cells, layers
from model_export.graph.builder import INT32, INT64, GraphBuilder, Shape
from model_export.graph.precision import Precision
from model_export.graph.weights import WeightFile
from model_export.spec import SSRU, Attention, Embedding, Linear, RelativePositions, Transformer


def build_encoder(
    network: Transformer, precision: Precision, weights: WeightFile | None = None
) -> ModelProto:
    """Author the encoder graph. weights: takes its large constants."""
    graph = GraphBuilder("encoder", weights=weights)
    ids = graph.input("source_ids", INT64, ["sentences", "source"])
    lengths = graph.input("source_lengths", INT64, ["sentences"])
    packing = _pack(graph, precision, ids, lengths, network.longest_source)

    x = _embed(graph, precision, network.source_embedding, ids, packing)
    bias = _distance_bias(graph, precision, network.encoder_positions, packing)
    for layer in network.encoder:
        attend = partial(_attend, graph, precision, layer.attention, packing, bias)
        transform = partial(layers.feed_forward, graph, precision, layer.feed_forward)
        for part, norm in ((attend, layer.attention_norm), (transform, layer.feed_forward_norm)):
            x = layers.residual(graph, precision, x, part, norm, norm_first=network.norm_first)
    x = layers.final_norm(graph, precision, x, network.encoder_norm)

    graph.output("memory.lengths", packing.lengths, INT32, ["sentences"])
    _memory(graph, precision, network, x, packing)
    _states(graph, precision, network)
    return graph.model()


@dataclass(frozen=True, slots=True)
class _Packing:
    """Where the tokens of all sentences are when they stand one after the other, without padding.

    Everything but attention works on [tokens, d], so that no time goes into padding.
    """

    flat: str
    """[tokens] each token's place in the flattened [sentences, source]."""
    columns: str
    """[tokens] each token's place in its sentence."""
    places: str
    """[sentences, source] the token in each place; padding repeats any token, it is masked."""
    lengths: str
    """[sentences] int32."""
    axis: str
    """[source] 0, 1, …"""
    mask: str
    """Of keys behind a sentence's end."""

    def pad(self, graph: GraphBuilder, x: str) -> str:
        """[tokens, …] → [sentences, source, …]."""
        return graph.op("Gather", x, self.places, axis=0)

    def unpad(self, graph: GraphBuilder, x: str, width: int) -> str:
        """[sentences, source, width] → [tokens, width]."""
        return graph.op("Gather", graph.op("Reshape", x, graph.integers(-1, width)), self.flat)


def _pack(
    graph: GraphBuilder, precision: Precision, ids: str, lengths: str, longest: int
) -> _Packing:
    # On CUDA, what Shape gives is in the CPU's memory. It only goes where a kernel takes an input
    # from there, so that no operator runs on the CPU and nothing is copied between the two.
    zero, all_places = graph.constant(np.array(0, np.int64)), graph.integers(-1)
    source = graph.op("Shape", ids, start=1, end=2)
    columns = graph.constant(np.arange(longest))
    columns = graph.op("Slice", columns, graph.integers(0), source)  # [source]
    filled = graph.op("Less", columns, graph.op("Unsqueeze", lengths, graph.integers(1)))
    flat = graph.op("NonZero", graph.op("Reshape", filled, all_places))
    flat = graph.op("Squeeze", flat, graph.integers(0))
    firsts = graph.op("CumSum", lengths, zero, exclusive=1)
    places = graph.op("Add", columns, graph.op("Unsqueeze", firsts, graph.integers(1)))
    spread = graph.op("Expand", columns, graph.op("Shape", ids))  # [sentences, source]
    short_lengths = graph.op("Cast", lengths, to=INT32)
    return _Packing(
        flat=flat,
        columns=graph.op("Gather", graph.op("Reshape", spread, all_places), flat),
        places=graph.op("Where", filled, places, zero),
        lengths=short_lengths,
        axis=columns,
        mask=precision.key_mask(graph, short_lengths, ids, 1, longest),
    )


def _embed(
    graph: GraphBuilder, precision: Precision, embedding: Embedding, ids: str, packing: _Packing
) -> str:
    """[tokens, d]"""
    tokens = graph.op("Gather", graph.op("Reshape", ids, graph.integers(-1)), packing.flat)
    positions = ""
    if embedding.positions is not None:
        table = precision.constant(graph, embedding.positions)
        positions = graph.op("Gather", table, packing.columns)
    return layers.embed(graph, precision, embedding, tokens, positions)


def _distance_bias(
    graph: GraphBuilder,
    precision: Precision,
    positions: RelativePositions | None,
    packing: _Packing,
) -> str:
    """[1, heads, source, source], for every query and key; "" where distances do not matter."""
    if positions is None:
        return ""
    assert positions.behind is not None  # an encoder looks both ways
    reach = len(positions.before) - 1
    # -reach … reach
    table = np.concatenate([positions.behind[:0:-1], positions.before])
    queries, keys = (graph.op("Unsqueeze", packing.axis, graph.integers(a)) for a in (1, 0))
    distances = graph.op("Sub", queries, keys)
    distances = graph.op("Clip", distances, graph.integers(-reach), graph.integers(reach))
    places = graph.op("Add", distances, graph.integers(reach))
    bias = graph.op("Gather", precision.constant(graph, table), places)  # [source, source, heads]
    bias = graph.op("Transpose", bias, perm=[2, 0, 1])
    return graph.op("Unsqueeze", bias, graph.integers(0))


def _attend(
    graph: GraphBuilder,
    precision: Precision,
    attention: Attention,
    packing: _Packing,
    bias: str,
    x: str,
) -> str:
    """Self-attention of [tokens, d]."""
    projections = (attention.query, attention.key, attention.value)
    wide = packing.pad(graph, layers.product(graph, precision, x, layers.beside(projections)))
    query, key, value = layers.split(graph, wide, projections)
    attended = precision.attend_within(
        graph, attention, (query, key, value), "source_lengths", packing.mask, bias
    )
    attended = packing.unpad(graph, attended, attention.value.bias.size)
    return layers.product(graph, precision, attended, attention.output)


def _memory(
    graph: GraphBuilder, precision: Precision, network: Transformer, x: str, packing: _Packing
) -> None:
    """Keys and values of every decoder layer's cross-attention, once per sentence."""
    linears: list[Linear] = []
    for layer in network.decoder:
        linears += [layer.cross_attention.key, layer.cross_attention.value]
    wide = packing.pad(graph, layers.product(graph, precision, x, layers.beside(tuple(linears))))
    projected = layers.split(graph, wide, tuple(linears))
    for index, layer in enumerate(network.decoder):
        heads, width = layer.cross_attention.heads, linears[0].bias.size
        for name, value in zip(("key", "value"), projected[2 * index :], strict=False):
            split = layers.split_heads(graph, value, heads, width)
            shape: Shape = ["sentences", heads, "source", width // heads]
            graph.output(f"memory.{index}.{name}", split, precision.real, shape)


def _states(graph: GraphBuilder, precision: Precision, network: Transformer) -> None:
    """What the recurrent layers of the decoder begin with."""
    for index, layer in enumerate(network.decoder):
        if isinstance(layer.self_attention, SSRU):
            width = layer.self_attention.forget.bias.size
            zeros = cells.zeros(graph, precision, "source_lengths", width)
            graph.output(f"state.{index}", zeros, precision.real, ["sentences", width])
