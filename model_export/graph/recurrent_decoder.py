"""The decoder graph of a recurrent network: one step for all rows.

As model_export.graph.decoder, without cache.*, slots and unseen, and with

inputs   memory.lengths  [sentences] int32
         memory.N        as the encoder gave them
         state.N         [rows of the step before, width]
outputs  new_state.N     [rows, width]

Rows of the step before are numbered with those of the sentences that joined since behind them.
Without attention to show, nobody may ask for attention_scores.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto

from model_export.graph import cells, extras
from model_export.graph.builder import CONTRIB, FLOAT, INT32, INT64, GraphBuilder, Shape
from model_export.graph.operations import author
from model_export.graph.precision import Precision
from model_export.graph.recurrent_encoder import LONGEST
from model_export.graph.recurrent_memory import Layout, Memory, memories
from model_export.graph.weights import WeightFile
from model_export.recurrent_spec import LAST_IDS, Advance, Attend, Node, RecurrentNetwork

HIDDEN = -10_000.0
"""Score of a source token behind its sentence's end: its share is 0."""


def build_decoder(
    network: RecurrentNetwork, precision: Precision, weights: WeightFile | None = None
) -> ModelProto:
    """Author the decoder graph. weights: takes its large constants."""
    graph = GraphBuilder("decoder", weights=weights)
    values = {LAST_IDS: graph.input("last_ids", INT64, ["rows"])}
    for name in ("positions", "parents", "row_places"):
        graph.input(name, INT64, ["rows"])
    graph.input("places", INT64, ["sentences", "width"])
    for number, state in enumerate(network.states):
        before = graph.input(f"state.{number}", precision.real, ["before", state.width])
        values[state.name] = graph.op("Gather", before, "parents", axis=0)
    half = _Decoder(graph, precision, values, _memory(graph, precision, network))
    for node in network.decoder:
        half.add(node)
    for number, state in enumerate(network.states):
        value, shape = values[state.following], ("rows", state.width)
        name = graph.output(f"new_state.{number}", value, precision.real, shape)
        values[state.following] = name
    logits = precision.logits(graph, values[network.output], network.projection)
    extras.finish(graph, precision, logits, network.projection.bias.size, half.show_attention)
    return graph.model()


@dataclass(frozen=True, slots=True)
class _Memory:
    """What the encoder made of the sentences."""

    tensors: dict[tuple[str, Layout], Memory]
    sentences: str
    """[rows] the seat of each row's sentence."""
    seen: str
    """[rows, source] whether a source token is one of the row's sentence."""


