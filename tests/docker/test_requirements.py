"""The lock files pin what pyproject.toml asks for. `make lock` writes them."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docker.dockerfile import ROOT

EXTRAS = {
    "cpu": ["cpu"],
    "gpu": ["gpu"],
    "export": ["cpu", "export"],
    "dev": ["cpu", "export", "dev"],
    "cluster": ["cpu", "cluster"],
}
each = pytest.mark.parametrize("lock", EXTRAS)


@each
def test_all_that_is_asked_for_is_pinned(lock: str) -> None:
    pins = pinned(lock)
    for wanted in asked_for(EXTRAS[lock]):
        name = canonicalize_name(wanted.name)
        assert name in pins, f"{name} is not locked: run make lock"
        assert wanted.specifier.contains(pins[name]), f"{name} {pins[name]}: run make lock"


@each
def test_every_pin_has_hashes(lock: str) -> None:
    _, *pins = re.split(r"^(?=[\w.-]+==)", text(lock), flags=re.MULTILINE)
    assert len(pins) == len(pinned(lock))
    assert all("--hash=sha256:" in pin for pin in pins)


@each
def test_no_registry_is_named(lock: str) -> None:
    assert "://" not in text(lock)
    assert "--index-url" not in text(lock)


@pytest.mark.parametrize(
    ("inner", "outer"), [("cpu", "export"), ("export", "dev"), ("cpu", "cluster")]
)
def test_what_is_tested_is_what_is_served(inner: str, outer: str) -> None:
    assert pinned(inner).items() <= pinned(outer).items()


def test_both_devices_have_the_same_versions() -> None:
    cpu, gpu = pinned("cpu"), pinned("gpu")
    assert cpu.keys() - gpu.keys() == {"onnxruntime"}
    assert cpu["onnxruntime"] == gpu["onnxruntime-gpu"]
    assert all(gpu[name] == version for name, version in cpu.items() if name in gpu)


@each
def test_no_training_framework(lock: str) -> None:
    assert not pinned(lock).keys() & {"torch", "tensorflow", "keras", "transformers"}


def text(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")


def pinned(lock: str) -> dict[str, str]:
    """Name → version."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text(lock), re.MULTILINE))


def asked_for(extras: list[str]) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    wanted = [Requirement(line) for line in lines]
    return [requirement for requirement in wanted if requirement.name != project["name"]]


def test_ray_is_tested_with_the_versions_of_its_image() -> None:
    """Both are installed into the same environment."""
    ours, tests = pinned("cluster"), pinned("dev")
    assert {name: ours[name] for name in ours.keys() & tests.keys()} == {
        name: tests[name] for name in ours.keys() & tests.keys()
    }
