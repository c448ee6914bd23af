"""From a Keras model in training form to our network, whose decoder goes step by step.

In training the decoder sees all target tokens at once. Every layer on their side treats a token on
its own or, if it is recurrent, with the state after the token before; so the same layers are the
decoder's step, and what a recurrent layer would keep becomes a State. What looks at other target
tokens in another way can't be converted.

Values are made when somebody needs them, from the output backwards, so that layers that only make
masks are never looked at. Source sentences have no padding here, and the target's padding is never
generated; so masks change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from model_export.recurrent_spec import LAST_IDS, SOURCE_IDS, Node, OneHot, Operation, State
from model_export.sources.keras.archive import Weights
from model_export.sources.keras.functional import Call, Layer, Model, Tensor
from model_export.texts import Side
from model_export.vocabulary_files import Vocabulary


class Meaning(NamedTuple):
    """What a tensor of the Keras model is here."""

    name: str
    width: int
    sequence: bool
    """One vector for each token, of the source or of the target."""
    side: Side
    scores: tuple[Meaning, Meaning] | None = None
    """It is query @ key, or softmax of that; these are query and key."""
    shares: bool = False
    """It is softmax of scores."""


STAND_IN = "?"
"""Name of what stands for what can't be converted."""

Rule = Callable[["Wiring", "Step"], "list[Meaning | None]"]
"""What a layer's outputs mean; None for what a decoder's step does not have."""


@dataclass(frozen=True, slots=True)
class Step:
    """A call of a layer."""

    layer: Layer
    number: int
    call: Call
    inputs: list[Meaning]
    """All tensors that it was given but its masks, in order."""

    @property
    def name(self) -> str:
        return f"{self.layer.name}#{self.number}" if self.number else self.layer.name

    @property
    def side(self) -> Side:
        return "target" if any(one.side == "target" for one in self.inputs) else "source"


@dataclass(slots=True)
class Wiring:
    """The network in the making. Every fault is kept in problems, and a stand-in goes on."""

    model: Model
    weights: Weights
    rules: dict[str, Rule]
    source: Tensor
    target: Tensor
    encoder: list[Node] = field(default_factory=list)
    decoder: list[Node] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    vocabularies: dict[Side, int] = field(default_factory=dict)
    """How many tokens each side has."""
    masked: set[Side] = field(default_factory=set)
    """Sides on which token 0 is padding that is masked."""
    texts: dict[Side, Vocabulary] = field(default_factory=dict)
    """Vocabularies that the model itself holds."""
    lengths: dict[Side, int] = field(default_factory=dict)
    """How long sentences must be, where they must."""
    assets: dict[str, str] = field(default_factory=dict)
    """Text files that belong to layers."""
    _inputs: dict[Side, Meaning] = field(default_factory=dict)
    _known: dict[tuple[str, int], list[Meaning | None]] = field(default_factory=dict)

    def meaning(self, tensor: Tensor) -> Meaning:
        """What a tensor is, after the nodes that make it."""
        if tensor in (self.source, self.target):
            side: Side = "source" if tensor == self.source else "target"
            if side not in self._inputs:
                self._inputs[side] = self._input(side, self.model.layers[tensor.layer])
            return self._inputs[side]
        key = (tensor.layer, tensor.call)
        if key not in self._known:
            self._known[key] = self._called(*key)
        outputs = self._known[key]
        found = outputs[tensor.output] if tensor.output < len(outputs) else None
        if found is None:
            self._complain_once(
                f"{tensor.layer}: its output {tensor.output} is used, which one step of a decoder "
                "does not have."
            )
            return self._stand_in(tensor)
        return found

    def complain(self, step: Step, problem: str) -> list[Meaning | None]:
        """Note what can't be converted; returns stand-ins for the layer's outputs."""
        if all(one.name != STAND_IN for one in step.inputs):
            self._complain_once(f"{step.layer.name} ({step.layer.kind}) {problem}")
        return [self._stand_in(Tensor(step.layer.name, step.number, place)) for place in range(5)]

    def add(self, side: Side, operation: Operation, inputs: Sequence[str], *outputs: str) -> None:
        """Append a node."""
        nodes = self.encoder if side == "source" else self.decoder
        nodes.append(Node(operation, tuple(inputs), outputs))

    def simple(self, step: Step, operation: Operation, width: int) -> list[Meaning | None]:
        """A node with one output, which is a sequence if its first input is."""
        self.add(step.side, operation, [one.name for one in step.inputs], step.name)
        sequence = any(one.sequence for one in step.inputs)
        return [Meaning(step.name, width, sequence, step.side)]

    def _called(self, name: str, number: int) -> list[Meaning | None]:
        layer = self.model.layers[name]
        call = layer.calls[number]
        given = [call.arguments, *(one for key, one in call.named.items() if key != "mask")]
        tensors = _tensors(given)
        step = Step(layer, number, call, [self.meaning(one) for one in tensors])
        rule = self.rules.get(layer.kind) if layer.is_keras else None
        if rule is None:
            return self.complain(step, _unknown(layer, sorted(self.rules)))
        return rule(self, step)

    def _input(self, side: Side, layer: Layer) -> Meaning:
        """Token ids, or one-hot vectors if they were given to the model so."""
        shape = layer.config["batch_shape"][1:]
        if shape and isinstance(shape[0], int):
            self.lengths[side] = shape[0]
        ids = SOURCE_IDS if side == "source" else LAST_IDS
        depth = shape[-1] if len(shape) == 2 else 0
        if depth is None or len(shape) > 2:
            self._complain_once(
                f"{layer.name} takes [batch, {', '.join(map(str, shape))}]; supported: token ids "
                "[batch, length] and one-hot vectors [batch, length, tokens]."
            )
            return Meaning(STAND_IN, 1, True, side)
        if not depth:
            return Meaning(ids, 0, True, side)
        self.add(side, OneHot(depth), [ids], layer.name)
        self.vocabularies[side] = depth
        return Meaning(layer.name, depth, True, side)

    def _stand_in(self, tensor: Tensor) -> Meaning:
        shape = self.model.shapes.get(tensor, (None, 1))
        width = shape[-1] or 1
        return Meaning(STAND_IN, width, len(shape) > 1, "target")

    def _complain_once(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, list):
        return [one for part in value for one in _tensors(part)]
    return []


def _unknown(layer: Layer, known: Sequence[str]) -> str:
    if layer.kind == "Lambda":
        return "holds code, which is never run."
    if "layers" in layer.config and layer.is_keras:
        return "is a model inside of the model; build it from its layers instead."
    if not layer.is_keras:
        return "is a layer of your own, whose code is not in the file."
    return f"is not supported; supported: {', '.join(known)}."
