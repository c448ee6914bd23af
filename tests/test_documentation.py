"""What can be set, called and measured is in the README."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from service import settings
from service.app import create_app
from service.metrics import Metrics


@pytest.fixture(scope="module")
def readme() -> str:
    return (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(settings.Settings())


@pytest.mark.parametrize("name", settings.names())
def test_every_setting_is_documented(name: str, readme: str) -> None:
    assert name in readme


def test_every_path_is_documented(app: FastAPI, readme: str) -> None:
    missing = [path for path in app.openapi()["paths"] if path not in readme]
    assert missing == []


def test_every_metric_is_documented(readme: str) -> None:
    families = text_string_to_metric_families(Metrics().render().decode())
    missing = [family.name for family in families if family.name not in readme]
    assert missing == []