@dataclass(slots=True)
class _Decoder:
    graph: GraphBuilder
    precision: Precision
    values: dict[str, str]
    memory: _Memory
    scores: list[str] = field(default_factory=list)
    """Of each attention, [rows, source]."""

    def add(self, node: Node) -> None:
        """Author a node."""
        match node.operation:
            case Attend():
                made = [self._attend(node.operation, *node.inputs)]
            case Advance(cell):
                x, *state = map(self._vector, node.inputs)
                made = cells.advance(self.graph, self.precision, cell, x, state)
            case operation:
                inputs = map(self._vector, node.inputs)
                made = [author(operation, self.graph, self.precision, *inputs)]
        self.values.update(zip(node.outputs, made, strict=False))

    def show_attention(self, branch: GraphBuilder, graph: GraphBuilder) -> None:
        """Declare attention_scores."""
        rows, _ = extras.asked_attention(graph)
        shape: Shape = ["attended", 1, "source"]
        if not self.scores:
            nothing = branch.constant(np.zeros((0, 1, 0), np.float32))
            branch.output("attention_scores", nothing, FLOAT, shape)
            return
        scores = branch.op("Gather", self.scores[-1], rows, axis=0)
        scores = branch.op("Unsqueeze", scores, branch.integers(1))
        branch.output("attention_scores", branch.op("Cast", scores, to=FLOAT), FLOAT, shape)

    def _vector(self, name: str) -> str:
        """A value for each row; one of the encoder is that of the row's sentence."""
        if name not in self.values:
            memory = self.memory.tensors[name, "vector"].name
            self.values[name] = self.graph.op("Gather", memory, self.memory.sentences, axis=0)
        return self.values[name]

    def _attend(self, attend: Attend, query: str, keys: str, values: str) -> str:
        """[rows, width]"""
        graph, query = self.graph, self._vector(query)
        if attend.score == "additive":
            scores = self._additive(attend, query, self.memory.tensors[keys, "sequence"])
        else:
            scores = self._dot(attend, query, self.memory.tensors[keys, "pieces"])
        hidden = self.precision.constant(graph, np.array(HIDDEN, np.float32))
        scores = graph.op("Where", self.memory.seen, scores, hidden)
        self.scores.append(scores)
        shares = graph.op("Gather", graph.op("Softmax", scores, axis=-1), "places", axis=0)
        # [sentences, width, source] @ [sentences, source, d]
        mixed = graph.op("MatMul", shares, self.memory.tensors[values, "sequence"].name)
        return self._rows(mixed)

    def _additive(self, attend: Attend, query: str, keys: Memory) -> str:
        """tanh(query + key) @ scale: [rows, source]."""
        graph = self.graph
        assert attend.scale is not None
        # Keys are gathered by row and not queries by place, because the sums and tanh are most of
        # the work and there are more places than rows.
        gathered = graph.op("Gather", keys.name, self.memory.sentences, axis=0)
        sums = graph.op("Add", gathered, graph.op("Unsqueeze", query, graph.integers(1)))
        scale = self.precision.constant(graph, attend.scale[:, None])
        scores = graph.op("MatMul", graph.op("Tanh", sums), scale)  # [rows, source, 1]
        return graph.op("Squeeze", scores, graph.integers(2))

    def _dot(self, attend: Attend, query: str, keys: Memory) -> str:
        """query @ keyᵀ * factor: [rows, source]."""
        graph = self.graph
        shape = graph.integers(0, 0, keys.pieces, keys.width // keys.pieces)
        placed = graph.op("Reshape", graph.op("Gather", query, "places", axis=0), shape)
        placed = graph.op("Transpose", placed, perm=[0, 2, 1, 3])
        attributes = {"alpha": attend.factor, "transB": 1}
        # [sentences, pieces, width, source]
        scores = graph.op("FusedMatMul", placed, keys.name, domain=CONTRIB, **attributes)
        return self._rows(graph.op("ReduceSum", scores, graph.integers(1), keepdims=0))

    def _rows(self, placed: str) -> str:
        """[sentences, width, …] → [rows, …]."""
        return self.graph.op(
            "Gather", self.graph.op("Flatten", placed, axis=2), "row_places", axis=0
        )


def _memory(graph: GraphBuilder, precision: Precision, network: RecurrentNetwork) -> _Memory:
    lengths = graph.input("memory.lengths", INT32, ["sentences"])
    tensors = memories(network)
    for memory in tensors.values():
        graph.input(memory.name, precision.real, memory.shape)
    sentences = _sentences(graph) if tensors else ""
    sequences = [memory for memory in tensors.values() if memory.layout != "vector"]
    seen = _seen(graph, lengths, sentences, sequences[0]) if sequences else ""
    return _Memory(tensors, sentences, seen)


def _sentences(graph: GraphBuilder) -> str:
    """The seat of each row's sentence, without arithmetic on the sizes of tensors."""
    ones = graph.op("Cast", graph.op("Equal", "places", "places"), to=INT64)
    seats = graph.op("CumSum", ones, graph.constant(np.array(0, np.int64)), exclusive=1)
    return graph.op("Gather", graph.op("Reshape", seats, graph.integers(-1)), "row_places")


def _seen(graph: GraphBuilder, lengths: str, sentences: str, memory: Memory) -> str:
    axis = list(memory.shape).index("source")
    source = graph.op("Shape", memory.name, start=axis, end=axis + 1)
    places = graph.constant(np.arange(LONGEST, dtype=np.int32))
    places = graph.op("Slice", places, graph.integers(0), source)
    own = graph.op("Gather", lengths, sentences, axis=0)
    return graph.op("Less", places, graph.op("Unsqueeze", own, graph.integers(1)))
