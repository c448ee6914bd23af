"""The example for KubeRay agrees with the application, the image and the lock. `make containers`
validates it against KubeRay's schema."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from service import cluster, settings
from service.cluster import autoscaling, options
from service.settings import Settings
from tests.docker import dockerfile
from tests.docker.test_requirements import pinned

FILE = dockerfile.ROOT / "docker" / "kubernetes" / "ray" / "rayservice.yaml"


@pytest.fixture
def spec() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    found: dict[str, Any] = content["spec"]
    return found


@pytest.fixture
def application(spec: dict[str, Any]) -> dict[str, Any]:
    (found,) = yaml.safe_load(spec["serveConfigV2"])["applications"]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def pods(spec: dict[str, Any]) -> list[dict[str, Any]]:
    groups = spec["rayClusterConfig"]
    (workers,) = groups["workerGroupSpecs"]
    return [group["template"]["spec"] for group in (groups["headGroupSpec"], workers)]


def test_it_runs_the_application(application: dict[str, Any]) -> None:
    module, name = application["import_path"].split(":")
    assert module == cluster.__name__
    assert name == cluster.app.__name__


def test_it_changes_deployments_that_are_there(application: dict[str, Any]) -> None:
    names = [one["name"] for one in application["deployments"]]
    assert names == [options.INGRESS, options.ENGINE]


def test_it_scales_by_our_policy(application: dict[str, Any]) -> None:
    policy = application["deployments"][1]["autoscaling_config"]["policy"]
    assert policy == options.of_engine(Settings())["autoscaling_config"]["policy"]
    module, name = policy["policy_function"].split(":")
    assert module == autoscaling.__name__
    assert name == autoscaling.by_waiting_tokens.__name__


def test_settings_are_settings(application: dict[str, Any]) -> None:
    assert application["runtime_env"]["env_vars"].keys() <= settings.names().keys()


def test_the_version_of_ray_is_the_locked_one(spec: dict[str, Any]) -> None:
    assert spec["rayClusterConfig"]["rayVersion"] == pinned("cluster")["ray"]


def test_the_user_is_the_images(pods: list[dict[str, Any]]) -> None:
    user, group = dockerfile.last(dockerfile.SERVICE, "USER").arguments.split(":")
    for pod in pods:
        context = pod["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))


def test_there_is_time_to_drain(pods: list[dict[str, Any]]) -> None:
    drain = Settings().server.drain_timeout_seconds
    assert all(pod["terminationGracePeriodSeconds"] > drain for pod in pods)


def test_no_usage_data_is_sent() -> None:
    variables = dockerfile.environment(dockerfile.SERVICE, "flavour-cluster")
    assert variables["RAY_USAGE_STATS_ENABLED"] == "0"
