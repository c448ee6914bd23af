"""What Prometheus and Grafana are told fits the service."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from service import settings
from service.domain import ModelDescription
from service.metrics import Load, Metrics
from tests.docker.dockerfile import ROOT

GRAFANA = ROOT / "docker" / "grafana"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((GRAFANA / "dashboards" / "seq2serve.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
NAME = re.compile(r"\b(?:seq2seq|process)_\w+")


def configuration(path: str) -> Any:
    return yaml.safe_load((GRAFANA / "provisioning" / path).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def labels() -> dict[str, set[str]]:
    """The labels of every sample."""
    metrics = Metrics()
    model = ModelDescription("fr-en", "1", "int8", "int8", "cpu", "CPUExecutionProvider")
    metrics.read_load = lambda: Load(models=[model])
    metrics.requests.labels("route", 200)
    metrics.request_seconds.labels("route").observe(1)
    metrics.errors.labels("kind")
    metrics.model_loads.labels("outcome")
    metrics.model_unloads.labels("reason")
    metrics.rejections.labels("items", "bulk")
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_every_query_uses_metrics_and_labels_that_there_are(
    panel: dict[str, Any], labels: dict[str, set[str]]
) -> None:
    added = {"job", "instance"}  # by Prometheus
    for target in panel["targets"]:
        names = NAME.findall(target["expr"])
        assert names
        assert set(names) <= labels.keys()
        known = added | set.union(*(labels[name] for name in names))
        used = re.findall(r"(\w+)=~?\"", target["expr"])
        for group in re.findall(r"by \(([^)]*)\)", target["expr"]):
            used += group.split(", ")
        used += re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
        assert set(used) <= known


def test_every_metric_of_the_service_is_shown(labels: dict[str, set[str]]) -> None:
    shown = set(NAME.findall(json.dumps(DASHBOARD)))
    families = {re.sub(r"_(total|bucket|sum|count|info)$", "", name) for name in shown}
    ours = {
        re.sub(r"_(total|bucket|sum|count|info)$", "", name)
        for name in labels
        if name.startswith("seq2seq_")
    }
    assert ours - families == {"seq2seq_waiting_characters", "seq2seq_cache_entries"}


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))


def test_grafana_finds_the_dashboard_and_prometheus() -> None:
    (provider,) = configuration("dashboards/seq2serve.yml")["providers"]
    (source,) = configuration("datasources/prometheus.yml")["datasources"]
    grafana = COMPOSE["services"]["grafana"]
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in grafana["volumes"]}
    folder = mounted[provider["options"]["path"]]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / folder / home.removeprefix(provider["options"]["path"] + "/")).is_file()
    assert source["url"] == "http://prometheus:9090"
    (default,) = (one for one in DASHBOARD["templating"]["list"] if one["name"] == "source")
    assert default["current"]["value"] == source["uid"]


def test_prometheus_asks_the_service() -> None:
    text = (ROOT / "docker" / "prometheus.yml").read_text(encoding="utf-8")
    (job,) = yaml.safe_load(text)["scrape_configs"]
    assert job.get("metrics_path", "/metrics") == "/metrics"
    host, port = job["static_configs"][0]["targets"][0].split(":")
    assert COMPOSE["services"][host]["ports"] == [f"${{PORT:-8080}}:{port}"]


def rules() -> list[dict[str, Any]]:
    """The alerts of Prometheus."""
    text = (ROOT / "docker" / "alerts.yml").read_text(encoding="utf-8")
    (group,) = yaml.safe_load(text)["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_every_alert_uses_metrics_and_labels_that_there_are(
    rule: dict[str, Any], labels: dict[str, set[str]]
) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    names = NAME.findall(rule["expr"])
    assert set(names) <= labels.keys()
    known = {"job", "instance"}.union(*(labels[name] for name in names))
    used = re.findall(r"(\w+)!?=~?\"", rule["expr"])
    used += re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"]))
    for group in re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"]):
        used += group.split(", ")
    assert set(used) <= known
    for name in re.findall(r"SEQ2SEQ_\w+", rule["annotations"]["description"]):
        assert name in settings.names()


def test_prometheus_reads_the_alerts_and_the_manual_tells_of_each() -> None:
    text = (ROOT / "docker" / "prometheus.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["rule_files"] == ["alerts.yml"]
    mounted = COMPOSE["services"]["prometheus"]["volumes"]
    assert "./docker/alerts.yml:/etc/prometheus/alerts.yml:ro,z" in mounted
    manual = (ROOT / "docker" / "README.md").read_text(encoding="utf-8")
    for rule in rules():
        assert f"`{rule['alert']}`" in manual


def test_monitoring_is_a_choice() -> None:
    for name in ("prometheus", "grafana"):
        assert COMPOSE["services"][name]["profiles"] == ["monitoring"]
        assert COMPOSE["services"][name]["read_only"]


def alert_tests() -> list[dict[str, Any]]:
    text = (ROOT / "docker" / "alerts_test.yml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = yaml.safe_load(text)["tests"]
    return found


def test_every_alert_is_shown_to_be_raised() -> None:
    raised = {
        asked["alertname"]
        for test in alert_tests()
        for asked in test["alert_rule_test"]
        if asked["exp_alerts"]
    }
    assert raised == {rule["alert"] for rule in rules()}


def test_the_tests_of_alerts_use_metrics_and_labels_that_there_are(
    labels: dict[str, set[str]],
) -> None:
    for test in alert_tests():
        for given in test["input_series"]:
            name, _, told = given["series"].partition("{")
            assert name == "up" or name in labels
            used = set(re.findall(r"(\w+)=\"", told))
            assert used <= {"job", "instance"}.union(labels.get(name, set()))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus is not installed")
@pytest.mark.parametrize(
    "command",
    [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")],
    ids=" ".join,
)
def test_prometheus_itself_agrees(command: tuple[str, ...]) -> None:
    subprocess.run(["promtool", *command], cwd=ROOT / "docker", check=True)
