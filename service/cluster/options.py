"""What Ray is told of the two deployments, and what each makes of the service's settings.

Serve's config file changes the options of a deployment by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.domain import ModelDescription
from service.package.directory import ModelDirectory
from service.package.repository import ONLY_VERSION
from service.settings import Settings

INGRESS = "ingress"
ENGINE = "engine"
UNBOUNDED = 100_000
ONE_LOOP = {
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
}
"""Environment of every replica. Ray would have its own work and ours on three event loops, in case
ours blocked one; ours does not, and handing requests over took as long as all else."""
HEALTH_SECONDS = 5
"""Between two checks of a replica."""

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""What the replicas run on: they start on nothing else."""


def of_ingress(settings: Settings) -> dict[str, Any]:
    """Options of the app's deployment."""
    return {
        "num_replicas": 2,
        "ray_actor_options": {"num_cpus": 1, **_environment()},
        # What is too much the app refuses by itself, with 503.
        "max_ongoing_requests": 2 * settings.scheduling.max_waiting_items,
        "logging_config": {"enable_access_log": False},
        "health_check_period_s": HEALTH_SECONDS,
        "graceful_shutdown_timeout_s": settings.server.drain_timeout_seconds,
    }


def of_engine(settings: Settings) -> dict[str, Any]:
    """Options of the engine's deployment."""
    gpus = 1 if settings.runtime.device == "cuda" else 0
    return {
        "ray_actor_options": {"num_cpus": 1, "num_gpus": gpus, **_environment()},
        # Batching and waiting are the engine's; the ingress limits what is accepted.
        "max_ongoing_requests": UNBOUNDED,
        "autoscaling_config": {
            "min_replicas": 1,
            "max_replicas": 8,
            "look_back_period_s": 15,
            "upscale_delay_s": 5,
            "downscale_delay_s": 300,
            "policy": {"policy_function": "service.cluster.autoscaling:by_waiting_tokens"},
        },
        "logging_config": {"enable_access_log": False},
        "health_check_period_s": HEALTH_SECONDS,
        "graceful_shutdown_timeout_s": settings.server.drain_timeout_seconds,
    }


def with_whole_paths(settings: Settings) -> Settings:
    """The settings with models where they are wherever a process was started."""
    model, models = settings.model, settings.models
    model = model.model_copy(update={"directory": model.directory.resolve()})
    if models.directory is not None:
        models = models.model_copy(update={"directory": models.directory.resolve()})
    return settings.model_copy(update={"model": model, "models": models})


def without_documents(settings: Settings) -> Settings:
    """The settings of the app. Documents would be kept in the memory of one of its replicas, and
    the request that fetches them may come to another one."""
    documents = settings.documents.model_copy(update={"enabled": False})
    return settings.model_copy(update={"documents": documents})


def with_resources(settings: Settings, resources: Mapping[str, float]) -> Settings:
    """The settings of an engine within what Ray gave its process: Ray does not limit threads.

    It runs in threads, as the replica is a process of its own.

    Args:
        resources: amounts by name, such as CPU.
    """
    runtime = settings.runtime
    update = {
        "engine": "thread",
        "threads": runtime.threads or max(1, int(resources.get("CPU", 0))),
        "device_id": 0,  # of those that this process sees
    }
    return settings.model_copy(update={"runtime": runtime.model_copy(update=update)})


def described(settings: Settings, directory: ModelDirectory) -> ModelDescription:
    """The model that the replicas of the engine have, as they chose it."""
    device = settings.runtime.device
    variant = settings.model.variant or directory.fastest(device)
    return ModelDescription(
        name=directory.manifest.name,
        version=ONLY_VERSION,
        variant=variant,
        precision=directory.variant(variant).precision,
        device=device,
        provider=PROVIDERS[device],
    )


def _environment() -> dict[str, Any]:
    return {"runtime_env": {"env_vars": ONE_LOOP}}
