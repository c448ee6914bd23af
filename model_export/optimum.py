"""Graphs that Hugging Face's optimum exported, read for the weights in them.

    encoder_model.onnx  decoder_model.onnx, or decoder_model_merged.onnx

torch's exporter keeps the names of most parameters. The matrices it transposes become anonymous
(onnx::MatMul_123), but the operator that multiplies by one is named after its module: what
/model/decoder/layers.0/fc1/MatMul multiplies by is model.decoder.layers.0.fc1.weight, transposed.
Parameters that are equal are stored once, and have their other names by the operator Identity.
A merged decoder has its operators in two branches and calls a weight NAME_merged_0. What ONNX
Runtime's quantize_dynamic made of a weight is NAME_quantized, NAME_scale and NAME_zero_point.
"""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import tensor_dtype_to_np_dtype, tensor_dtype_to_string

from model_export.errors import UnsupportedCheckpoint
from model_export.spec import Array

ENCODER = "encoder_model"
DECODERS = ("decoder_model", "decoder_model_merged")
"""decoder_with_past_model.onnx has no projections of the encoder's output."""
FOLDERS = ("", "onnx/")
SUFFIXES = ("", "_fp16", "_quantized", "_int8", "_uint8")
"""Of the names of files: as exported, and what is made of that; the most exact comes first."""
PARAMETER = re.compile(r"\w+(\.\w+)*\.(weight|weights|bias)|final_logits_bias")
MERGED = re.compile(r"_merged_\d+$")
QUANTIZED = "_quantized"
TYPES: dict[int, str] = {
    TensorProto.FLOAT: "F32",
    TensorProto.FLOAT16: "F16",
    TensorProto.BFLOAT16: "BF16",
    TensorProto.DOUBLE: "F64",
}

Known = Mapping[str, TensorProto]
"""Constants by the names that they have where an operator stands."""


def graph_files(directory: Path) -> list[str]:
    """Names of the files with the weights, the encoder's graph first, then the decoder's; empty
    where there are no such graphs.

    Raises:
        UnsupportedCheckpoint: one of the two graphs is missing.
    """
    for folder in FOLDERS:
        for suffix in SUFFIXES:
            encoder = f"{folder}{ENCODER}{suffix}.onnx"
            decoders = [f"{folder}{name}{suffix}.onnx" for name in DECODERS]
            there = [name for name in (encoder, *decoders) if (directory / name).is_file()]
            if there:
                _require_both(there, encoder, decoders)
                return [*there[:2], *_data_files(directory, there[:2])]
    return []


def _require_both(there: Sequence[str], encoder: str, decoders: Sequence[str]) -> None:
    if encoder not in there:
        raise UnsupportedCheckpoint([f"{encoder} is missing; {there[0]} is there."])
    if len(there) == 1:
        raise UnsupportedCheckpoint([f"{' or '.join(decoders)} is missing; {encoder} is there."])


def _data_files(directory: Path, graphs: Sequence[str]) -> list[str]:
    """What may be beside graphs: GRAPH_data, GRAPH.data, and further ones with a number."""
    found = [path for name in graphs for path in directory.glob(f"{name}[._]data*")]
    return sorted(path.relative_to(directory).as_posix() for path in found)


@dataclass(frozen=True, slots=True)
class GraphWeights:
    """Weights by their names in transformers."""

    tensors: dict[str, StoredInGraph] = field(default_factory=dict)
    maps: list[mmap.mmap] = field(default_factory=list)
    """Files that weights are mapped from."""

    @property
    def rounded(self) -> bool:
        """Whether some are in 8 bits, so that copies of a weight may differ."""
        return any(one.scale is not None for one in self.tensors.values())


def load(directory: Path, names: Sequence[str]) -> GraphWeights:
    """The weights of the files that graph_files() named.

    Raises:
        UnsupportedCheckpoint: a file can't be read, or does not say what its weights are.
    """
    found, problems = GraphWeights(), list[str]()
    encoder, decoder = (_Reader(directory / name, found.maps, problems) for name in names[:2])
    own = encoder.weights()
    found.tensors.update(decoder.weights())
    root = "model." if any(name.startswith("model.") for name in found.tensors) else ""
    found.tensors.update({f"{root}encoder.{name}": one for name, one in own.items()})
    table = found.tensors.get(f"{root}encoder.embed_tokens.weight")
    if table is not None:
        found.tensors.setdefault(f"{root}shared.weight", table)
    if problems:
        raise UnsupportedCheckpoint(problems)
    return found


@dataclass(frozen=True, slots=True)
class StoredInGraph:
    """A constant of a graph."""

    values: npt.NDArray[Any]
    type: int
    """ONNX's number."""
    transposed: bool
    scale: Array | None = None
    """Integers stand for (integer - zero_point) * scale; of the whole, or of each column."""
    zero_point: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape[::-1] if self.transposed else self.values.shape

    @property
    def dtype(self) -> str:
        """As safetensors spells it; ONNX's own name for what is no float."""
        if self.scale is not None:
            return "F32"
        return TYPES.get(self.type) or str(tensor_dtype_to_string(self.type))

    def read(self) -> Array:
        """As float32, without a copy where it is that already."""
        real: Array = self.values.astype(np.float32, copy=False)
        if self.scale is not None:
            real = (real - (0 if self.zero_point is None else self.zero_point)) * self.scale
        return real.T if self.transposed else real


