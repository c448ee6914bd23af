"""Recurrent cells: over a whole source, and for one step of the decoder.

Sequences are laid out [source, sentences, width], as the operators LSTM and GRU and Scan want them.
A cell sees a sentence's own tokens and nothing behind them, so that padding changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from model_export.graph.builder import FLOAT, INT32, GraphBuilder
from model_export.graph.functions import activate
from model_export.graph.precision import Precision
from model_export.recurrent_spec import Cell
from model_export.spec import Array, Linear

ONNX_GATES = {"lstm": (0, 2, 1, 3), "gru": (0, 1, 2)}
"""Which of our gates come first, second, … in the operators: i, o, f, g and z, r, n."""


Product = Callable[[str, Linear], str]
"""x @ weight + bias."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the sentences of a batch are."""

    each: str
    """[sentences] int64."""
    inside: str
    """[source, sentences, 1] of the precision's type: 1 for a token, 0 behind a sentence's end."""


def run(
    graph: GraphBuilder, precision: Precision, cell: Cell, lengths: Lengths, inputs: list[str]
) -> list[str]:
    """h of every step, [source, sentences, units], and the last state, [sentences, units] each.

    inputs: the sequence, then the first state, zeros if there is none.
    """
    if precision.recurrence(graph, cell.recurrent.weight) and _is_standard(cell):
        return _operator(graph, precision, cell, lengths, inputs)
    return _scan(graph, precision, cell, lengths, inputs)


def advance(
    graph: GraphBuilder, precision: Precision, cell: Cell, x: str, state: list[str]
) -> list[str]:
    """The new state, [rows, units] each; x: [rows, inputs]."""
    if cell.kind == "lstm":
        together = Linear(
            np.concatenate([cell.input.weight, cell.recurrent.weight]),
            cell.input.bias + cell.recurrent.bias,
        )
        joined = graph.op("Concat", x, state[0], axis=-1)
        return _lstm(graph, precision, cell, precision.product(graph, joined, together), state[1])
    product = partial(precision.product, graph)
    return _gru(graph, precision, product, cell, product(x, cell.input), state[0])


def _is_standard(cell: Cell) -> bool:
    return cell.function == "tanh" and cell.gates == "sigmoid"


def _operator(
    graph: GraphBuilder, precision: Precision, cell: Cell, lengths: Lengths, inputs: list[str]
) -> list[str]:
    x, *state = inputs
    weights = [
        graph.op("Unsqueeze", precision.recurrence(graph, _gates(cell, weight)), graph.integers(0))
        for weight in (cell.input.weight, cell.recurrent.weight)
    ]
    biases = [_gates(cell, linear.bias) for linear in (cell.input, cell.recurrent)]
    bias = graph.constant(np.concatenate(biases)[None])
    each = graph.op("Cast", lengths.each, to=INT32)
    first = [graph.op("Unsqueeze", one, graph.integers(0)) for one in state]
    attributes: dict[str, Any] = {"hidden_size": cell.units}
    if cell.kind == "gru":
        attributes["linear_before_reset"] = int(cell.reset_after)
    outputs = graph.ops(
        cell.kind.upper(),
        *[x, *weights, bias, each, *first],
        outputs=3 if cell.kind == "lstm" else 2,
        **attributes,
    )
    # y: [source, 1, sentences, units]; the last state: [1, sentences, units]
    axes = [graph.integers(1)] + [graph.integers(0)] * (len(outputs) - 1)
    return [graph.op("Squeeze", one, axis) for one, axis in zip(outputs, axes, strict=True)]


def _gates(cell: Cell, array: Array) -> Array:
    """[inputs, gates * units] → [gates * units, inputs] in the operators' order of gates."""
    parts = np.split(array, len(ONNX_GATES[cell.kind]), axis=-1)
    ordered = [parts[gate] for gate in ONNX_GATES[cell.kind]]
    return np.ascontiguousarray(np.concatenate(ordered, axis=-1).T)


