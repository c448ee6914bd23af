"""docker-compose.yml fits the service. `make containers` checks it against the specification."""

from __future__ import annotations

import re

from service import settings
from tests.docker.dockerfile import ROOT

COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def test_only_known_settings_are_set() -> None:
    names = set(re.findall(rf"^\s+({settings.PREFIX}\w+):", COMPOSE, re.MULTILINE))
    assert names
    assert names <= settings.names().keys()


def test_accepted_requests_are_finished_before_the_kill() -> None:
    grace = re.search(r"stop_grace_period: (\d+)s", COMPOSE)
    assert grace
    assert int(grace[1]) > settings.Settings().server.drain_timeout_seconds + 5


def test_both_services_can_run_at_once() -> None:
    ports = re.findall(r'ports: \["\$\{\w+:-(\d+)\}:8080"\]', COMPOSE)
    assert len(ports) == 2
    assert len(set(ports)) == 2


def test_the_image_files_are_there() -> None:
    files = re.findall(r"dockerfile: (\S+)", COMPOSE)
    assert files
    assert all((ROOT / file).is_file() for file in files)
