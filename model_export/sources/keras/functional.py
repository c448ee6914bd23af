"""The layers of a functional Keras model, and what each call of them was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from model_export.errors import UnsupportedCheckpoint


class Tensor(NamedTuple):
    """A result of a layer's call."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True, slots=True)
class Call:
    """What a layer was given. Tensors stand where Keras' tensors were."""

    arguments: list[Any]
    named: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer, or an operation."""

    name: str
    kind: str
    """Its class."""
    is_keras: bool
    """Whether the class is Keras' own."""
    config: dict[str, Any]
    calls: list[Call]


@dataclass(frozen=True, slots=True)
class Model:
    """A functional model."""

    layers: dict[str, Layer]
    """By name, in the model's order."""
    inputs: list[Tensor]
    outputs: list[Tensor]
    shapes: dict[Tensor, tuple[int | None, ...]]
    """Without the batch, of every tensor that some layer was given."""


def parse(content: dict[str, Any]) -> Model:
    """Read config.json.

    Raises:
        UnsupportedCheckpoint: it is no functional model.
    """
    kind = content.get("class_name")
    if kind != "Functional" and not _is_functional(content):
        hint = (
            "an encoder-decoder has two inputs, which keras.Sequential can't have"
            if kind == "Sequential"
            else "its wiring is code, which is not in the file"
        )
        raise UnsupportedCheckpoint(
            [f"The model is a {kind}, no functional model (keras.Model(inputs, outputs)): {hint}."]
        )
    config = content["config"]
    try:
        shapes: dict[Tensor, tuple[int | None, ...]] = {}
        layers = {one["name"]: _layer(one, shapes) for one in config["layers"]}
        inputs, outputs = _tensors(config["input_layers"]), _tensors(config["output_layers"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UnsupportedCheckpoint(
            [f"config.json is not as Keras 3 writes it: {error!r}."]
        ) from error
    return Model(layers, inputs, outputs, shapes)


def _is_functional(content: dict[str, Any]) -> bool:
    """Also keras.Model's own subclasses that keep their wiring."""
    config = content.get("config")
    return isinstance(config, dict) and {"layers", "input_layers", "output_layers"} <= set(config)


def _layer(content: dict[str, Any], shapes: dict[Tensor, tuple[int | None, ...]]) -> Layer:
    module = str(content.get("module") or "")
    return Layer(
        name=content["name"],
        kind=content["class_name"],
        is_keras=module == "keras" or module.startswith("keras."),
        config=content["config"],
        calls=[
            Call(
                [_value(one, shapes) for one in node["args"]],
                {name: _value(one, shapes) for name, one in node["kwargs"].items()},
            )
            for node in content["inbound_nodes"]
        ],
    )


def _value(content: Any, shapes: dict[Tensor, tuple[int | None, ...]]) -> Any:
    """A call's argument, with Tensors in the place of Keras' tensors."""
    if isinstance(content, list):
        return [_value(one, shapes) for one in content]
    if not isinstance(content, dict):
        return content
    if content.get("class_name") == "__keras_tensor__":
        tensor = Tensor(*content["config"]["keras_history"])
        shapes[tensor] = tuple(content["config"]["shape"][1:])
        return tensor
    if content.get("class_name") == "__tuple__":
        return [_value(one, shapes) for one in content["items"]]
    return content


def _tensors(content: Any) -> list[Tensor]:
    """["name", 0, 0], or a list of such."""
    if isinstance(content, dict):
        content = list(content.values())
    if content and isinstance(content[0], str):
        content = [content]
    return [Tensor(*one) for one in content]
