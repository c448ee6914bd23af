"""Keys, made by the command and used by the clients as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError

import deepl
import httpx
import pytest
from libretranslatepy import LibreTranslateAPI

from tests.end_to_end.conftest import ROOT, Process, environment


def key(*arguments: str, file: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m service key`."""
    return subprocess.run(
        [sys.executable, "-m", "service", "key", *arguments],
        cwd=ROOT,
        env=environment(**{"ACCESS__KEYS_FILE": str(file)} if file else {}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def secret(file: Path) -> str:
    made = key("add", "reader", "--characters-per-month", "20", file=file)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture
def url(start: Callable[..., Process], file: Path, secret: str, tmp_path: Path) -> str:
    usage = str(tmp_path / "usage.sqlite")
    return start(ACCESS__KEYS_FILE=str(file), ACCESS__USAGE_FILE=usage).url


def test_libretranslates_client(url: str, secret: str) -> None:
    assert LibreTranslateAPI(url, secret).translate("a b", "fr", "en") == "b a"
    for other, status, says in (
        (None, 400, "Please contact the server operator to get an API key"),
        ("wrong", 403, "Invalid API key"),
    ):
        api = LibreTranslateAPI(url, other)
        assert len(api.languages()) == 3
        with pytest.raises(HTTPError) as caught:
            api.translate("a b", "fr", "en")
        with caught.value as reply:
            assert (reply.code, json.load(reply)) == (status, {"error": says})


def test_deepls_client(url: str, secret: str) -> None:
    with closing(deepl.DeepLClient(secret, server_url=url)) as client:
        assert client.get_usage().character.limit == 20
        client.translate_text("a b c d e f g h i", source_lang="FR", target_lang="DE")
        assert client.get_usage().character.count == 17
        with pytest.raises(deepl.QuotaExceededException):
            client.translate_text("a b c", source_lang="FR", target_lang="DE")
        client.translate_text("a b", source_lang="FR", target_lang="DE")
        assert client.get_usage().any_limit_reached
    with (
        closing(deepl.DeepLClient("wrong", server_url=url)) as client,
        pytest.raises(deepl.AuthorizationException),
    ):
        client.get_source_languages()


def test_keys_come_and_go_while_the_service_runs(url: str, secret: str, file: Path) -> None:
    second = key("add", "second", "--rates", "1/hour", "--file", str(file)).stdout.strip()
    body = {"q": "a b", "source": "fr", "target": "en"}

    def status(secret: str) -> int:
        return httpx.post(f"{url}/translate", json=body | {"api_key": secret}).status_code

    assert [status(secret), status(second), status(second)] == [200, 200, 429]
    assert key("remove", "reader", file=file).returncode == 0
    assert status(secret) == 403


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", "one"], "SEQ2SEQ_ACCESS__KEYS_FILE"),
        (["add", "reader", "--file", "{file}"], "remove that one first"),
        (["add", "a b", "--file", "{file}"], "name"),
        (["add", "one", "--rates", "often", "--file", "{file}"], "60/minute"),
        (["add", "one", "--characters-per-month", "0", "--file", "{file}"], "greater"),
        (["remove", "one", "--file", "{file}"], "has no key of one"),
        (["add", "one", "--file", "{file}/x"], "can't be written"),
    ],
)
def test_what_the_command_refuses(file: Path, secret: str, arguments: list[str], says: str) -> None:
    before = file.read_text()
    done = key(*(one.format(file=file) for one in arguments))
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert file.read_text() == before
