"""The manifests in docker/kubernetes agree with each other, the image and the service."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from service import metrics, settings
from service.app import create_app
from service.settings import Settings
from tests.docker import dockerfile

FOLDER = dockerfile.ROOT / "docker" / "kubernetes"


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return content


@pytest.fixture
def pod() -> dict[str, Any]:
    template: dict[str, Any] = read("deployment.yaml")["spec"]["template"]
    return template


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_every_manifest_is_applied() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(read("kustomization.yaml")["resources"]) == files


def test_all_select_the_pods(pod: dict[str, Any]) -> None:
    labels = pod["metadata"]["labels"]
    matches = {"matchLabels": labels}
    assert read("deployment.yaml")["spec"]["selector"] == matches
    assert read("disruption-budget.yaml")["spec"]["selector"] == matches
    assert read("network-policy.yaml")["spec"]["podSelector"] == matches
    assert read("service.yaml")["spec"]["selector"] == labels
    (pair,) = read("kustomization.yaml")["labels"]
    assert pair["pairs"] == labels


def test_probes_ask_paths_that_are_there(container: dict[str, Any]) -> None:
    paths = create_app(Settings()).openapi()["paths"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] in paths


def test_settings_are_settings(container: dict[str, Any]) -> None:
    assert {one["name"] for one in container["env"]} <= settings.names().keys()


def test_ports_are_the_images(pod: dict[str, Any], container: dict[str, Any]) -> None:
    port = dockerfile.environment(dockerfile.SERVICE)["SEQ2SEQ_SERVER__PORT"]
    assert container["ports"] == [{"name": "http", "containerPort": int(port)}]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == port
    (exposed,) = read("service.yaml")["spec"]["ports"]
    assert exposed["targetPort"] == "http"


def test_the_user_is_the_images(pod: dict[str, Any]) -> None:
    user, group = dockerfile.last(dockerfile.SERVICE, "USER").arguments.split(":")
    context = pod["spec"]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))


def test_there_is_time_to_drain(pod: dict[str, Any], container: dict[str, Any]) -> None:
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = Settings().server.drain_timeout_seconds
    assert pod["spec"]["terminationGracePeriodSeconds"] > pause + drain


def test_the_autoscaler_asks_for_a_metric_that_is_there() -> None:
    autoscaler = read("autoscaler.yaml")["spec"]
    (metric,) = autoscaler["metrics"]
    name = metric["pods"]["metric"]["name"]
    shown = metrics.Metrics().render().decode()
    assert f"# TYPE {name} gauge" in shown
    assert autoscaler["scaleTargetRef"]["name"] == read("deployment.yaml")["metadata"]["name"]
    rule, _, _ = (FOLDER / "autoscaler.yaml").read_text(encoding="utf-8").partition("\nkind")
    assert name in rule
