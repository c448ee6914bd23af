"""What LSTM, GRU and Bidirectional of Keras mean here."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from model_export.recurrent_spec import (
    Advance,
    Cell,
    Function,
    Join,
    Merge,
    Node,
    Reverse,
    Run,
    State,
)
from model_export.sources.keras.wiring import Meaning, Step, Wiring
from model_export.spec import Array, Linear

Meanings = list[Meaning | None]

KINDS: dict[str, Literal["lstm", "gru"]] = {"LSTM": "lstm", "GRU": "gru"}
MERGES: dict[str, Join | Merge] = {
    "concat": Join(),
    "sum": Merge("sum"),
    "mul": Merge("product"),
    "ave": Merge("mean"),
}


def recurrent(wiring: Wiring, step: Step) -> Meanings:
    """LSTM or GRU."""
    kind, config = KINDS[step.layer.kind], step.layer.config
    if problem := _problem(config, step.inputs, kind):
        return wiring.complain(step, problem)
    cell = _cell(wiring, step, kind, config, "cell/")
    if step.inputs[0].side == "source":
        names = [one.name for one in step.inputs]
        found = _run(wiring, step.name, cell, names, backwards=config.get("go_backwards", False))
        return _results(config, found, cell.units)
    return _advance(wiring, step, cell)


def bidirectional(wiring: Wiring, step: Step) -> Meanings:
    """A layer that reads a source in both directions."""
    config = step.layer.config
    parts = [config["layer"], config["backward_layer"]]
    merge, kind = MERGES.get(config["merge_mode"]), KINDS.get(parts[0]["class_name"])
    if merge is None or kind is None:
        return wiring.complain(step, "must be of LSTM or GRU and merge its directions into one.")
    if step.side != "source":
        return wiring.complain(step, "reads the target backwards, which is not known yet.")
    for part in parts:
        if problem := _problem(part["config"], [step.inputs[0]], kind):
            return wiring.complain(step, problem)
    x, *first = (one.name for one in step.inputs)
    half = len(first) // 2
    results = []
    for place, (part, states) in enumerate(zip(parts, (first[:half], first[half:]), strict=True)):
        inside = ("forward_layer/cell/", "backward_layer/cell/")[place]
        cell = _cell(wiring, step, kind, part["config"], inside)
        name, backwards = f"{step.name}#{place}", part["config"].get("go_backwards", place == 1)
        found = _run(wiring, name, cell, [x, *states], backwards=backwards)
        if backwards:
            wiring.add("source", Reverse(), [found[0]], f"{name}#back")
            found[0] = f"{name}#back"
        results.append(found)
    return _merged(wiring, step, merge, results)


def _merged(wiring: Wiring, step: Step, merge: Join | Merge, results: list[list[str]]) -> Meanings:
    """Outputs: the merged ones, then the forward and the backward states."""
    config = step.layer.config["layer"]["config"]
    units, sequence = config["units"], config["return_sequences"]
    outputs = [one[0] if sequence else one[1] for one in results]
    wiring.add("source", merge, outputs, step.name)
    width = 2 * units if isinstance(merge, Join) else units
    merged = Meaning(step.name, width, sequence, "source")
    return [merged, *(_vector(name, units) for one in results for name in one[1:])]


def _problem(config: dict[str, Any], inputs: list[Meaning], kind: str) -> str | None:
    states = 2 if kind == "lstm" else 1
    checks = {
        "is stateful.": config.get("stateful"),
        "is given token ids; an Embedding or one-hot vectors must come before.": (
            not inputs[0].width
        ),
        "is not given a sequence.": not inputs[0].sequence,
        f"must be given {states} first state(s) of {config['units']}, not "
        f"{[one.width for one in inputs[1:]]}.": (
            [one.width for one in inputs[1:]] not in ([], [config["units"]] * states)
        ),
    }
    return next((problem for problem, found in checks.items() if found), None)


def _cell(
    wiring: Wiring, step: Step, kind: Literal["lstm", "gru"], config: dict[str, Any], inside: str
) -> Cell:
    units, gates = config["units"], 4 if kind == "lstm" else 3
    after = kind == "gru" and config.get("reset_after", True)
    shapes: list[tuple[int, ...]] = [
        (step.inputs[0].width, gates * units),
        (units, gates * units),
    ]
    if config.get("use_bias", True):
        shapes.append((2, gates * units) if after else (gates * units,))
    kernel, recurrent, *bias = wiring.weights.take(step.layer.name, inside, shapes)
    biases = np.zeros((2, gates * units), np.float32)
    if bias:
        biases[: 2 if after else 1] = bias[0]
    parts = [_ours(kind, part) for part in (kernel, biases[0], recurrent, biases[1])]
    return Cell(
        kind,
        Linear(parts[0], parts[1]),
        Linear(parts[2], parts[3]),
        _function(wiring, step, config, "activation"),
        _function(wiring, step, config, "recurrent_activation"),
        after or kind == "lstm",
    )


def _ours(kind: str, array: Array) -> Array:
    """Keras orders the gates of an LSTM i, f, g, o."""
    if kind == "gru":
        return array
    i, f, g, o = np.split(array, 4, axis=-1)
    return np.concatenate([i, f, o, g], axis=-1)


def _function(wiring: Wiring, step: Step, config: dict[str, Any], name: str) -> Function:
    found = config.get(name)
    found = {"swish": "silu", None: "linear"}.get(found, found)
    for function in get_args(Function):
        if function == found and function != "softmax":
            known: Function = function
            return known
    wiring.complain(step, f"has the {name} {config.get(name)!r}, which is not supported.")
    return "tanh"


def _run(wiring: Wiring, name: str, cell: Cell, inputs: list[str], *, backwards: bool) -> list[str]:
    """The names of the sequence of outputs, in the order of the steps, and of the last state."""
    if backwards:
        wiring.add("source", Reverse(), inputs[:1], f"{name}#reversed")
        inputs = [f"{name}#reversed", *inputs[1:]]
    outputs = [f"{name}#steps", f"{name}#h", f"{name}#c"][: 3 if cell.kind == "lstm" else 2]
    wiring.encoder.append(Node(Run(cell), tuple(inputs), tuple(outputs)))
    return outputs


def _results(config: dict[str, Any], found: list[str], units: int) -> Meanings:
    steps, *states = found
    sequence = config.get("return_sequences", False)
    output = Meaning(steps if sequence else states[0], units, sequence, "source")
    return [output, *(_vector(name, units) for name in states)]


def _advance(wiring: Wiring, step: Step, cell: Cell) -> Meanings:
    """A recurrent layer of the decoder: its state is what a step leaves to the next."""
    config, (x, *first) = step.layer.config, step.inputs
    if config.get("go_backwards") or not config.get("return_sequences"):
        return wiring.complain(step, "must read the target forwards and give all its outputs.")
    if any(one.side != "source" or one.sequence for one in first):
        return wiring.complain(step, "must begin with vectors of the source, or with zeros.")
    letters = "hc" if cell.kind == "lstm" else "h"
    before = [f"{step.name}#before_{letter}" for letter in letters]
    after = [f"{step.name}#{letter}" for letter in letters]
    wiring.add("target", Advance(cell), [x.name, *before], *after)
    for place, names in enumerate(zip(before, after, strict=True)):
        start = first[place].name if first else None
        wiring.states.append(State(names[0], cell.units, start, names[1]))
    return [Meaning(after[0], cell.units, True, "target"), *[None] * len(letters)]


def _vector(name: str, width: int) -> Meaning:
    return Meaning(name, width, False, "source")
