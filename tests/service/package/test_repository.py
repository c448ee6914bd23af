"""A folder of models. What is in their manifests is tested with real models."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import InvalidPackage, MissingFile, ModelNotFound
from service.package.repository import Repository


def model(place: Path) -> None:
    place.mkdir(parents=True)
    (place / "manifest.json").write_text("{}")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_the_newest_version_is_the_greatest_number(repository: Repository) -> None:
    for version in ("9", "10", "v9", "v10", "2026-01-02", ".11"):
        model(repository.path / "fr-en" / version)
    (repository.path / "fr-en" / "11").mkdir()  # has no manifest yet
    assert repository.versions() == {"fr-en": ["10", "9", "v10", "v9", "2026-01-02"]}


def test_a_model_without_versions_has_one(repository: Repository, tiny_directory: Path) -> None:
    (repository.path / "tiny").symlink_to(tiny_directory)
    (repository.path / "README.md").write_text("no model")
    repository.require_models()
    assert repository.versions() == {"tiny": ["1"]}
    version, directory = repository.open("tiny")
    assert (version, directory.manifest.name) == ("1", "tiny")


def test_what_is_not_there(repository: Repository) -> None:
    with pytest.raises(MissingFile, match="has no models"):
        repository.require_models()
    model(repository.path / "a" / "1")
    (repository.path / "b").mkdir()
    with pytest.raises(MissingFile, match=r"b has neither manifest\.json nor a folder VERSION"):
        repository.require_models()
    for name in ("b", "c", "..", "", "a/1", ".a"):
        with pytest.raises(ModelNotFound, match="There is no model"):
            repository.open(name)
    with pytest.raises(ModelNotFound, match="no version '2'; it has: 1"):
        repository.open("a", "2")
    with pytest.raises(ModelNotFound, match="no version"):
        repository.open("a", "../a/1")
    with pytest.raises(InvalidPackage, match="format None"):
        repository.open("a", "1")
    with pytest.raises(MissingFile, match="does not exist"):
        Repository(repository.path / "nothing").versions()
