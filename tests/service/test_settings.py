from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from service import settings
from service.domain import DecodingOptions
from service.errors import InvalidSettings


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """An environment without our names."""
    before = dict(os.environ)
    for name in before:
        if name.upper().startswith(settings.PREFIX):
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


def test_every_setting_has_a_default() -> None:
    found = settings.load()
    assert found.server.port == 8080
    assert found.decoding.options() == DecodingOptions(beam_size=4)


def test_a_setting_is_read_from_the_environment() -> None:
    os.environ["SEQ2SEQ_SERVER__PORT"] = "0"
    os.environ["SEQ2SEQ_LIMITS__MAX_ITEMS"] = "7"
    found = settings.load()
    assert (found.server.port, found.limits.max_items) == (0, 7)
    assert found.server.host == "127.0.0.1"


@pytest.mark.parametrize("value", ["*", "", "127.0.0.1", "10.0.0.0/8, ::1,fd00::/8"])
def test_proxies_are_addresses_and_networks(value: str) -> None:
    os.environ["SEQ2SEQ_SERVER__TRUSTED_PROXIES"] = value
    assert settings.load().server.trusted_proxies == value


@pytest.mark.parametrize(
    "name",
    ["MODEL__DIRECTORY", "GLOSSARIES__DIRECTORY", "MODELS__DIRECTORY", "ACCESS__KEYS_FILE"],
)
def test_an_empty_path_is_not_set(name: str) -> None:
    os.environ[f"SEQ2SEQ_{name}"] = ""
    assert settings.load() == settings.Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEQ2SEQ_SERVER__PORT", "65536"),
        ("SEQ2SEQ_SERVER__PORT", "http"),
        ("SEQ2SEQ_SERVER__LOG_FORMAT", "xml"),
        ("SEQ2SEQ_SERVER__TRUSTED_PROXIES", "nginx"),
        ("SEQ2SEQ_SERVER__TRUSTED_PROXIES", "172.18.0.1/16"),
        ("SEQ2SEQ_SERVER__TRUSTED_PROXIES", "10.0.0.1, *"),
        ("SEQ2SEQ_LIMITS__MAX_ITEMS", "0"),
        ("SEQ2SEQ_SCHEDULING__DEADLINE_SECONDS", "-1"),
        ("SEQ2SEQ_SCHEDULING__DEADLINE_SECONDS", "inf"),
        ("SEQ2SEQ_DECODING__LENGTH_PENALTY", "nan"),
        ("SEQ2SEQ_RUNTIME__DEVICE", "tpu"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(name: str, value: str) -> None:
    os.environ[name] = value
    with pytest.raises(InvalidSettings, match=name):
        settings.load()


@pytest.mark.parametrize(
    "name", ["SEQ2SEQ_NONSENSE", "SEQ2SEQ_SERVER__PROT", "SEQ2SEQ_SERVER", "seq2seq_x__y"]
)
def test_a_name_that_is_no_setting_is_refused(name: str) -> None:
    os.environ[name] = "1"
    with pytest.raises(InvalidSettings, match=name):
        settings.load()


def test_the_defaults_of_requests_must_be_allowed() -> None:
    os.environ["SEQ2SEQ_LIMITS__MAX_BEAM_SIZE"] = "2"
    with pytest.raises(InvalidSettings, match="SEQ2SEQ_DECODING__BEAM_SIZE must not"):
        settings.load()


def test_every_setting_is_described() -> None:
    assert all(settings.names().values())
    assert "SEQ2SEQ_MODEL__DIRECTORY" in settings.names()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.load().server.port = 1  # type: ignore[misc]


def test_one_model_and_a_folder_of_models_contradict_each_other() -> None:
    os.environ["SEQ2SEQ_MODELS__DIRECTORY"] = "models"
    assert settings.load().models.names == []
    os.environ["SEQ2SEQ_MODELS__LOAD"] = "fr-en, de-en/2"
    assert settings.load().models.names == ["fr-en", "de-en/2"]
    os.environ["SEQ2SEQ_MODEL__DIRECTORY"] = "models/fr-en"
    with pytest.raises(InvalidSettings, match="for one model or SEQ2SEQ_MODELS__DIRECTORY"):
        settings.load()
