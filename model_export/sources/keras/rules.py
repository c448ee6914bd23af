"""What each layer of Keras means here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np

from model_export.recurrent_spec import (
    Activate,
    Affine,
    Attend,
    Dense,
    Embed,
    Function,
    Join,
    Merge,
    Norm,
)
from model_export.sources.keras.recurrent_rules import bidirectional, recurrent
from model_export.sources.keras.text_rules import string_lookup, text_vectorization
from model_export.sources.keras.wiring import Meaning, Rule, Step, Wiring
from model_export.spec import Array, LayerNorm, Linear

Meanings = list[Meaning | None]


def function_of(wiring: Wiring, step: Step, config: dict[str, Any]) -> Function:
    """The activation function of a layer."""
    found = config.get("activation") or "linear"
    if isinstance(found, dict):
        found = found.get("config")
    found = {"swish": "silu"}.get(found, found) if isinstance(found, str) else None
    for function in get_args(Function):
        if function == found:
            known: Function = function
            return known
    wiring.complain(
        step,
        f"has the activation {config.get('activation')!r}; supported: "
        f"{', '.join(get_args(Function))}.",
    )
    return "linear"


def _embedding(wiring: Wiring, step: Step) -> Meanings:
    config, (ids,) = step.layer.config, step.inputs
    if ids.width:
        return wiring.complain(step, "is not given token ids.")
    shape = (config["input_dim"], config["output_dim"])
    (table,) = wiring.weights.take(step.layer.name, "", [shape])
    if wiring.vocabularies.setdefault(ids.side, shape[0]) != shape[0]:
        return wiring.complain(step, f"has another input_dim than {wiring.vocabularies[ids.side]}.")
    if config.get("mask_zero"):
        wiring.masked.add(ids.side)
    return wiring.simple(step, Embed(table), shape[1])


def dense_weights(wiring: Wiring, step: Step, config: dict[str, Any], inside: str) -> Linear:
    """kernel and bias of a Dense layer."""
    units = config["units"]
    shapes: list[tuple[int, ...]] = [(step.inputs[0].width, units)]
    if config.get("use_bias", True):
        shapes.append((units,))
    kernel, *bias = wiring.weights.take(step.layer.name, inside, shapes)
    return Linear(kernel, bias[0] if bias else np.zeros(units, np.float32))


def _dense(wiring: Wiring, step: Step) -> Meanings:
    return _dense_of(wiring, step, step.layer.config, "")


def _dense_of(wiring: Wiring, step: Step, config: dict[str, Any], inside: str) -> Meanings:
    if not step.inputs[0].width:
        return wiring.complain(step, "is given token ids.")
    linear = dense_weights(wiring, step, config, inside)
    operation = Dense(linear, function_of(wiring, step, config))
    return wiring.simple(step, operation, config["units"])


def _time_distributed(wiring: Wiring, step: Step) -> Meanings:
    inner = step.layer.config["layer"]
    if inner.get("class_name") == "Dense":
        return _dense_of(wiring, step, inner["config"], "layer/")
    if inner.get("class_name") == "Dropout":
        return _same(wiring, step)
    return wiring.complain(step, f"around {inner.get('class_name')}; supported: Dense, Dropout.")


def _same(wiring: Wiring, step: Step) -> Meanings:
    """What does something in training only."""
    return [step.inputs[0]]


def _activation(wiring: Wiring, step: Step) -> Meanings:
    return _activate(wiring, step, function_of(wiring, step, step.layer.config))


def _activate(wiring: Wiring, step: Step, function: Function) -> Meanings:
    (given,) = step.inputs
    if given.scores is not None:
        if function != "softmax":
            return wiring.complain(step, "is between attention's two products and is no softmax.")
        return [given._replace(shares=True)]
    return wiring.simple(step, Activate(function), given.width)


def _of_function(function: Function, **expected: Any) -> Rule:
    """A layer that is an activation function if it was told what is expected."""

    def rule(wiring: Wiring, step: Step) -> Meanings:
        for name, values in expected.items():
            if step.layer.config.get(name) not in values:
                found = step.layer.config.get(name)
                return wiring.complain(step, f"has {name} {found!r}; supported: {values[0]!r}.")
        return _activate(wiring, step, function)

    return rule


def _concatenate(wiring: Wiring, step: Step) -> Meanings:
    axis = step.layer.config.get("axis", -1)
    if axis not in (-1, 2 if any(one.sequence for one in step.inputs) else 1):
        return wiring.complain(step, f"along axis {axis}; supported: the last one.")
    if not _element_by_element(step):
        return wiring.complain(step, "joins values that do not belong to the same tokens.")
    return wiring.simple(step, Join(), sum(one.width for one in step.inputs))


def _merge(how: Any) -> Rule:
    def rule(wiring: Wiring, step: Step) -> Meanings:
        alike = len({one.width for one in step.inputs}) == 1 and len(step.inputs) > 1
        if not alike or not _element_by_element(step):
            return wiring.complain(step, "merges values that are not alike.")
        return wiring.simple(step, Merge(how), step.inputs[0].width)

    return rule


def _element_by_element(step: Step) -> bool:
    """All are sequences of the same side, or all are vectors of the source."""
    others = [one for one in step.call.arguments if isinstance(one, (int, float))]
    kinds = {(one.side, one.sequence) for one in step.inputs}
    ids = any(not one.width for one in step.inputs)
    return len(kinds) == 1 and not others and not ids


def _repeat(wiring: Wiring, step: Step) -> Meanings:
    """A vector of the source that goes with every target token."""
    given = step.inputs[0]
    if given.sequence or given.side != "source":
        return wiring.complain(step, "does not repeat a vector of the source.")
    return [given._replace(sequence=True, side="target")]


def _layer_norm(wiring: Wiring, step: Step) -> Meanings:
    config, width = step.layer.config, step.inputs[0].width
    axis = config.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    if axes not in ([-1], [2 if step.inputs[0].sequence else 1]) or config.get("rms_scaling"):
        return wiring.complain(step, "must be over the last axis, with the mean taken off.")
    scale, offset = _scale_and_offset(wiring, step, config, [])[:2]
    return wiring.simple(step, Norm(LayerNorm(scale, offset, config["epsilon"])), width)


def _batch_norm(wiring: Wiring, step: Step) -> Meanings:
    config, width = step.layer.config, step.inputs[0].width
    if config.get("axis", -1) not in (-1, 2 if step.inputs[0].sequence else 1):
        return wiring.complain(step, "must be over the last axis.")
    scale, offset, mean, variance = _scale_and_offset(wiring, step, config, [(width,)] * 2)
    scale = (scale / np.sqrt(np.abs(variance) + config["epsilon"])).astype(np.float32)
    return wiring.simple(step, Affine(scale, offset - mean * scale), width)


def _scale_and_offset(
    wiring: Wiring, step: Step, config: dict[str, Any], others: list[tuple[int, ...]]
) -> list[Array]:
    """gamma and beta, which a layer may lack, and its other variables."""
    width = step.inputs[0].width
    has = [config.get("scale", True), config.get("center", True)]
    shapes: list[tuple[int, ...]] = [(width,)] * sum(has)
    found = wiring.weights.take(step.layer.name, "", shapes + others)
    scale = found.pop(0) if has[0] else np.ones(width, np.float32)
    offset = found.pop(0) if has[1] else np.zeros(width, np.float32)
    return [scale, offset, *found]


def _additive_attention(wiring: Wiring, step: Step) -> Meanings:
    width = step.inputs[0].width
    scale = np.ones(width, np.float32)
    if step.layer.config.get("use_scale", True):
        (scale,) = wiring.weights.take(step.layer.name, "", [(width,)])
    return _attend(wiring, step, Attend("additive", scale=scale))


def _attention(wiring: Wiring, step: Step) -> Meanings:
    config = step.layer.config
    if config.get("score_mode", "dot") != "dot":
        return wiring.complain(step, f"has score_mode {config['score_mode']!r}; supported: 'dot'.")
    factor = 1.0
    if config.get("use_scale"):
        (scale,) = wiring.weights.take(step.layer.name, "", [()])
        factor = float(scale)
    return _attend(wiring, step, Attend("dot", factor=factor))


def _attend(wiring: Wiring, step: Step, attend: Attend) -> Meanings:
    """Keras gives query, value and, unless it is the value, key."""
    query, value, key = (*step.inputs, step.inputs[-1])[:3]
    if query.side != "target" or any(
        one.side != "source" or not one.sequence for one in (value, key)
    ):
        return wiring.complain(step, "must ask with the target for the source's tokens.")
    if query.width != key.width:
        return wiring.complain(step, f"has queries of {query.width} and keys of {key.width}.")
    if step.call.named.get("use_causal_mask"):
        return wiring.complain(step, "has a causal mask, which is for the target's own tokens.")
    wiring.add("target", attend, [query.name, key.name, value.name], step.name)
    return [Meaning(step.name, value.width, True, "target"), None]


def _dot(wiring: Wiring, step: Step) -> Meanings:
    """The two products of attention that is written out."""
    first, second = step.inputs
    axes = step.layer.config.get("axes")
    axes = [axes, axes] if isinstance(axes, int) else axes
    if step.layer.config.get("normalize") or not second.sequence or second.side != "source":
        return wiring.complain(step, "is no product of attention: the target's, then the source's.")
    if first.shares and axes in ([2, 1], [-1, 1]):
        assert first.scores is not None
        query, key = first.scores
        names = [query.name, key.name, second.name]
        wiring.add("target", Attend("dot"), names, step.name)
        return [Meaning(step.name, second.width, True, "target")]
    if first.side == "target" and not first.scores and axes in ([2, 2], [-1, -1]):
        return [Meaning(step.name, 1, True, "target", scores=(first, second))]
    return wiring.complain(step, f"along axes {axes}, which is no product of attention.")


_IN_TRAINING_ONLY = (
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "Masking",
    "SpatialDropout1D",
)

RULES: dict[str, Callable[[Wiring, Step], Meanings]] = {
    **dict.fromkeys(_IN_TRAINING_ONLY, _same),
    "Activation": _activation,
    "Add": _merge("sum"),
    "AdditiveAttention": _additive_attention,
    "Attention": _attention,
    "Average": _merge("mean"),
    "BatchNormalization": _batch_norm,
    "Bidirectional": bidirectional,
    "Concatenate": _concatenate,
    "Dense": _dense,
    "Dot": _dot,
    "ELU": _of_function("elu", alpha=(1.0, 1)),
    "Embedding": _embedding,
    "GRU": recurrent,
    "LSTM": recurrent,
    "LayerNormalization": _layer_norm,
    "Multiply": _merge("product"),
    "ReLU": _of_function("relu", max_value=(None,), negative_slope=(0, 0.0), threshold=(0, 0.0)),
    "RepeatVector": _repeat,
    "StringLookup": string_lookup,
    "Softmax": _of_function("softmax", axis=(-1,)),
    "TextVectorization": text_vectorization,
    "TimeDistributed": _time_distributed,
}
