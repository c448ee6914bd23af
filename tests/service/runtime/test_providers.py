from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from service.errors import ProviderUnavailable
from service.package.directory import ModelDirectory
from service.runtime import providers
from service.runtime.seq2seq import OnnxSeq2Seq
from service.runtime.session import Graph
from service.settings import RuntimeSettings


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1), ("nonsense", None)],
)
def test_cpus_are_bounded_by_the_cgroups_quota(
    tmp_path: Path, quota: str, expected: int | None
) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    everything = providers.available_cpus(tmp_path / "missing")
    assert providers.available_cpus(file) == (expected or everything)


def test_cuda_without_a_gpu_is_refused_and_not_replaced_by_the_cpu(tiny_directory: Path) -> None:
    directory = ModelDirectory.open(tiny_directory)
    with pytest.raises(ProviderUnavailable, match="cuda was asked for"):
        OnnxSeq2Seq.load(directory, directory.variant("fp32"), RuntimeSettings(device="cuda"))


def test_cuda_is_asked_for_with_bounded_memory_and_exact_numbers() -> None:
    settings = RuntimeSettings(device="cuda", device_id=1, gpu_memory_limit_mb=2)
    ((name, options),) = providers.providers(settings)
    assert name == "CUDAExecutionProvider"
    assert options["gpu_mem_limit"] == 2 * 2**20
    assert (options["device_id"], options["use_tf32"]) == (1, 0)
    assert options["enable_skip_layer_norm_strict_mode"] == 1


@pytest.mark.parametrize(
    ("settings", "replicas", "threads_of_a_session"),
    [
        (RuntimeSettings(threads=1), 1, 1),
        (RuntimeSettings(threads=2), 2, 1),
        (RuntimeSettings(threads=2, replicas=1), 1, 2),
        (RuntimeSettings(threads=16), 4, 13),  # 4 threads of replicas and 12 that help them
        (RuntimeSettings(threads=2, replicas=3), 3, 1),
        (RuntimeSettings(device="cuda", threads=8), 1, 8),
    ],
)
def test_replicas_share_the_threads(
    settings: RuntimeSettings, replicas: int, threads_of_a_session: int
) -> None:
    assert providers.replicas(settings) == replicas
    options = providers.session_options(settings)
    assert options.intra_op_num_threads == threads_of_a_session


INPUTS, OUTPUTS = 384, 64


def integer_product(weight: npt.NDArray[np.int8]) -> ModelProto:
    """y = (x - 128) @ weight, with the operator of our int8 variants."""
    constants: dict[str, npt.NDArray[Any]] = {
        "weight": weight,
        "one": np.array(1, np.float32),
        "ones": np.ones(weight.shape[1], np.float32),
        "zero": np.array(128, np.uint8),
    }
    node = helper.make_node(
        "MatMulIntegerToFloat",
        ["x", "weight", "one", "ones", "zero"],
        ["y"],
        domain="com.microsoft",
    )
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["rows", INPUTS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", OUTPUTS])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


@pytest.mark.parametrize("rows", [1, 4, 64])
def test_products_of_integers_are_exact_on_every_processor(rows: int, tmp_path: Path) -> None:
    """Without VNNI the fastest kernel adds two products in 16 bits, where the largest overflow."""
    random = np.random.default_rng(1)
    weight = random.choice(np.array([-127, 127], np.int8), (INPUTS, OUTPUTS))
    x = random.integers(0, 256, (rows, INPUTS), np.uint8)
    path = tmp_path / "product.onnx"
    path.write_bytes(integer_product(weight).SerializeToString())
    found = Graph(path, RuntimeSettings()).run({"x": x})["y"]
    assert np.array_equal(found, (x.astype(np.int64) - 128) @ weight.astype(np.int64))
