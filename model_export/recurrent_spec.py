"""Recurrent encoder-decoders, as a list of operations on named values.

An encoder runs over a whole source sentence; its values are sequences [source, width] and vectors
[width]. A decoder is written as a single step: from the last token, the state after the step before
and the encoder's values to the next state and a vector that is projected to logits. All of its
values are vectors. So an architecture is what a source wires together, and neither the graphs nor
the reference know any.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from model_export.spec import Array, LayerNorm, Linear

SOURCE_IDS = "source_ids"
LAST_IDS = "last_ids"
"""Names of what the encoder and the decoder begin with."""

Function = Literal[
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "leaky_relu",
    "linear",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softsign",
    "tanh",
]
"""Activation functions, as Keras 3 defines them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One step of an LSTM (Hochreiter and Schmidhuber 1997, with a forget gate) or a GRU (Cho et
    al. 2014).

    LSTM, with i, f, o = gates(x @ input + h @ recurrent) and g = function(the same):
    c' = f * c + i * g, h' = o * function(c').

    GRU, with z, r = gates(x @ input + h @ recurrent): h' = z * h + (1 - z) * n. If reset_after, n =
    function(x @ input + r * (h @ recurrent)), otherwise n = function(x @ input + (r * h) @
    recurrent).
    """

    kind: Literal["lstm", "gru"]
    input: Linear
    """[inputs, gates * units]: i, f, o, g of an LSTM; z, r, n of a GRU."""
    recurrent: Linear
    """[units, gates * units]; its bias is zero but for GRUs with reset_after."""
    function: Function = "tanh"
    gates: Function = "sigmoid"
    reset_after: bool = True

    @property
    def units(self) -> int:
        return len(self.recurrent.weight)


@dataclass(frozen=True, slots=True)
class Embed:
    """ids → rows of the table, [vocabulary, width]."""

    table: Array


@dataclass(frozen=True, slots=True)
class OneHot:
    """ids → 1 in the id's place and 0 elsewhere."""

    depth: int


@dataclass(frozen=True, slots=True)
class Dense:
    """function(x @ weight + bias)."""

    linear: Linear
    function: Function = "linear"


@dataclass(frozen=True, slots=True)
class Activate:
    """function(x)."""

    function: Function


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer norm over the last axis."""

    norm: LayerNorm


@dataclass(frozen=True, slots=True)
class Affine:
    """x * scale + offset, both (width,); batch norm after training."""

    scale: Array
    offset: Array


@dataclass(frozen=True, slots=True)
class Join:
    """One value after the other along the last axis."""


@dataclass(frozen=True, slots=True)
class Merge:
    """Values of equal width, element by element."""

    how: Literal["sum", "product", "mean"]


@dataclass(frozen=True, slots=True)
class Reverse:
    """A sequence from its end to its beginning."""


@dataclass(frozen=True, slots=True)
class Run:
    """The cell over a sequence.

    Inputs: the sequence, then the first state (h, and c of an LSTM) or nothing for zeros. Outputs:
    h of every step, then the last state.
    """

    cell: Cell


@dataclass(frozen=True, slots=True)
class Advance:
    """The cell for one step. Inputs: x, then the state; outputs: the new state."""

    cell: Cell


@dataclass(frozen=True, slots=True)
class Attend:
    """The mean of the values, weighted by softmax of the scores over the source.

    Inputs: query, then a sequence of keys and one of values, both of the encoder. Scores are
    additive, tanh(query + key) @ scale (Bahdanau et al. 2015), or dot, query @ key * factor (Luong
    et al. 2015).
    """

    score: Literal["additive", "dot"]
    scale: Array | None = None
    """(width,), of additive attention."""
    factor: float = 1.0


Operation = (
    Embed
    | OneHot
    | Dense
    | Activate
    | Norm
    | Affine
    | Join
    | Merge
    | Reverse
    | Run
    | Advance
    | Attend
)


@dataclass(frozen=True, slots=True)
class Node:
    """An operation on values, and the names of what it gives."""

    operation: Operation
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What a step of the decoder leaves to the next one."""

    name: str
    """Of the value that the step before left."""
    width: int
    first: str | None
    """The encoder's vector that it is at first; zeros if None."""
    following: str
    """The decoder's value that it is for the next step."""


class Value(NamedTuple):
    """What is known of a value."""

    width: int
    sequence: bool


@dataclass(frozen=True, slots=True)
class RecurrentNetwork:
    """A recurrent encoder-decoder."""

    source_vocabulary: int
    encoder: tuple[Node, ...]
    decoder: tuple[Node, ...]
    """May use every value of the encoder: vectors as they are, sequences in Attend only."""
    states: tuple[State, ...]
    output: str
    """The decoder's value that is projected to logits."""
    projection: Linear
    """[width, vocabulary]; a bias of -inf means that the token is never generated."""

    def never(self, tokens: Collection[int]) -> RecurrentNetwork:
        """The same without these tokens, which get no share of the probabilities."""
        bias = self.projection.bias.copy()
        bias[list(tokens)] = -np.inf
        return replace(self, projection=replace(self.projection, bias=bias))

    @property
    def attention(self) -> Node | None:
        """The last attention, which is the one that is shown."""
        found = [node for node in self.decoder if isinstance(node.operation, Attend)]
        return found[-1] if found else None

    def summary(self) -> str:
        """Its layers in a line, for people."""
        halves = {"encoder": self.encoder, "decoder": self.decoder}
        layers = "; ".join(
            f"{name}: {', '.join(_named(node.operation) for node in nodes if _matters(node))}"
            for name, nodes in halves.items()
        )
        return f"{layers}, {self.projection.bias.size} tokens"

    def values(self) -> dict[str, Value]:
        """All values of both halves by name.

        Raises:
            ValueError: an operation does not fit what it is given.
        """
        known: dict[str, Value] = {}
        for node in self.encoder:
            _add(known, node)
        known |= {state.name: Value(state.width, False) for state in self.states}
        for node in self.decoder:
            _add(known, node)
        for state in self.states:
            for name in (state.first, state.following):
                if name is not None and known[name] != (state.width, False):
                    raise ValueError(f"the state {state.name} of {state.width} can't be {name}")
        return known


def _matters(node: Node) -> bool:
    return not isinstance(node.operation, (Join, Merge, Reverse, Activate, Affine))


def _named(operation: Operation) -> str:
    match operation:
        case Embed(table):
            return f"embedding {len(table)} × {table.shape[1]}"
        case OneHot(depth):
            return f"one-hot {depth}"
        case Run(cell) | Advance(cell):
            return f"{cell.kind.upper()} {cell.units}"
        case Attend(score):
            return f"{score} attention"
        case Dense(linear):
            return f"dense {linear.bias.size}"
    return "layer norm"


def _add(known: dict[str, Value], node: Node) -> None:
    given = [known[name] for name in node.inputs if name not in (SOURCE_IDS, LAST_IDS)]
    given = given or [Value(0, node.inputs == (SOURCE_IDS,))]
    operation = node.operation
    wanted = _wanted(operation, [value.width for value in given])
    if [value.width for value in given] != wanted:
        widths = ", ".join(str(value.width) for value in given)
        raise ValueError(f"{node.outputs[0]} takes widths {wanted}, not {widths}")
    width = _WIDTHS[type(operation)](operation, wanted)
    sequence = given[0].sequence
    known |= {
        name: Value(width, sequence and place == 0) for place, name in enumerate(node.outputs)
    }


def _wanted(operation: Operation, widths: Sequence[int]) -> list[int]:
    """Widths that an operation takes; widths: those that it is given."""
    first, *others = widths
    match operation:
        case Run(cell) | Advance(cell):
            return [len(cell.input.weight), *[cell.units] * len(others)]
        case Dense(Linear(weight)) | Norm(LayerNorm(weight)) | Affine(weight):
            return [len(weight)]
        case Merge():
            return [first] * len(widths)
        case Attend():
            return [first, first, widths[2]]
    return [first, *others]


_WIDTHS: Mapping[type, Callable[..., int]] = {
    Embed: lambda embed, widths: embed.table.shape[1],
    OneHot: lambda one_hot, widths: one_hot.depth,
    Dense: lambda dense, widths: dense.linear.bias.size,
    Activate: lambda activate, widths: widths[0],
    Norm: lambda norm, widths: widths[0],
    Affine: lambda affine, widths: widths[0],
    Join: lambda join, widths: sum(widths),
    Merge: lambda merge, widths: widths[0],
    Reverse: lambda reverse, widths: widths[0],
    Run: lambda run, widths: run.cell.units,
    Advance: lambda advance, widths: advance.cell.units,
    Attend: lambda attend, widths: widths[2],
}
