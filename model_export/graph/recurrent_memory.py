"""What a recurrent network's encoder hands on to each step of its decoder, named in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model_export.graph.builder import Shape
from model_export.recurrent_spec import Attend, RecurrentNetwork, Value

MOST_SUMMED = 128
"""ONNX Runtime adds up longer products in blocks whose size depends on the other matrix's width,
and so on the padding. Dot products of wider keys are made of pieces."""

Layout = Literal["sequence", "pieces", "vector"]


@dataclass(frozen=True, slots=True)
class Memory:
    """An output of the encoder's graph and an input of the decoder's."""

    name: str
    value: str
    """The network's name of it."""
    layout: Layout
    width: int

    @property
    def pieces(self) -> int:
        """Fewest pieces of equal width that are not wider than MOST_SUMMED."""
        return next(
            count
            for count in range(-(-self.width // MOST_SUMMED), self.width + 1)
            if self.width % count == 0
        )

    @property
    def shape(self) -> Shape:
        match self.layout:
            case "sequence":
                return ["sentences", "source", self.width]
            case "pieces":
                return ["sentences", self.pieces, "source", self.width // self.pieces]
            case "vector":
                return ["sentences", self.width]


def memories(network: RecurrentNetwork) -> dict[tuple[str, Layout], Memory]:
    """By the network's name of the value and its layout, in the order of their first use."""
    values = network.values()
    made = {name for node in network.encoder for name in node.outputs}
    found: dict[tuple[str, Layout], Memory] = {}
    for node in network.decoder:
        for place, name in enumerate(node.inputs):
            if name in made:
                layout = _layout(values[name], node.operation, place)
                memory = Memory(f"memory.{len(found)}", name, layout, values[name].width)
                found.setdefault((name, layout), memory)
    return found


def _layout(value: Value, operation: object, place: int) -> Layout:
    if not value.sequence:
        return "vector"
    dot = isinstance(operation, Attend) and operation.score == "dot"
    return "pieces" if dot and place == 1 else "sequence"
