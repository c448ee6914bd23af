"""A few verbs over onnx.helper: constants, operators, inputs and outputs by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

import numpy as np
import numpy.typing as npt
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from model_export.graph.weights import LARGE, WeightFile

CONTRIB = "com.microsoft"
OPSET = 24
"""ai.onnx operator set of every graph; ONNX Runtime 1.31 has kernels for all operators used."""
IR_VERSION = 10

BOOL = TensorProto.BOOL
FLOAT = TensorProto.FLOAT
FLOAT16 = TensorProto.FLOAT16
INT32 = TensorProto.INT32
INT64 = TensorProto.INT64

Shape = Sequence[int | str]


class GraphBuilder:
    """Collects nodes in the order in which they run. A value is named by a string."""

    def __init__(self, name: str, prefix: str = "", weights: WeightFile | None = None) -> None:
        """prefix: of the names of its values; weights: takes large constants."""
        self._name = name
        self._prefix = prefix
        self._weights = weights
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        # The arrays may be gone: temporary ones can be too large to be kept.
        self._named: dict[int, tuple[ReferenceType[npt.NDArray[Any]], str]] = {}
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []
        self._count = 0

    def input(self, name: str, dtype: int, shape: Shape) -> str:
        """Declare an input of the graph."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def optional_input(self, name: str, dtype: int, shape: Shape) -> str:
        """Declare an input that is empty where it is not given: its named dimensions are 0 then."""
        default = np.zeros(
            [size if isinstance(size, int) else 0 for size in shape],
            helper.tensor_dtype_to_np_dtype(dtype),
        )
        self._constants.append(numpy_helper.from_array(default, name))
        return self.input(name, dtype, shape)

    def output(self, name: str, value: str, dtype: int, shape: Shape) -> str:
        """Declare that this value leaves the graph under this name, which it has from now on."""
        name = self._prefix + name
        if value != name and not self._rename(value, name):
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def append_output(self, name: str, value: str, dtype: int, shape: Shape) -> str:
        """Declare the next of the outputs name.0, name.1, …"""
        before = sum(output.name.startswith(f"{name}.") for output in self._outputs)
        return self.output(f"{name}.{before}", value, dtype, shape)

    def constant(self, array: npt.NDArray[Any]) -> str:
        """A constant; the same array object is stored once."""
        known, name = self._named.get(id(array), (None, ""))
        if known is None or known() is not array:
            name = self._fresh("constant")
            self._constants.append(self._stored(array, name))
            self._named[id(array)] = (ref(array), name)
        return name

    def _stored(self, array: npt.NDArray[Any], name: str) -> TensorProto:
        if self._weights is not None and array.nbytes >= LARGE:
            return self._weights.add(array, name)
        return numpy_helper.from_array(np.ascontiguousarray(array), name)

    def integers(self, *values: int) -> str:
        """A constant int64 vector."""
        return self.constant(np.array(values, np.int64))

    def op(self, op_type: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append an operator with one output. An empty input name leaves that input out."""
        return self.ops(op_type, *inputs, outputs=1, domain=domain, **attributes)[0]

    def ops(
        self, op_type: str, *inputs: str, outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Append an operator with several outputs."""
        names = [self._fresh(op_type) for _ in range(outputs)]
        self._nodes.append(
            helper.make_node(op_type, list(inputs), names, domain=domain, **attributes)
        )
        return names

    def branch(self, name: str) -> GraphBuilder:
        """A graph for choose(). It may use every value that this one has so far."""
        return GraphBuilder(name, f"{name}.")

    def choose(self, condition: str, yes: GraphBuilder, no: GraphBuilder) -> None:
        """Run one of two branches; their outputs, which have the same names, become values here.

        condition: bool, one element.
        """
        names = [output.name.removeprefix(yes._prefix) for output in yes._outputs]
        self._nodes.append(
            helper.make_node(
                "If", [condition], names, then_branch=yes._graph(), else_branch=no._graph()
            )
        )

    def scan_body(self, dtype: int, states: Sequence[int], scanned: Sequence[int]) -> ScanBody:
        """A graph for scan(), which may use every value that this one has so far.

        states, scanned: widths of the state's values, [batch, width], and of a step's slices.
        """
        body = GraphBuilder(self._fresh("Scan"), f"{self._fresh('scan')}.")
        widths = [*states, *scanned]
        names = [f"{body._prefix}fed_{place}" for place in range(len(widths))]
        for name, width in zip(names, widths, strict=True):
            body.input(name, dtype, ["batch", width])
        return ScanBody(body, names, dtype, widths[: len(states)])

    def scan(self, body: ScanBody, inputs: Sequence[str], results: Sequence[str]) -> list[str]:
        """Run a body over the first axis of what is scanned.

        inputs: the first state, then what is scanned; results: the body's values that are the
        state after a step, then one that is collected, as wide as the first of the state.

        Returns the last state, and what was collected.
        """
        for place, value in enumerate(results):
            width = body.states[place % len(body.states)]
            # A value that goes out twice has two names.
            value = body.graph.op("Identity", value)
            body.graph.output(f"result_{place}", value, body.dtype, ["batch", width])
        scanned = len(inputs) - len(body.states)
        return self.ops(
            "Scan", *inputs, outputs=len(results), body=body.graph._graph(), num_scan_inputs=scanned
        )

    def model(self) -> ModelProto:
        """The finished model."""
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(self._graph(), opset_imports=opsets, ir_version=IR_VERSION)

    def _graph(self) -> GraphProto:
        return helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, self._constants
        )

    def _rename(self, value: str, name: str) -> bool:
        """Give a value another name, unless it is an input, a constant or an output already."""
        makers = [node for node in self._nodes if value in node.output]
        if not makers or any(output.name == value for output in self._outputs):
            return False
        for node in self._nodes:
            for names in (node.input, node.output):
                for place, known in enumerate(names):
                    if known == value:
                        names[place] = name
        return True

    def _fresh(self, op_type: str) -> str:
        self._count += 1
        return f"{self._prefix}{op_type}_{self._count}"


class ScanBody(NamedTuple):
    """What scan() repeats."""

    graph: GraphBuilder
    fed: list[str]
    """The state before the step, then the slices of what is scanned."""
    dtype: int
    states: list[int]
    """Widths."""
