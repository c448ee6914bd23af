"""ONNX graphs, authored operator by operator from the weights. No tracing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import ModelProto

from model_export.graph.decoder import build_decoder
from model_export.graph.encoder import build_encoder
from model_export.graph.precision import CalibratedInt8, Float32, Observed, Range, RowScaledInt8
from model_export.spec import Transformer

PRECISIONS = ("fp32", "int8")

DEVICES: Mapping[str, tuple[str, ...]] = {"fp32": ("cpu", "cuda"), "int8": ("cpu",)}
"""Devices on which every operator of a precision's graphs has a kernel."""


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


def build(network: Transformer, precision: str, ranges: Ranges | None = None) -> Graphs:
    """Author both graphs.

    precision: one of PRECISIONS; ranges: makes int8 activations constant ranges instead of one
    scale per row.
    """
    if precision == "fp32":
        return Graphs(build_encoder(network, Float32()), build_decoder(network, Float32()))
    if ranges is None:
        scaled = RowScaledInt8()
        return Graphs(build_encoder(network, scaled), build_decoder(network, scaled))
    return Graphs(
        build_encoder(network, CalibratedInt8(ranges.encoder)),
        build_decoder(network, CalibratedInt8(ranges.decoder)),
    )


def build_observed(network: Transformer) -> Graphs:
    """Author both graphs in fp32 with the range of every product's input as further outputs."""
    return Graphs(build_encoder(network, Observed()), build_decoder(network, Observed()))
