"""Several models in one service: real models, a real engine in its own process, real HTTP."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.access.keys import Key, digest, new_secret, write
from service.app import running_service
from service.errors import StartupError
from service.opening import open_model_directory
from service.settings import (
    AccessSettings,
    CacheSettings,
    DecodingSettings,
    ModelSettings,
    ModelsSettings,
    RuntimeSettings,
    Settings,
)
from tests.end_to_end.conftest import Process, live_server, until
from tests.end_to_end.test_keys import key
from tests.end_to_end.test_process import refused_start
from tests.repositories import convert, install

TEXT = "Où est la gare ? Je voudrais un café."
SECONDS = 120


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert("tiny", tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def untied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert("untied", tmp_path_factory.mktemp("models") / "untied")


class Operator:
    """A client with the key of an admin."""

    def __init__(self, url: str, secret: str) -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=SECONDS)

    def translate(self, q: str = TEXT, source: str = "fr", target: str = "en", **more: Any) -> Any:
        body = {"q": q, "source": source, "target": target, "return_details": True, **more}
        return self.http.post("/translate", json=body).raise_for_status().json()

    def refused(self, path: str = "/translate", **body: Any) -> tuple[int, str]:
        reply = self.http.post(path, json=body)
        return reply.status_code, reply.json()["error"]

    def states(self) -> dict[str, str]:
        found = self.http.get("/models").raise_for_status().json()["models"]
        return {f"{one['name']}/{one['version']}": one["state"] for one in found}

    def do(self, what: str, name: str, **body: Any) -> Any:
        reply = self.http.post(f"/models/{name}/{what}", json=body or None)
        return reply.raise_for_status().json()

    def metric(self, name: str) -> float:
        lines = self.http.get("/metrics").text.splitlines()
        (value,) = (line.split()[1] for line in lines if line.startswith(f"{name} "))
        return float(value)


Serving = Callable[..., Any]


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    """Serves a folder; settings of the models as arguments."""
    secret = new_secret()
    keys = tmp_path / "keys.jsonl"
    write(keys, [Key(name="operator", sha256=digest(secret), admin=True)])

    @contextmanager
    def serving(directory: Path, **models: Any) -> Iterator[Operator]:
        settings = Settings(
            models=ModelsSettings(directory=directory, **models),
            access=AccessSettings(keys_file=keys, keys_required=False),
            runtime=RuntimeSettings(threads=1),
            decoding=DecodingSettings(max_decoding_length=12, retry_repetitions=False),
            cache=CacheSettings(max_mb=0),
        )
        with live_server(settings, open_model_directory) as url:
            operator = Operator(url, secret)
            with operator.http:
                yield operator

    return serving


def test_pairs_are_routed_to_models(
    tiny: Path, untied: Path, tmp_path: Path, serving: Serving
) -> None:
    folder = tmp_path / "models"
    install(tiny, folder / "b-tiny", "fr-en")
    install(untied, folder / "a-untied" / "1", "fr-en", "fr-de")
    install(untied, folder / "c-untied" / "7", "es-en")
    with serving(folder) as operator:
        ready = operator.http.get("/health/ready").json()
        assert (ready["model"], ready["models"]) == ("a-untied", ["a-untied", "b-tiny", "c-untied"])
        listed = {one["code"]: one["targets"] for one in operator.http.get("/languages").json()}
        assert listed == {
            "de": ["de"],
            "en": ["en"],
            "es": ["en", "es"],
            "fr": ["de", "en", "fr"],
        }
        bilingual = operator.translate()
        assert bilingual["details"]["model"] == "b-tiny"
        assert bilingual["details"]["version"] == "1"
        by_name = operator.translate(model="a-untied")
        assert by_name["details"]["model"] == "a-untied"
        assert by_name["translatedText"] != bilingual["translatedText"]
        assert operator.translate(target="de")["details"]["model"] == "a-untied"
        spanish = operator.translate(source="es")
        assert spanish["details"]["models"] == [
            {"model": "c-untied", "version": "7", "variant": "fp32"}
        ]
        assert operator.translate(target="fr")["details"]["models"] == []
        assert operator.refused(q="a", source="es", target="de") == (
            400,
            "German (de) is not available as a target language from Spanish (es)",
        )
        assert operator.refused(q="a", source="fr", target="en", model="d") == (
            400,
            "Invalid request: model parameter names no model that is served here",
        )
        score = {"q": "a", "translation": "a", "source": "fr", "target": "en"}
        scores = [
            operator.http.post("/score", json=score | {"model": name}).json()["score"]
            for name in ("", "a-untied", "b-tiny")
        ]
        assert scores[0] == scores[2] != scores[1]


def test_models_come_and_go(tiny: Path, untied: Path, tmp_path: Path, serving: Serving) -> None:
    folder = tmp_path / "models"
    install(tiny, folder / "fr-en" / "9", "fr-en")
    install(tiny, folder / "other" / "1", "fr-es")
    with serving(folder, load="fr-en") as operator:
        first = operator.translate()
        assert operator.states() == {"fr-en/9": "loaded", "other/1": "unloaded"}
        install(untied, folder / "fr-en" / "10", "fr-en")
        assert operator.states() == {
            "fr-en/10": "unloaded",
            "fr-en/9": "loaded",
            "other/1": "unloaded",
        }
        loaded = operator.do("reload", "fr-en")
        assert (loaded["version"], loaded["state"], loaded["variant"]) == ("10", "loaded", "fp32")
        assert loaded["provider"] == "CPUExecutionProvider"
        second = operator.translate()
        assert second["details"]["version"] == "10"
        assert second["translatedText"] != first["translatedText"]
        until(lambda: operator.states()["fr-en/9"] == "unloaded")
        operator.do("load", "fr-en", version="9")
        assert operator.translate()["translatedText"] == first["translatedText"]
        operator.do("load", "other")
        assert operator.translate(target="es")["details"]["model"] == "other"
        assert operator.metric("seq2seq_models_loaded") == 2
        operator.do("unload", "other")
        assert operator.refused(q="a", source="fr", target="es") == (400, "es is not supported")
        until(lambda: operator.states()["other/1"] == "unloaded")
        assert operator.refused("/models/fr-en/unload") == (
            400,
            "Invalid request: this is the only model that is served",
        )
        assert operator.refused("/models/nothing/load") == (404, "There is no model 'nothing'.")
        assert operator.refused("/models/fr-en/load", version="8") == (
            404,
            "The model 'fr-en' has no version '8'; it has: 10, 9.",
        )
        assert operator.refused("/models/other/reload") == (404, "No model 'other' is served.")
        status, message = operator.refused("/models/fr-en/load", variant="fp4")
        assert (status, "has no variant 'fp4'" in message) == (500, True)
        assert operator.refused("/models/fr-en/load", newest=True)[0] == 400


def test_a_version_that_cannot_be_loaded_leaves_the_old_one(
    tiny: Path, tmp_path: Path, serving: Serving
) -> None:
    folder = tmp_path / "models"
    install(tiny, folder / "fr-en" / "1", "fr-en")
    with serving(folder) as operator:
        first = operator.translate()
        damaged = install(tiny, folder / "fr-en" / "2", "fr-en") / "decoder.fp32.onnx"
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
        assert operator.refused("/models/fr-en/reload") == (
            500,
            f"{damaged} does not have the SHA-256 that the manifest says.",
        )
        (damaged.parent / "manifest.json").write_text("{}")
        status, message = operator.refused("/models/fr-en/reload")
        assert (status, "format None" in message) == (500, True)
        assert operator.states() == {"fr-en/1": "loaded", "fr-en/2": "broken"}
        assert operator.translate()["translatedText"] == first["translatedText"]
        assert operator.metric('seq2seq_model_loads_total{outcome="failed"}') == 2


def test_no_request_fails_while_versions_are_switched(
    tiny: Path, untied: Path, tmp_path: Path, serving: Serving
) -> None:
    """Requests are under way all the time, and each is answered by one version or the other."""
    folder = tmp_path / "models"
    install(tiny, folder / "fr-en" / "1", "fr-en")
    install(untied, folder / "fr-en" / "2", "fr-en")
    answers: set[tuple[str, str]] = set()
    counts: list[int] = []
    stop = threading.Event()

    def ask(number: int, operator: Operator) -> None:
        for count in itertools.count(1):
            found = operator.translate()
            answers.add((found["details"]["version"], found["translatedText"]))
            if stop.is_set():
                counts.append(count)
                return

    with serving(folder, load="fr-en/1") as operator, ThreadPoolExecutor(4) as pool:
        alone = {("1", operator.translate()["translatedText"])}
        clients = [pool.submit(ask, number, operator) for number in range(4)]
        try:
            for switch in range(10):
                version = str(2 - switch % 2)
                assert operator.do("load", "fr-en", version=version)["version"] == version
                assert operator.translate()["details"]["version"] == version
        finally:
            stop.set()
        for client in clients:
            client.result()
        operator.do("load", "fr-en", version="2")
        alone.add(("2", operator.translate()["translatedText"]))
        assert answers == alone
        assert sum(counts) > 20
        until(lambda: operator.states() == {"fr-en/2": "loaded", "fr-en/1": "unloaded"})
        assert operator.metric('seq2seq_model_unloads_total{reason="replaced"}') == 11


def test_models_beyond_the_budget_are_loaded_when_they_are_asked_for(
    tiny: Path, tmp_path: Path, serving: Serving
) -> None:
    folder = tmp_path / "models"
    for target in ("en", "es", "de"):
        install(tiny, folder / f"fr-{target}" / "1", f"fr-{target}")
    with serving(folder, pivots="") as operator:
        (size,) = {one["bytes"] for one in operator.http.get("/models").json()["models"]}
    budget = -(-2 * size >> 20)
    assert 2 * size <= budget << 20 < 3 * size, "two of the models fit into the budget"
    with serving(folder, memory_mb=budget, pivots="") as operator:
        everything = {f"fr-{target}/1" for target in ("de", "en", "es")}

        def loaded() -> set[str]:
            return {name for name, state in operator.states().items() if state == "loaded"}

        assert loaded() == {"fr-de/1", "fr-en/1"}
        expected = operator.translate(target="de")["translatedText"]
        with ThreadPoolExecutor(8) as pool:  # many wait for one load
            found = list(pool.map(lambda _: operator.translate(target="es"), range(8)))
        assert {one["translatedText"] for one in found} == {expected}
        assert loaded() == {"fr-de/1", "fr-es/1"}, "the least recently used one has made room"
        assert set(operator.states()) == everything
        assert operator.states()["fr-en/1"] == "waiting"
        assert operator.metric('seq2seq_model_loads_total{outcome="loaded"}') == 3
        assert operator.metric('seq2seq_model_unloads_total{reason="budget"}') == 1
        targets = ["de", "en", "es"] * 8
        with ThreadPoolExecutor(8) as pool:  # more than fits, all of it in use all the time
            found = list(pool.map(lambda target: operator.translate(target=target), targets))
        assert {one["translatedText"] for one in found} == {expected}
        assert [one["details"]["model"] for one in found] == [f"fr-{one}" for one in targets]
        assert len(loaded()) == 2
        assert operator.metric("seq2seq_models_bytes") <= budget << 20
        shutil.rmtree(folder / next(iter(everything - loaded())))
        missing = next(iter(everything - loaded())).removesuffix("/1")
        status, message = operator.refused(q="a", source="fr", target=missing[-2:])
        assert (status, message) == (500, "The model could not be loaded.")
        assert operator.states()[f"{missing}/1"] == "waiting"


def test_only_admins_manage_models(tiny: Path, tmp_path: Path, serving: Serving) -> None:
    install(tiny, tmp_path / "models" / "fr-en", "fr-en")
    with serving(tmp_path / "models") as operator:
        keys = tmp_path / "keys.jsonl"
        secret = new_secret()
        with keys.open("a") as file:
            file.write(Key(name="client", sha256=digest(secret)).model_dump_json() + "\n")
        url = str(operator.http.base_url)
        for headers in ({}, {"X-API-Key": secret}):
            with httpx.Client(base_url=url, headers=headers) as client:
                body = {"q": "a", "source": "fr", "target": "en"}
                assert client.post("/translate", json=body).status_code == 200
                for ask in (
                    client.get("/models"),
                    client.post("/models/fr-en/load"),
                    client.post("/models/fr-en/reload"),
                    client.post("/models/fr-en/unload"),
                ):
                    assert ask.status_code == 403
                    assert ask.json()["error"].startswith("This needs the key of an admin")
        with httpx.Client(base_url=url, headers={"X-API-Key": "wrong"}) as client:
            assert client.get("/models").json() == {"error": "Invalid API key"}


@pytest.fixture
def pivoting(tiny: Path, untied: Path, tmp_path: Path, serving: Serving) -> Iterator[Operator]:
    """From French to English, and from English to German."""
    folder = tmp_path / "models"
    install(tiny, folder / "fr-en", "fr-en")
    install(untied, folder / "en-de", "en-de")
    with serving(folder) as operator:
        yield operator


def test_languages_without_a_model_are_translated_through_english(pivoting: Operator) -> None:
    listed = {one["code"]: one["targets"] for one in pivoting.http.get("/languages").json()}
    assert listed["fr"] == ["de", "en", "fr"]
    text = TEXT.replace("? ", "?\n")
    more: dict[str, Any] = {"return_alignments": True, "alternatives": 1}
    found = pivoting.translate(text, target="de", **more)
    assert [one["model"] for one in found["details"]["models"]] == ["fr-en", "en-de"]
    assert found["details"]["model"] == "en-de"
    first = pivoting.translate(text, return_alignments=True)
    second = pivoting.translate(first["translatedText"], "en", "de", **more)
    assert found["translatedText"] == second["translatedText"]
    assert found["alternatives"] == second["alternatives"]
    assert [one["source_range"] for one in found["sentences"]] == [[0, 16], [17, 37]]
    words = {text[slice(*one["source"])] for one in found["alignments"]}
    assert words == {"Où", "est", "la", "gare", "?", "Je", "voudrais", "un", "café", "."}
    targets, expected = (
        {tuple(one["target"]) for one in reply["alignments"]} for reply in (found, second)
    )
    assert targets == expected


def test_all_ways_of_asking_lead_through_english(pivoting: Operator) -> None:
    markup = "<p>Le <b>chat</b> de {name} dort.</p><code>du code</code>"
    page = pivoting.translate(markup, target="de", format="html", glossary={"chat": "Katze"})
    for mark in ("<p>", "<b>", "</b>", "</p>", "{name}", "Katze", "<code>du code</code>"):
        assert page["translatedText"].count(mark) == 1
    detected = pivoting.translate("Où est la gare, s'il vous plaît ?", "auto", "de")
    assert detected["detectedLanguage"]["language"] == "fr"
    plain = pivoting.translate(target="de")["translatedText"]
    deepl = {"text": [TEXT], "source_lang": "FR", "target_lang": "DE"}
    reply = pivoting.http.post("/v2/translate", json=deepl).raise_for_status()
    assert reply.json()["translations"][0]["text"] == plain
    body = {"q": TEXT, "source": "fr", "target": "de"}
    with pivoting.http.stream("POST", "/translate", json=body | {"stream": True}) as stream:
        events = [line for line in stream.iter_lines() if line.startswith("event:")]
    assert events[-1] == "event: done"
    assert set(events[:-1]) == {"event: sentence"}


def test_what_two_models_can_not_do_is_refused(pivoting: Operator) -> None:
    body = {"q": TEXT, "source": "fr", "target": "de"}
    for more in ({"return_attention": True}, {"model": "fr-en"}):
        assert pivoting.refused(**body, **more)[0] == 400
    status, message = pivoting.refused("/score", **body, translation="a")
    assert (status, "by two models" in message) == (400, True)


def test_what_the_service_does_not_start_with(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    install(tiny, folder / "fr-en" / "1", "fr-en")

    def refused(directory: Path = folder, variant: str | None = None, **models: Any) -> str:
        settings = Settings(
            models=ModelsSettings(directory=directory, **models),
            model=ModelSettings(variant=variant),
            runtime=RuntimeSettings(threads=1, engine="thread"),
        )
        with pytest.raises(StartupError) as caught, running_service(settings):
            raise AssertionError("unreachable")
        return str(caught.value)

    assert "does not exist" in refused(tmp_path / "nothing")
    assert "MODELS__LOAD: There is no model 'en-fr'" in refused(load="fr-en,en-fr")
    assert "has no version '2'; it has: 1." in refused(load="fr-en/2")
    assert "names a model twice" in refused(load="fr-en/1,fr-en")
    assert "has no variant 'int8'" in refused(variant="int8")
    assert "takes some 2 MiB, which is more than" in refused(memory_mb=1)
    (folder / "other").mkdir()
    assert "other has neither manifest.json" in refused()
    shutil.copytree(tiny, folder / "other" / "1")
    (folder / "other" / "1" / "source.json").unlink()
    assert "source.json is missing" in refused()
    line = refused_start(MODELS__DIRECTORY=str(folder), MODEL__DIRECTORY=str(tiny))
    assert "for one model or" in line


def test_models_of_a_process(
    start: Callable[..., Process], tiny: Path, untied: Path, tmp_path: Path
) -> None:
    """All as an operator does it: a key by the command, a folder, a new version beside the old."""
    folder = tmp_path / "models"
    install(tiny, folder / "fr-en" / "1", "fr-en")
    file = tmp_path / "keys"
    secret = key("add", "operator", "--admin", "--file", str(file)).stdout.strip()
    process = start(
        "service", MODELS__DIRECTORY=str(folder), ACCESS__KEYS_FILE=str(file), RUNTIME__THREADS="1"
    )
    operator = Operator(process.url, secret)
    with operator.http:
        assert operator.translate()["details"]["version"] == "1"
        install(untied, folder / "fr-en" / "2", "fr-en")
        assert operator.do("reload", "fr-en")["version"] == "2"
        assert operator.translate()["details"]["version"] == "2"
    until(lambda: process.logged("a model is unloaded"))


@pytest.mark.parametrize("path", ["/models", "/models/reversing/load"])
def test_without_keys_nobody_manages_models(client: httpx.Client, path: str) -> None:
    reply = client.get(path) if path == "/models" else client.post(path)
    assert reply.status_code == 403
    assert (
        "SEQ2SEQ_ACCESS__KEYS_FILE names a file with the key of an admin" in reply.json()["error"]
    )


def test_one_model_stays(start: Callable[..., Process], tmp_path: Path) -> None:
    file = tmp_path / "keys"
    secret = key("add", "operator", "--admin", "--file", str(file)).stdout.strip()
    operator = Operator(start(ACCESS__KEYS_FILE=str(file)).url, secret)
    with operator.http:
        assert operator.states() == {"reversing/1": "loaded"}
        for path in ("other/load", "reversing/load", "reversing/reload", "reversing/unload"):
            status, message = operator.refused(f"/models/{path}")
            assert (status, "SEQ2SEQ_MODELS__DIRECTORY" in message) == (403, True)
        assert operator.refused("/models/other/reload")[0] == 404
        assert operator.states() == {"reversing/1": "loaded"}
        assert operator.metric('seq2seq_model_loads_total{outcome="loaded"}') == 1
        assert operator.translate("a b")["translatedText"] == "b a"
