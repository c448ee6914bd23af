"""One graph: loaded, checked against what the caller will ask of it, run with its data in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnxruntime

from service.errors import InvalidPackage, ProviderUnavailable
from service.runtime import providers
from service.settings import RuntimeSettings

Values = dict[str, onnxruntime.OrtValue]
"""Tensors that stay on the device, by name."""


class Graph:
    """A loaded ONNX graph. Used by one thread."""

    def __init__(self, path: Path, settings: RuntimeSettings) -> None:
        """Load the graph.

        Raises:
            ProviderUnavailable: the provider that was asked for can't run it here.
            InvalidPackage: ONNX Runtime can't load the file.
        """
        self._device = settings.device
        self._device_id = settings.device_id if settings.device == "cuda" else 0
        self._session = _load(path, settings)
        self.provider: str = self._session.get_providers()[0]
        wanted = providers.providers(settings)[0][0]
        if self.provider != wanted:
            raise ProviderUnavailable(
                f"{wanted} was asked for, but ONNX Runtime fell back to {self.provider}: no usable "
                "GPU, driver or CUDA library was found."
            )
        self.inputs = [value.name for value in self._session.get_inputs()]
        self.outputs = [value.name for value in self._session.get_outputs()]

    def require(self, inputs: Sequence[str], outputs: Sequence[str], path: Path) -> None:
        """Check that the graph has these inputs and outputs; others may exist.

        Raises:
            InvalidPackage: one is missing.
        """
        missing = sorted({*inputs} - {*self.inputs}) + sorted({*outputs} - {*self.outputs})
        if missing:
            raise InvalidPackage(f"{path} lacks the inputs or outputs {', '.join(missing)}.")

    def run(self, arrays: Mapping[str, npt.NDArray[Any]], values: Values) -> Values:
        """Run on host arrays and on values that are on the device; results stay on the device."""
        binding = self._session.io_binding()
        for name, array in arrays.items():
            binding.bind_cpu_input(name, array)
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        for name in self.outputs:
            binding.bind_output(name, self._device, self._device_id)
        self._session.run_with_iobinding(binding)
        return dict(zip(self.outputs, binding.get_outputs(), strict=True))


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