def _scan(
    graph: GraphBuilder, precision: Precision, cell: Cell, lengths: Lengths, inputs: list[str]
) -> list[str]:
    x, *state = inputs
    count = 2 if cell.kind == "lstm" else 1
    state = state or [zeros(graph, precision, lengths.each, cell.units)] * count
    prepared = precision.product(graph, x, cell.input)  # [source, sentences, gates * units]
    body = graph.scan_body(precision.real, [cell.units] * count, [cell.input.bias.size, 1])
    *before, gates, inside = body.fed
    after = _continue(body.graph, precision, cell, gates, before)
    kept = [_keep(body.graph, inside, new, old) for new, old in zip(after, before, strict=True)]
    *last, outputs = graph.scan(body, [*state, prepared, lengths.inside], [*kept, kept[0]])
    return [outputs, *last]


def _continue(
    graph: GraphBuilder, precision: Precision, cell: Cell, gates: str, state: list[str]
) -> list[str]:
    """The new state; gates: x @ input, with its bias."""
    product = partial(_exact_product, graph, precision)
    if cell.kind == "gru":
        return _gru(graph, precision, product, cell, gates, state[0])
    recurrent = product(state[0], cell.recurrent)
    return _lstm(graph, precision, cell, graph.op("Add", gates, recurrent), state[1])


def _exact_product(graph: GraphBuilder, precision: Precision, x: str, linear: Linear) -> str:
    """x @ weight + bias, in float32 also where products are in 8 bits: as in the operators."""
    stored = precision.recurrence(graph, np.ascontiguousarray(linear.weight.T))
    if not stored:
        return precision.product(graph, x, linear)
    product = graph.op("MatMul", x, graph.op("Transpose", stored, perm=[1, 0]))
    return graph.op("Add", product, graph.constant(linear.bias))


def _keep(graph: GraphBuilder, inside: str, new: str, old: str) -> str:
    """The new state where the sentence has a token, otherwise the old one, both exactly."""
    zero = graph.constant(np.array(0, np.float32))
    seen = graph.op("Less", zero, graph.op("Cast", inside, to=FLOAT))
    return graph.op("Where", seen, new, old)


def zeros(graph: GraphBuilder, precision: Precision, lengths: str, width: int) -> str:
    """[sentences, width]; lengths: [sentences]."""
    column = graph.op("Unsqueeze", lengths, graph.integers(1))
    row = precision.constant(graph, np.zeros((1, width), np.float32))
    return graph.op("Expand", row, graph.op("Shape", column))


def _lstm(graph: GraphBuilder, precision: Precision, cell: Cell, sums: str, c: str) -> list[str]:
    """sums: [rows, 4 * units], what the gates are functions of."""
    units = cell.units
    gates, g = graph.ops("Split", sums, graph.integers(3 * units, units), outputs=2, axis=-1)
    gates, g = (
        activate(graph, precision, gates, cell.gates),
        activate(graph, precision, g, cell.function),
    )
    i, f, o = graph.ops("Split", gates, graph.integers(*[units] * 3), outputs=3, axis=-1)
    c = graph.op("Add", graph.op("Mul", f, c), graph.op("Mul", i, g))
    return [graph.op("Mul", o, activate(graph, precision, c, cell.function)), c]


def _gru(
    graph: GraphBuilder, precision: Precision, product: Product, cell: Cell, x: str, h: str
) -> list[str]:
    """x: [rows, 3 * units], x @ input with its bias."""
    units = cell.units
    sizes = graph.integers(2 * units, units)
    x_gates, x_n = graph.ops("Split", x, sizes, outputs=2, axis=-1)
    if cell.reset_after:
        recurrent = product(h, cell.recurrent)
        h_gates, h_n = graph.ops("Split", recurrent, sizes, outputs=2, axis=-1)
    else:
        h_gates = product(h, _columns(cell.recurrent, 0, 2 * units))
    gates = activate(graph, precision, graph.op("Add", x_gates, h_gates), cell.gates)
    z, r = graph.ops("Split", gates, graph.integers(units, units), outputs=2, axis=-1)
    if cell.reset_after:
        from_h = graph.op("Mul", r, h_n)
    else:
        last = _columns(cell.recurrent, 2 * units, 3 * units)
        from_h = product(graph.op("Mul", r, h), last)
    n = activate(graph, precision, graph.op("Add", x_n, from_h), cell.function)
    return [graph.op("Add", n, graph.op("Mul", z, graph.op("Sub", h, n)))]


def _columns(linear: Linear, first: int, end: int) -> Linear:
    return Linear(np.ascontiguousarray(linear.weight[:, first:end]), linear.bias[first:end])
