"""A Keras model as a RecurrentNetwork."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from model_export.errors import UnsupportedCheckpoint
from model_export.recurrent_spec import Activate, Dense, Node, RecurrentNetwork
from model_export.sources.keras.archive import Archive
from model_export.sources.keras.functional import Layer, Model, Tensor, parse
from model_export.sources.keras.rules import RULES
from model_export.sources.keras.wiring import Wiring
from model_export.spec import Linear
from model_export.texts import Side
from model_export.vocabulary_files import Vocabulary


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds."""

    network: RecurrentNetwork
    masked: Collection[str]
    """Sides whose token 0 is padding that the model masks."""
    lengths: Mapping[Side, int]
    """How long sentences must be, where they must."""
    texts: Mapping[Side, Vocabulary]
    """Vocabularies that the model itself holds."""


def read_network(archive: Archive) -> Found:
    """Turn a model into what its decoder does in one step.

    Raises:
        UnsupportedCheckpoint: it can't be; every reason is listed.
    """
    model = parse(archive.config)
    archive.weights.place(
        [(one.name, one.kind) for one in model.layers.values() if _has_folder(one)]
    )
    source, target = _inputs(model)
    wiring = Wiring(model, archive.weights, RULES, source, target, assets=archive.texts)
    output = _output(wiring, model)
    problems = [*wiring.problems, *archive.weights.problems]
    if not problems and not wiring.states:
        problems.append("No layer of the decoder keeps a state: it is no recurrent decoder.")
    if problems:
        raise UnsupportedCheckpoint(problems)
    network = RecurrentNetwork(
        source_vocabulary=wiring.vocabularies["source"],
        encoder=tuple(wiring.encoder),
        decoder=tuple(wiring.decoder[:-1]),
        states=tuple(wiring.states),
        output=output.inputs[0],
        projection=_projection(output),
    )
    if wiring.vocabularies.get("target") != network.projection.bias.size:
        raise UnsupportedCheckpoint(
            [
                f"The decoder reads {wiring.vocabularies.get('target')} tokens and its output has "
                f"{network.projection.bias.size}; they must be as many."
            ]
        )
    return Found(network, wiring.masked, wiring.lengths, wiring.texts)


def _has_folder(layer: Layer) -> bool:
    """Operations such as not_equal have no weights; layers have a folder even if it is empty."""
    return "trainable" in layer.config or layer.kind == "InputLayer" or not layer.is_keras


def _inputs(model: Model) -> tuple[Tensor, Tensor]:
    if len(model.inputs) != 2 or len(model.outputs) != 1:
        raise UnsupportedCheckpoint(
            [
                f"The model has {len(model.inputs)} input(s) and {len(model.outputs)} output(s). "
                "What is converted is the model as it is trained: source and target tokens in, "
                "probabilities of the next target token out."
            ]
        )
    first, second = model.inputs
    return (second, first) if _begins_a_state(model, second, first) else (first, second)


def _begins_a_state(model: Model, one: Tensor, other: Tensor) -> bool:
    """Whether a recurrent layer that reads the other input begins with what was made of one."""
    for layer in model.layers.values():
        for call in layer.calls:
            states = [call.named.get("initial_state"), *call.arguments[1:]]
            if layer.kind in ("LSTM", "GRU") and any(states):
                read, begun = (_sources(model, part) for part in (call.arguments[:1], states))
                if read == {other} and one in begun:
                    return True
    return False


def _sources(model: Model, value: object) -> set[Tensor]:
    """The inputs of the model that something was made of."""
    found: set[Tensor] = set()
    waiting, seen = [value], set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, Tensor):
            if part in model.inputs:
                found.add(part)
            elif (key := (part.layer, part.call)) not in seen:
                seen.add(key)
                call = model.layers[part.layer].calls[part.call]
                waiting += [call.arguments, *call.named.values()]
        elif isinstance(part, list):
            waiting += part
    return found


def _output(wiring: Wiring, model: Model) -> Node:
    """The Dense that gives the logits, with or without a softmax behind it."""
    found = wiring.meaning(model.outputs[0])
    nodes = wiring.decoder
    if nodes and nodes[-1].operation == Activate("softmax"):
        found = found._replace(name=nodes.pop().inputs[0])
    last = nodes[-1] if nodes else None
    if (
        last is not None
        and found.name in last.outputs
        and isinstance(last.operation, Dense)
        and last.operation.function in ("linear", "softmax")
    ):
        return last
    layer = model.layers[model.outputs[0].layer]
    wiring.problems.append(
        f"{layer.name} ({layer.kind}) gives the output; supported: Dense, with softmax or without."
    )
    return Node(Dense(_nothing(), "linear"), ("?",), ("?",))


def _nothing() -> Linear:
    return Linear(np.zeros((1, 1), np.float32), np.zeros(1, np.float32))


def _projection(node: Node) -> Linear:
    assert isinstance(node.operation, Dense)
    return node.operation.linear
