"""The example's config is one that Serve reads, of deployments that the application has."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from service import cluster
from service.errors import InvalidSettings
from tests.conftest import DEFAULT_MODEL
from tests.docker.test_ray_service import FILE


def test_serve_reads_the_config() -> None:
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))["spec"]["serveConfigV2"]
    config = ServeDeploySchema.model_validate(yaml.safe_load(content))
    (application,) = config.applications
    ingress, engine = application.deployments
    assert ingress.max_replicas_per_node == 1
    assert engine.autoscaling_config["max_replicas"] == 8


def test_the_application_is_built_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SEQ_MODEL__DIRECTORY", "elsewhere")
    settings, _ = cluster.app({})._bound_deployment.init_args
    assert settings.model.directory == Path.cwd() / "elsewhere"
    monkeypatch.delenv("SEQ2SEQ_MODEL__DIRECTORY")
    monkeypatch.setenv("SEQ2SEQ_MODEL__DIRECTRY", "elsewhere")
    with pytest.raises(InvalidSettings, match="MODEL__DIRECTRY"):
        cluster.app({})


def test_versions_of_models_are_those_of_the_folder_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SEQ_MODELS__DIRECTORY", str(DEFAULT_MODEL.parent))
    settings, _ = cluster.app({})._bound_deployment.init_args
    assert settings.models.names == ["fr-en/1", "fr-en-lstm/1"]
    monkeypatch.setenv("SEQ2SEQ_MODELS__LOAD", "fr-en/2")
    with pytest.raises(InvalidSettings, match="has no version '2'"):
        cluster.app({})
    monkeypatch.setenv("SEQ2SEQ_MODELS__LOAD", "fr-en")
    monkeypatch.setenv("SEQ2SEQ_MODELS__MEMORY_MB", "100")
    with pytest.raises(InvalidSettings, match="has all models"):
        cluster.app({})
