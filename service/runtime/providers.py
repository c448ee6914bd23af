"""Which execution provider runs the graphs, on how many threads, with which options."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import onnxruntime

from service.errors import ProviderUnavailable
from service.settings import RuntimeSettings

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
CUDA_DRIVER = "libcuda.so.1"
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")

SLOW_CPU_FUSIONS = ["SkipLayerNormFusion"]
"""Fuses Add and LayerNormalization into an operator that is several times slower on CPU."""

MOST_REPLICAS = 4
"""Replicas share one interpreter, which each needs for a fifth of its time."""

SPIN_MICROSECONDS = 100
"""How long idle threads of a session spin; ONNX Runtime's default burns a core between steps."""


def providers(settings: RuntimeSettings) -> list[tuple[str, dict[str, Any]]]:
    """The one provider that was asked for, with its options."""
    if settings.device == "cpu":
        return [(CPU, {})]
    options: dict[str, Any] = {
        "device_id": settings.device_id,
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": 0,  # fp32 is to mean the same on both devices
        "enable_cudnn": 0,  # no graph of ours needs it, so it need not be there
        # Layer norm of float16 is computed in float32; its sums of squares need that.
        "enable_skip_layer_norm_strict_mode": 1,
    }
    if settings.gpu_memory_limit_mb is not None:
        options["gpu_mem_limit"] = settings.gpu_memory_limit_mb * 2**20
    return [(CUDA, options)]


def threads(settings: RuntimeSettings) -> int:
    """Threads for the model on CPU."""
    return settings.threads or available_cpus()


def replicas(settings: RuntimeSettings) -> int:
    """Batches that are decoded at the same time."""
    automatic = min(threads(settings), MOST_REPLICAS) if settings.device == "cpu" else 1
    return settings.replicas or automatic


def session_options(settings: RuntimeSettings) -> onnxruntime.SessionOptions:
    """Options of every session."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised; nothing is printed beside the log
    # A replica's own thread takes part in its products, the others help whoever asks first.
    options.intra_op_num_threads = max(1, threads(settings) - replicas(settings) + 1)
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_MICROSECONDS))
    # On x86 without VNNI, sums of integer products overflow in the fastest kernel. This takes the
    # exact one there, and changes nothing elsewhere.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if settings.device == "cuda":
        # Without this, what CUDA can't run would silently run on the CPU.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def disabled_optimizers(settings: RuntimeSettings) -> list[str]:
    """Graph optimisations that do harm on this device."""
    return SLOW_CPU_FUSIONS if settings.device == "cpu" else []


def require(settings: RuntimeSettings) -> None:
    """Check that this installation of ONNX Runtime has the provider at all.

    Raises:
        ProviderUnavailable: it was built without it, or there is no driver for it.
    """
    wanted = CPU if settings.device == "cpu" else CUDA
    if wanted not in onnxruntime.get_available_providers():
        raise ProviderUnavailable(
            f"device {settings.device} was asked for, but the installed onnxruntime has no "
            f"{wanted}. Install the gpu extra instead of the cpu extra."
        )
    if wanted == CUDA:
        _require_driver()
        onnxruntime.preload_dlls(cudnn=False)


def _require_driver() -> None:
    try:
        ctypes.CDLL(CUDA_DRIVER)
    except OSError as error:
        raise ProviderUnavailable(
            f"device cuda was asked for, but there is no NVIDIA driver here: {error}."
        ) from error


def available_cpus(quota: Path = CGROUP_QUOTA) -> int:
    """CPUs that this process may use: its affinity mask, bounded by the cgroup's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        maximum, period = quota.read_text(encoding="ascii").split()
    except (OSError, ValueError):  # no cgroup v2 here
        return cpus
    if maximum == "max":
        return cpus
    return max(1, min(cpus, round(int(maximum) / int(period))))
