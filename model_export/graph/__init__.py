"""ONNX graphs, authored operator by operator from the weights. No tracing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, singledispatch
from typing import Literal, NamedTuple

from onnx import ModelProto

from model_export.graph import decoder, encoder, recurrent_decoder, recurrent_encoder
from model_export.graph.builder import FLOAT
from model_export.graph.cuda import ForCuda
from model_export.graph.int4 import BlockInt4
from model_export.graph.precision import (
    CalibratedInt8,
    Float32,
    Observed,
    Precision,
    Range,
    RowScaledInt8,
)
from model_export.graph.weights import WeightFile, Weights
from model_export.recurrent_spec import RecurrentNetwork
from model_export.spec import Network, Transformer


class Kind(NamedTuple):
    """One way to author both graphs."""

    precision: Literal["fp32", "int8", "int4", "fp16"]
    device: Literal["cpu", "cuda"]
    """Where every operator has a kernel."""
    make: Callable[[], Precision]


VARIANTS: Mapping[str, Kind] = {
    "fp32": Kind("fp32", "cpu", Float32),
    "int8": Kind("int8", "cpu", RowScaledInt8),
    "int4": Kind("int4", "cpu", BlockInt4),
    "fp16": Kind("fp16", "cuda", ForCuda),
    "fp32-cuda": Kind("fp32", "cuda", partial(ForCuda, FLOAT)),
}
"""By the name that a model directory has for it."""

DEFAULT_VARIANTS = ("fp32", "int8")
"""What serving on a CPU needs."""


IN_GRAPH = Weights()
"""No constants go anywhere else."""


@dataclass(frozen=True, slots=True)
class Graphs:
    """The two graphs of one variant."""

    encoder: ModelProto
    decoder: ModelProto


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges of what every product of a graph is given, in the order in which they are built."""

    encoder: tuple[Range, ...]
    decoder: tuple[Range, ...]


def build(
    network: Network,
    variant: str,
    ranges: Ranges | None = None,
    weights: Weights = IN_GRAPH,
) -> Graphs:
    """Author both graphs.

    variant: one of VARIANTS; ranges: makes int8 activations constant ranges instead of one scale
    per row; weights: where large constants go.

    Raises:
        UnsupportedCheckpoint: a weight is too large for the variant's type.
    """
    if variant == "int8" and ranges is not None:
        both = CalibratedInt8(ranges.encoder), CalibratedInt8(ranges.decoder)
        return _build(network, both, weights)
    precision = VARIANTS[variant].make()
    return _build(network, (precision, precision), weights)


@singledispatch
def build_encoder(
    network: Network, precision: Precision, weights: WeightFile | None = None
) -> ModelProto:
    """Author the encoder's graph of any kind of network. weights: takes its large constants."""
    raise NotImplementedError(type(network).__name__)


@singledispatch
def build_decoder(
    network: Network, precision: Precision, weights: WeightFile | None = None
) -> ModelProto:
    """Author the decoder's graph of any kind of network. weights: takes its large constants."""
    raise NotImplementedError(type(network).__name__)


build_encoder.register(Transformer)(encoder.build_encoder)
build_decoder.register(Transformer)(decoder.build_decoder)
build_encoder.register(RecurrentNetwork)(recurrent_encoder.build_encoder)
build_decoder.register(RecurrentNetwork)(recurrent_decoder.build_decoder)


def build_observed(network: Network, weights: Weights = IN_GRAPH) -> Graphs:
    """Author both graphs in fp32 with the range of every product's input as further outputs."""
    return _build(network, (Observed(), Observed()), weights)


def _build(network: Network, precisions: tuple[Precision, Precision], weights: Weights) -> Graphs:
    if isinstance(network, Transformer) and network.large_activations and network.norm_first:
        precisions = (precisions[0].wide(), precisions[1].wide())
    return Graphs(
        build_encoder(network, precisions[0], weights.encoder),
        build_decoder(network, precisions[1], weights.decoder),
    )
