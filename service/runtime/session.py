"""One graph: loaded, checked against what the caller will ask of it, run with its data in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from service.errors import InvalidPackage, ProviderUnavailable
from service.runtime import providers
from service.settings import RuntimeSettings

Array = npt.NDArray[Any]

TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


class Graph:
    """A loaded ONNX graph. Any number of threads may run it."""

    def __init__(self, path: Path, settings: RuntimeSettings) -> None:
        """Load the graph.

        Raises:
            ProviderUnavailable: the provider that was asked for can't run it here.
            InvalidPackage: ONNX Runtime can't load the file.
        """
        self.device = settings.device
        self.device_id = settings.device_id if settings.device == "cuda" else 0
        self.session = _load(path, settings)
        self.provider: str = self.session.get_providers()[0]
        wanted = providers.providers(settings)[0][0]
        if self.provider != wanted:
            raise ProviderUnavailable(
                f"{wanted} was asked for, but ONNX Runtime fell back to {self.provider}: no usable "
                "GPU, driver or CUDA library was found."
            )
        self.optional = {value.name for value in self.session.get_overridable_initializers()}
        """Inputs that may be left out."""
        self.inputs = {value.name: value for value in self.session.get_inputs()}
        self.outputs = {value.name: value for value in self.session.get_outputs()}

    def require(self, inputs: Sequence[str], outputs: Sequence[str], path: Path) -> None:
        """Check that the graph has these inputs and outputs; others may exist.

        Raises:
            InvalidPackage: one is missing.
        """
        known = {*self.inputs, *self.optional}
        missing = sorted({*inputs} - known) + sorted({*outputs} - {*self.outputs})
        if missing:
            raise InvalidPackage(
                f"{path} lacks the inputs or outputs {', '.join(missing)}. Convert the checkpoint "
                "again with this version."
            )

    def run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Run on host arrays; all results come to the host."""
        results = self.session.run(None, dict(arrays))
        return dict(zip(self.outputs, results, strict=True))


class Binding:
    """A graph's inputs and outputs between runs: what does not change stays bound."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._binding = graph.session.io_binding()
        self._fed: dict[str, Array] = {}
        self.fetched: dict[str, Array] = {}
        """Outputs that fetch() asked for, of the last run."""
        self._bound_outputs: list[str] = []  # in the order in which ONNX Runtime gives them

    def hold(self, name: str, value: onnxruntime.OrtValue) -> None:
        """Give an input that stays the same until it is given again."""
        self._binding.bind_ortvalue_input(name, value)

    def hold_output(self, name: str, value: onnxruntime.OrtValue) -> None:
        """Say where an output goes until this is said again; an input may come from there."""
        self._binding.bind_ortvalue_output(name, value)
        self._note(name)

    def feed(self, name: str, array: Array) -> None:
        """Give an input for the next run."""
        bound = self._fed.get(name)
        if bound is not None and bound.shape == array.shape and self._graph.device == "cpu":
            bound[...] = array
            return
        self._fed[name] = np.array(array, order="C")
        if name in self._graph.optional:
            # ONNX Runtime looks for the others only when it binds an array.
            value = onnxruntime.OrtValue.ortvalue_from_numpy(self._fed[name])
            self._binding.bind_ortvalue_input(name, value)
        else:
            self._binding.bind_cpu_input(name, self._fed[name])

    def fetch(self, name: str, shape: tuple[int, ...]) -> None:
        """Ask for an output of the next run on the host."""
        bound = self.fetched.get(name)
        if bound is not None and bound.shape == shape:
            return
        array = np.empty(shape, TYPES[self._graph.outputs[name].type])
        self.fetched[name] = array
        self._binding.bind_output(name, "cpu", 0, array.dtype, shape, array.ctypes.data)
        self._note(name)

    def leave(self, name: str) -> None:
        """Let an output of the next run stay on the device, in memory of its own; see left()."""
        self._binding.bind_output(name, self._graph.device, self._graph.device_id)
        self._note(name)

    def forget_outputs(self) -> None:
        """Ask for no output any more."""
        self._binding.clear_binding_outputs()
        self.fetched.clear()
        self._bound_outputs.clear()

    def run(self) -> dict[str, Array]:
        """Run; returns fetched, to be used before the next run."""
        self._graph.session.run_with_iobinding(self._binding)
        return self.fetched

    def left(self, names: Sequence[str]) -> dict[str, onnxruntime.OrtValue]:
        """These outputs of the last run."""
        outputs = dict(zip(self._bound_outputs, self._binding.get_outputs(), strict=True))
        return {name: outputs[name] for name in names}

    def _note(self, name: str) -> None:
        if name not in self._bound_outputs:
            self._bound_outputs.append(name)


def _load(path: Path, settings: RuntimeSettings) -> onnxruntime.InferenceSession:
    providers.require(settings)
    try:
        return onnxruntime.InferenceSession(
            path,
            providers.session_options(settings),
            providers=providers.providers(settings),
            disabled_optimizers=providers.disabled_optimizers(settings),
        )
    except Exception as error:  # ONNX Runtime's errors have no common base
        if settings.device == "cuda":
            raise ProviderUnavailable(
                f"device cuda was asked for, but it can't run {path.name} here: {error}"
            ) from error
        raise InvalidPackage(f"ONNX Runtime can't load {path}: {error}") from error
