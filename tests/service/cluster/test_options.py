"""What the settings mean on a cluster."""

from __future__ import annotations

import pytest

from service.cluster import options
from service.settings import RuntimeSettings, ServerSettings, Settings


@pytest.mark.parametrize(
    ("threads", "resources", "expected"),
    [(0, {"CPU": 3.0}, 3), (0, {"CPU": 0.5}, 1), (0, {"GPU": 1.0}, 1), (5, {"CPU": 3.0}, 5)],
)
def test_an_engine_takes_the_processors_it_was_given(
    threads: int, resources: dict[str, float], expected: int
) -> None:
    settings = Settings(runtime=RuntimeSettings(threads=threads, device_id=3))
    runtime = options.with_resources(settings, resources).runtime
    assert runtime.threads == expected
    assert runtime.engine == "thread"
    assert runtime.device_id == 0  # Ray hides the others


@pytest.mark.parametrize(("device", "gpus"), [("cpu", 0), ("cuda", 1)])
def test_a_gpu_is_asked_for_where_one_is_needed(device: str, gpus: int) -> None:
    settings = Settings(runtime=RuntimeSettings.model_validate({"device": device}))
    assert options.of_engine(settings)["ray_actor_options"]["num_gpus"] == gpus


def test_replicas_have_the_time_to_drain() -> None:
    settings = Settings(server=ServerSettings(drain_timeout_seconds=7))
    for found in (options.of_engine(settings), options.of_ingress(settings)):
        assert found["graceful_shutdown_timeout_s"] == 7


def test_the_ingress_refuses_by_itself() -> None:
    """Requests that Serve holds back would get no answer at all, instead of 503."""
    settings = Settings()
    ongoing = options.of_ingress(settings)["max_ongoing_requests"]
    assert ongoing > settings.scheduling.max_waiting_items


def test_documents_are_off() -> None:
    assert not options.without_documents(Settings()).documents.enabled
