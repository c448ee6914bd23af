"""The encoder graph of a recurrent network.

inputs   source_ids      [sentences, source] int64
         source_lengths  [sentences] int64
outputs  memory.lengths  [sentences] int32
         memory.N        [sentences, …]     what the decoder reads at each step, with an axis
                                            `source` where it is a sequence
         state.N         [sentences, width]  the decoder's first state
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto

from model_export.graph import cells
from model_export.graph.builder import INT32, INT64, GraphBuilder
from model_export.graph.operations import author
from model_export.graph.precision import Precision
from model_export.graph.recurrent_memory import Memory, memories
from model_export.graph.weights import WeightFile
from model_export.recurrent_spec import (
    SOURCE_IDS,
    Node,
    RecurrentNetwork,
    Reverse,
    Run,
    State,
)

_AXES: dict[str, Any] = {"time_axis": 0, "batch_axis": 1}
LONGEST = 4096
"""More source tokens than any model takes."""


def build_encoder(
    network: RecurrentNetwork, precision: Precision, weights: WeightFile | None = None
) -> ModelProto:
    """Author the encoder graph. weights: takes its large constants."""
    graph = GraphBuilder("encoder", weights=weights)
    ids = graph.input("source_ids", INT64, ["sentences", "source"])
    each = graph.input("source_lengths", INT64, ["sentences"])
    half = _Encoder(graph, precision, _lengths(graph, precision, ids, each), {})
    half.values[SOURCE_IDS] = graph.op("Transpose", ids, perm=[1, 0])
    for node in network.encoder:
        half.add(node)
    graph.output("memory.lengths", graph.op("Cast", each, to=INT32), INT32, ["sentences"])
    for memory in memories(network).values():
        half.put_out(memory)
    for number, state in enumerate(network.states):
        half.put_out_state(number, state)
    return graph.model()


@dataclass(frozen=True, slots=True)
class _Encoder:
    graph: GraphBuilder
    precision: Precision
    lengths: cells.Lengths
    values: dict[str, str]

    def add(self, node: Node) -> None:
        """Author a node."""
        inputs = [self.values[name] for name in node.inputs]
        match node.operation:
            case Run(cell):
                made = cells.run(self.graph, self.precision, cell, self.lengths, inputs)
            case Reverse():
                # Each sentence on its own: its last token comes first, whatever is behind it.
                made = [self.graph.op("ReverseSequence", *inputs, self.lengths.each, **_AXES)]
            case operation:
                made = [author(operation, self.graph, self.precision, *inputs)]
        self.values.update(zip(node.outputs, made, strict=False))

    def put_out(self, memory: Memory) -> None:
        """Hand a value on to the decoder."""
        value, graph = self.values[memory.value], self.graph
        if memory.layout == "sequence":
            value = graph.op("Transpose", value, perm=[1, 0, 2])
        elif memory.layout == "pieces":
            pieces = graph.integers(0, 0, memory.pieces, memory.width // memory.pieces)
            value = graph.op("Transpose", graph.op("Reshape", value, pieces), perm=[1, 2, 0, 3])
        name = graph.output(memory.name, value, self.precision.real, memory.shape)
        if memory.layout == "vector":
            self.values[memory.value] = name

    def put_out_state(self, number: int, state: State) -> None:
        """Hand a state on to the decoder."""
        graph = self.graph
        if state.first is None:
            value = cells.zeros(graph, self.precision, self.lengths.each, state.width)
        else:
            value = self.values[state.first]
        shape = ("sentences", state.width)
        name = graph.output(f"state.{number}", value, self.precision.real, shape)
        if state.first is not None:
            self.values[state.first] = name


def _lengths(graph: GraphBuilder, precision: Precision, ids: str, each: str) -> cells.Lengths:
    places = graph.constant(np.arange(LONGEST)[:, None])
    source = graph.op("Shape", ids, start=1, end=2)
    places = graph.op("Slice", places, graph.integers(0), source)  # [source, 1]
    inside = graph.op("Cast", graph.op("Less", places, each), to=precision.real)
    return cells.Lengths(each, graph.op("Unsqueeze", inside, graph.integers(2)))