class _Reader:
    """One graph. Faults are noted in problems."""

    def __init__(self, path: Path, maps: list[mmap.mmap], problems: list[str]) -> None:
        self._path = path
        self._maps = maps
        self._mapped: dict[str, mmap.mmap | None] = {}
        self._problems = problems

    def weights(self) -> dict[str, StoredInGraph]:
        """By name, and by the module of the operator that multiplies by it."""
        named: dict[str, StoredInGraph] = {}
        multiplied: dict[str, StoredInGraph] = {}
        for node, known in _operators(self._graph(), {}):
            if node.domain == "com.microsoft":
                self._fault(
                    f"{node.op_type} is an operator of optimised graphs, or of those in 4 bits; "
                    "give the files as optimum exported them"
                )
                return {}
            self._add_named(node, known, named)
            matrix = node.input[1] if len(node.input) > 1 else ""
            if node.op_type in ("MatMul", "MatMulInteger") and matrix in known:
                name = f"{_module(node)}.weight"
                if name == ".weight":
                    self._fault(f"the operator {node.name!r} does not say whose weights it has")
                    return {}
                if name not in multiplied:
                    multiplied[name] = self._stored(matrix, known, transposed=True)
        return named | multiplied

    def _graph(self) -> GraphProto:
        try:
            return onnx.load(self._path, load_external_data=False).graph
        except (DecodeError, OSError, ValueError) as error:
            raise UnsupportedCheckpoint([f"{self._path.name} cannot be read: {error}."]) from error

    def _add_named(self, node: NodeProto, known: Known, named: dict[str, StoredInGraph]) -> None:
        for value in node.input:
            if value in known:
                name = MERGED.sub("", value.removesuffix(QUANTIZED))
                if value.startswith("onnx::Add_") and node.op_type == "Add" and not _module(node):
                    name = "final_logits_bias"
                if PARAMETER.fullmatch(name) and name not in named:
                    named[name] = self._stored(value, known, transposed=False)

    def _stored(self, name: str, known: Known, *, transposed: bool) -> StoredInGraph:
        base = name.removesuffix(QUANTIZED)
        scale, zero_point = (
            self._values(known[part], part).astype(np.float32) if part in known else None
            for part in (f"{base}_scale", f"{base}_zero_point")
        )
        tensor = known[name]
        return StoredInGraph(
            self._values(tensor, name), tensor.data_type, transposed, scale, zero_point
        )

    def _values(self, tensor: TensorProto, name: str) -> npt.NDArray[Any]:
        """A fault gives nothing."""
        try:
            if tensor.data_location == TensorProto.EXTERNAL:
                return self._external(tensor)
            return numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError) as error:
            self._fault(f"{name} cannot be read: {error}")
            return np.zeros(0, np.float32)

    def _external(self, tensor: TensorProto) -> npt.NDArray[Any]:
        where = {entry.key: entry.value for entry in tensor.external_data}
        kind = np.dtype(tensor_dtype_to_np_dtype(tensor.data_type))
        start, count = int(where.get("offset", 0)), math.prod(tensor.dims)
        data = self._map(where.get("location", ""))
        if data is None:
            return np.zeros(0, kind)
        if start + count * kind.itemsize > len(data):
            raise ValueError(f"{where['location']} ends before it")
        return np.frombuffer(data, kind, count, start).reshape(tuple(tensor.dims))

    def _map(self, location: str) -> mmap.mmap | None:
        """A file beside the graph, None where there is none."""
        if location not in self._mapped:
            self._mapped[location] = self._open(location)
        return self._mapped[location]

    def _open(self, location: str) -> mmap.mmap | None:
        path = self._path.parent / location
        # Plain names: a graph can't point outside of its directory.
        if Path(location).name != location or not path.is_file() or not path.stat().st_size:
            self._fault(f"its weights are in {location!r}, which is not beside it")
            return None
        with path.open("rb") as file:
            self._maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return self._maps[-1]

    def _fault(self, problem: str) -> None:
        self._problems.append(f"{self._path.name}: {problem}.")


def _operators(graph: GraphProto, outside: Known) -> Iterator[tuple[NodeProto, Known]]:
    """Every operator, those of branches too, and the constants that it can see."""
    known = {**outside, **{tensor.name: tensor for tensor in graph.initializer}}
    for node in graph.node:
        if node.op_type == "Identity" and node.input and node.input[0] in known:
            known[node.output[0]] = known[node.input[0]]
        yield node, known
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from _operators(attribute.g, known)


def _module(node: NodeProto) -> str:
    """Whose operator it is; "" where that is the whole model, or not said."""
    return ".".join(node.name.strip("/").split("/")[:-1])
