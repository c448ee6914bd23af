from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import ProviderUnavailable
from service.package.directory import ModelDirectory
from service.runtime import providers
from service.runtime.seq2seq import OnnxSeq2Seq
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
