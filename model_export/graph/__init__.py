"""ONNX graphs, authored operator by operator from the weights. No tracing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import ModelProto

from model_export.graph.decoder import build_decoder
from model_export.graph.encoder import build_encoder
from model_export.graph.precision import Float32, Precision, RowScaledInt8
from model_export.spec import Transformer

PRECISIONS: Mapping[str, Precision] = {"fp32": Float32(), "int8": RowScaledInt8()}

DEVICES: Mapping[str, tuple[str, ...]] = {"fp32": ("cpu", "cuda"), "int8": ("cpu",)}
"""Devices on which every operator of a precision's graphs has a kernel."""


@dataclass(frozen=True, slots=True)
class Graphs:
    """The two graphs of one variant."""

    encoder: ModelProto
    decoder: ModelProto


def build(network: Transformer, precision: str) -> Graphs:
    """Author both graphs. precision: a key of PRECISIONS."""
    chosen = PRECISIONS[precision]
    return Graphs(build_encoder(network, chosen), build_decoder(network, chosen))
