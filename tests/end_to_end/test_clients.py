from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError

import httpx
import pytest
from libretranslatepy import LibreTranslateAPI

from tests.end_to_end.conftest import FR_EN, until
from tests.service.api.reversing import ReversingEngine


def test_the_official_libretranslate_client_translates(url: str) -> None:
    api = LibreTranslateAPI(url, api_key="any")
    assert api.translate("Ça va & toi ?\nligne deux", "fr", "en") == "? toi & va Ça\ndeux ligne"
    french = next(language for language in api.languages() if language["code"] == "fr")
    assert french == {"code": "fr", "name": "French", "targets": ["de", "en", "fr"]}


def test_the_official_libretranslate_client_is_told_what_is_wrong(url: str) -> None:
    with pytest.raises(HTTPError) as caught:
        LibreTranslateAPI(url).translate("a", "zz", "en")
    with caught.value as reply:
        assert reply.code == 400
        assert json.load(reply) == {"error": "zz is not supported"}


def test_too_much_work_is_refused_until_there_is_room(
    client: httpx.Client, engine: ReversingEngine, url: str
) -> None:
    engine.hold()
    with ThreadPoolExecutor() as threads:
        body = FR_EN | {"q": ["a", "b", "c"]}
        accepted = threads.submit(httpx.post, f"{url}/translate", json=body)
        until(lambda: engine.waiting == 3)
        refused = client.post("/translate", json=FR_EN | {"q": "d"})
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert "waiting" in refused.json()["error"]
        unread = client.post("/translate", content=b"{")  # refused before it is looked at
        assert unread.status_code == 503
        assert "seq2seq_waiting_items 3.0" in client.get("/metrics").text
        engine.release()
        assert accepted.result().status_code == 200
    assert client.post("/translate", json=FR_EN | {"q": "d"}).status_code == 200


def test_keep_alive_survives_errors(client: httpx.Client) -> None:
    for body in (b"{", b'{"q": 5}', b"[]", b"\xff"):
        reply = client.post(
            "/translate", content=body, headers={"Content-Type": "application/json"}
        )
        assert reply.status_code == 400
        assert "Connection" not in reply.headers
    assert client.post("/translate", json=FR_EN | {"q": "a b"}).json() == {"translatedText": "b a"}
