"""Documents over HTTP, by LibreTranslate's paths and by DeepL's own client."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import deepl
import docx
import httpx
import pytest

from service.access.keys import Key, digest, write
from service.access.usage import Usage
from service.documents.file_types import MEDIA_TYPES
from service.settings import AccessSettings, DocumentSettings, SchedulingSettings, Settings
from tests.end_to_end.conftest import FR_EN, Process, live_server, until
from tests.service.api.reversing import ReversingEngine, serving
from tests.service.documents import office_samples as samples

FRENCH = b"je ne sais pas\n"
ENGLISH = b"pas sais ne je\n"


def upload(client: httpx.Client, name: str, content: bytes, **fields: str) -> httpx.Response:
    data = FR_EN | fields
    return client.post("/translate_file", data=data, files={"file": (name, content)}, timeout=60)


def fetched(client: httpx.Client, reply: httpx.Response) -> httpx.Response:
    assert reply.status_code == 200, reply.text
    assert list(reply.json()) == ["translatedFileUrl"]
    return client.get(reply.json()["translatedFileUrl"])


def error(reply: httpx.Response, status: int) -> str:
    assert reply.status_code == status, reply.text
    assert list(reply.json()) == ["error"]
    text: str = reply.json()["error"]
    return text


def test_a_document_is_translated(client: httpx.Client) -> None:
    found = fetched(client, upload(client, "Une lettre.docx", samples.word_document()))
    assert found.status_code == 200
    assert found.headers["content-type"] == MEDIA_TYPES[".docx"]
    assert found.headers["content-disposition"] == 'attachment; filename="Une_lettre_en.docx"'
    assert docx.Document(io.BytesIO(found.content)).paragraphs[0].text == "titre grand Un"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.txt", "un été".encode(), "text/plain; charset=utf-8"),
        ("a.txt", "un été".encode("cp1252"), "text/plain"),
        ("a.txt", "un été".encode("utf-16"), "text/plain"),
        ("a.html", '<meta charset="iso-8859-1"><p>un été'.encode("latin-1"), "text/html"),
        ("a.json", '{"a": "un été"}'.encode(), "application/json"),
    ],
)
def test_a_charset_is_told_where_it_is_true(
    client: httpx.Client, name: str, content: bytes, kind: str
) -> None:
    found = fetched(client, upload(client, name, content))
    assert found.headers["content-type"] == kind
    if kind.endswith("utf-8"):
        assert found.text == "été un"


def test_the_language_is_detected(client: httpx.Client) -> None:
    assert fetched(client, upload(client, "a.txt", FRENCH, source="auto")).content == ENGLISH


def test_each_document_has_a_name_of_its_own(client: httpx.Client) -> None:
    first, second = (upload(client, "a.txt", FRENCH).json() for _ in range(2))
    assert first != second
    assert len(first["translatedFileUrl"].rsplit("/", 1)[1]) > 32


def test_front_ends_are_told(client: httpx.Client) -> None:
    settings = client.get("/frontend/settings").json()
    assert settings["filesTranslation"] is True
    assert settings["supportedFilesFormat"] == list(MEDIA_TYPES)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.txt", "/a/b.txt", "..\\c.txt", "é\r\nX: y.txt", "."]
)
def test_names_are_made_harmless(client: httpx.Client, name: str) -> None:
    reply = upload(client, name, FRENCH)
    found = fetched(client, reply)
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert set(reply.json()["translatedFileUrl"].rsplit("/", 1)[1]) <= allowed
    assert found.content == ENGLISH


@pytest.mark.parametrize("name", ["x", "%2e%2e%2fetc%2fpasswd", "a" * 5000, "a/b"])
def test_other_names_are_not_found(client: httpx.Client, name: str) -> None:
    error(client.get(f"/download_file/{name}"), 404)


def test_refusals(client: httpx.Client) -> None:
    assert "missing source" in error(upload(client, "a.txt", FRENCH, source=""), 400)
    assert "zz is not supported" in error(upload(client, "a.txt", FRENCH, target="zz"), 400)
    assert ".docx" in error(upload(client, "a.pdf", b"%PDF"), 400)
    assert "ZIP" in error(upload(client, "a.docx", b"un mot"), 400)
    reply = client.post("/translate_file", data=FR_EN, files={"other": ("a.txt", b"x")})
    assert "missing file" in error(reply, 400)
    assert "multipart" in error(client.post("/translate_file", data=FR_EN), 415)
    reply = client.post("/translate_file", content=b"x", headers=BROKEN)
    assert "broken" in error(reply, 400)


BROKEN = {"Content-Type": "multipart/form-data; boundary=a"}


def test_size_is_limited(engine: ReversingEngine) -> None:
    settings = Settings(documents=DocumentSettings(max_mb=1, max_characters=10))
    with live_server(settings, serving(engine)) as url, httpx.Client(base_url=url) as client:
        assert "bytes" in error(upload(client, "a.txt", bytes(2_000_000)), 413)
        assert "10 characters" in error(upload(client, "a.txt", FRENCH), 413)
        assert fetched(client, upload(client, "a.txt", b"un mot")).content == b"mot un"


def test_documents_can_be_turned_off(engine: ReversingEngine) -> None:
    settings = Settings(documents=DocumentSettings(enabled=False))
    with live_server(settings, serving(engine)) as url, httpx.Client(base_url=url) as client:
        error(upload(client, "a.txt", FRENCH), 403)
        assert client.post("/v2/document", data={"target_lang": "EN"}).status_code == 403
        told = client.get("/frontend/settings").json()
        assert (told["filesTranslation"], told["supportedFilesFormat"]) == (False, [])


def test_a_document_gives_way(client: httpx.Client, engine: ReversingEngine) -> None:
    """Its sentences are bulk, and only so many at a time."""
    text = "\n".join(f"un mot {number}" for number in range(500))
    assert fetched(client, upload(client, "a.txt", text.encode())).status_code == 200
    assert {job.priority.value for job in engine.jobs} == {"bulk"}
    engine.hold()
    engine.jobs.clear()
    with closing(deepl.DeepLClient("k", server_url=str(client.base_url))) as translator:
        translator.translate_document_upload(
            text.replace("mot", "chat"), target_lang="EN-US", source_lang="FR", filename="a.txt"
        )
        until(lambda: len(engine.jobs) > 0, 30)
    assert len(engine.jobs) <= 64
    engine.release()


@pytest.fixture
def settings() -> Settings:
    return Settings(
        scheduling=SchedulingSettings(max_waiting_items=100),
        documents=DocumentSettings(max_waiting=2, at_once=1),
    )


@pytest.fixture
def translator(url: str) -> Iterator[deepl.DeepLClient]:
    with closing(deepl.DeepLClient("any:fx", server_url=url)) as translator:
        yield translator


def test_deepls_client_translates_a_document(translator: deepl.DeepLClient) -> None:
    output = io.BytesIO()
    status = translator.translate_document(
        samples.word_document(), output, target_lang="EN-US", filename="a.docx"
    )
    assert status.done
    assert status.billed_characters
    assert docx.Document(io.BytesIO(output.getvalue())).paragraphs[0].text == "titre grand Un"
    usage = translator.get_usage()
    assert usage.character.count == status.billed_characters


def test_deepls_client_translates_files(translator: deepl.DeepLClient, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(FRENCH)
    translator.translate_document_from_filepath(
        tmp_path / "a.txt", tmp_path / "b.txt", source_lang="FR", target_lang="EN-GB"
    )
    assert (tmp_path / "b.txt").read_bytes() == ENGLISH


def test_a_file_without_a_name_is_known_by_its_contents(translator: deepl.DeepLClient) -> None:
    """DeepL's client calls every file object `file`."""
    output = io.BytesIO()
    source = io.BytesIO(samples.open_document())
    translator.translate_document(source, output, source_lang="FR", target_lang="EN-US")
    assert output.getvalue().startswith(b"PK")


def test_deepls_client_is_told_why_not(translator: deepl.DeepLClient) -> None:
    with pytest.raises(deepl.DocumentTranslationException, match="ZIP"):
        translator.translate_document(b"x", io.BytesIO(), target_lang="EN-US", filename="a.docx")
    with pytest.raises(deepl.DeepLException, match="target_lang"):
        translator.translate_document_upload(b"x", filename="a.txt", target_lang="XX")
    with pytest.raises(deepl.DeepLException, match="formality"):
        translator.translate_document_upload(
            b"x", filename="a.txt", target_lang="EN-US", formality="more"
        )
    with pytest.raises(deepl.DeepLException, match="glossary_id"):
        translator.translate_document_upload(
            b"x", filename="a.txt", source_lang="FR", target_lang="EN-US", glossary="g"
        )
    with pytest.raises(deepl.DeepLException, match="output_format"):
        translator.translate_document_upload(
            b"x", filename="a.txt", target_lang="EN-US", output_format="docx"
        )


def ask(client: httpx.Client, handle: deepl.DocumentHandle, path: str = "", **fields: str) -> Any:
    body = {"document_key": handle.document_key} | fields
    return client.post(f"/v2/document/{handle.document_id}{path}", json=body)


def started(translator: deepl.DeepLClient, text: bytes = FRENCH) -> deepl.DocumentHandle:
    return translator.translate_document_upload(
        text, source_lang="FR", target_lang="EN-US", filename="a.txt"
    )


def done(client: httpx.Client, handle: deepl.DocumentHandle) -> bool:
    state: str = ask(client, handle).json()["status"]
    return state in ("done", "error")


def test_states(
    translator: deepl.DeepLClient, client: httpx.Client, engine: ReversingEngine
) -> None:
    engine.hold()
    first = started(translator)
    until(lambda: ask(client, first).json()["status"] == "translating", 30)
    second = started(translator)
    assert ask(client, second).json() == {"document_id": second.document_id, "status": "queued"}
    reply = client.post("/v2/document", data={"target_lang": "EN"}, files={"file": ("a.txt", b"x")})
    assert reply.status_code == 503  # two are waiting
    assert reply.headers["Retry-After"] == "10"  # nothing is known yet
    early = ask(client, first, "/result")
    assert (early.status_code, list(early.json())) == (503, ["message"])
    engine.release()
    until(lambda: done(client, first) and done(client, second), 30)
    result = ask(client, first, "/result")
    assert (result.status_code, result.content) == (200, ENGLISH)
    assert ask(client, first, "/result").status_code == 404  # once
    assert ask(client, first).status_code == 404


def test_a_full_service_says_when_the_first_document_is_expected_to_be_done(
    translator: deepl.DeepLClient, client: httpx.Client, engine: ReversingEngine
) -> None:
    """Half of the first one is translated; then nothing moves."""
    engine.hold()
    first = started(translator, b"mot mot mot.\n\n" * 64 + b"mot mot mot.\n\n" * 64)
    second = started(translator)
    until(lambda: len(engine.jobs) > 0, 30)
    engine.release_held()
    until(lambda: "seconds_remaining" in ask(client, first).json(), 30)
    reply = client.post("/v2/document", data={"target_lang": "EN"}, files={"file": ("a.txt", b"x")})
    assert reply.status_code == 503
    assert 1 <= int(reply.headers["Retry-After"]) < 10
    engine.release()
    until(lambda: done(client, first) and done(client, second), 30)


def test_a_wrong_key_is_refused(translator: deepl.DeepLClient, client: httpx.Client) -> None:
    handle = started(translator)
    for path in ("", "/result"):
        assert ask(client, handle, path, document_key="0" * 64).status_code == 404
        assert ask(client, handle, path, document_key="").status_code == 400
    until(lambda: done(client, handle), 30)
    assert ask(client, handle, "/result").status_code == 200


def test_a_document_that_fails_says_so(
    translator: deepl.DeepLClient, client: httpx.Client, engine: ReversingEngine
) -> None:
    handle = translator.translate_document_upload(b"x", target_lang="EN-US", filename="a.json")
    until(lambda: done(client, handle), 30)
    found = ask(client, handle).json()
    assert found["status"] == "error"
    assert "not JSON" in found["error_message"]
    assert ask(client, handle, "/result").status_code == 404


def broken(client: httpx.Client) -> None:
    """Another client's document, which fails at once."""
    data = {"target_lang": "EN", "source_lang": "FR"}
    reply = client.post("/v2/document", data=data, files={"file": ("a.json", b"x")})
    handle = deepl.DocumentHandle(**reply.raise_for_status().json())
    until(lambda: done(client, handle), 30)


def test_others_do_not_make_the_service_forget_a_document_before_its_time(
    engine: ReversingEngine,
) -> None:
    """While it is translated, and when it has just been."""
    settings = Settings(documents=DocumentSettings(max_waiting=2, keep_files=1))
    engine.hold()
    with (
        live_server(settings, serving(engine)) as url,
        httpx.Client(base_url=url) as client,
        closing(deepl.DeepLClient("any:fx", server_url=url)) as translator,
    ):
        first = started(translator)
        until(lambda: len(engine.jobs) > 0, 30)
        for _ in range(4):
            broken(client)
        assert ask(client, first).json()["status"] == "translating"
        engine.release()
        until(lambda: done(client, first), 30)
        broken(client)
        assert ask(client, first, "/result").content == ENGLISH


def test_a_deadline_ends_it(engine: ReversingEngine) -> None:
    settings = Settings(documents=DocumentSettings(deadline_seconds=3))
    engine.hold()
    with live_server(settings, serving(engine)) as url, httpx.Client(base_url=url) as client:
        error(upload(client, "a.txt", FRENCH), 504)


def test_shutting_down_ends_it(start: Callable[..., Process]) -> None:
    process = start()
    with httpx.Client(base_url=process.url) as client:
        process.tell("hold")
        reply = client.post(
            "/v2/document",
            data={"target_lang": "EN", "source_lang": "FR"},
            files={"file": ("a.txt", b"un mot\n" * 500)},
        )
        handle = deepl.DocumentHandle(**reply.json())
        until(lambda: ask(client, handle).json()["status"] == "translating", 30)
        process.popen.terminate()
        until(lambda: process.logged("draining"))
        process.tell("release")
        assert process.popen.wait(30) == 0


class TestOfAKey:
    """A document is charged as a whole, or not at all."""

    TEXT = b"mot\n" * 100  # more than is translated at a time
    CHARACTERS = 300

    @pytest.fixture
    def quota(self) -> int:
        return self.CHARACTERS

    @pytest.fixture
    def deadline_seconds(self) -> float:
        return 900

    @pytest.fixture
    def keep_mb(self) -> int:
        return 64

    @pytest.fixture
    def settings(
        self, tmp_path: Path, quota: int, deadline_seconds: float, keep_mb: int
    ) -> Settings:
        keys = tmp_path / "keys"
        write(keys, [Key(name="one", sha256=digest("one"), characters_per_month=quota)])
        return Settings(
            access=AccessSettings(keys_file=keys, usage_file=tmp_path / "usage.sqlite"),
            documents=DocumentSettings(deadline_seconds=deadline_seconds, keep_mb=keep_mb),
        )

    @pytest.fixture
    def client(self, url: str) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=url, headers={"X-API-Key": "one"}) as client:
            yield client

    @pytest.fixture
    def translator(self, url: str) -> Iterator[deepl.DeepLClient]:
        with closing(deepl.DeepLClient("one", server_url=url)) as translator:
            yield translator

    def used(self, client: httpx.Client) -> int:
        count: int = client.get("/v2/usage").json()["character_count"]
        return count

    def test_what_is_billed_is_counted(self, translator: deepl.DeepLClient) -> None:
        status = translator.translate_document(
            self.TEXT, io.BytesIO(), source_lang="FR", target_lang="DE", filename="a.txt"
        )
        assert status.billed_characters == self.CHARACTERS
        assert translator.get_usage().character.count == self.CHARACTERS

    def test_a_document_in_the_target_language_is_free(self, client: httpx.Client) -> None:
        reply = upload(client, "a.txt", self.TEXT * 2, source="en")
        assert fetched(client, reply).content == self.TEXT * 2
        assert self.used(client) == 0

    @pytest.mark.parametrize("quota", [CHARACTERS - 1])
    def test_too_few_characters_are_left(
        self, client: httpx.Client, engine: ReversingEngine
    ) -> None:
        assert "Quota exceeded" in error(upload(client, "a.txt", self.TEXT), 403)
        assert (self.used(client), engine.jobs) == (0, [])

    @pytest.mark.parametrize("deadline_seconds", [5])
    def test_its_deadline_passes(self, client: httpx.Client, engine: ReversingEngine) -> None:
        engine.hold()
        error(upload(client, "a.txt", self.TEXT), 504)
        assert self.used(client) == 0

    @pytest.mark.parametrize("keep_mb", [1])
    def test_there_is_no_room_for_its_translation(
        self, client: httpx.Client, translator: deepl.DeepLClient
    ) -> None:
        large = self.TEXT + b"\n" * (1 << 20)
        assert "too large to be kept" in error(upload(client, "a.txt", large), 413)
        with pytest.raises(deepl.DocumentTranslationException, match="too large to be kept"):
            translator.translate_document(
                large, io.BytesIO(), source_lang="FR", target_lang="DE", filename="a.txt"
            )
        assert self.used(client) == 0

    def test_the_service_stops(
        self, settings: Settings, engine: ReversingEngine, tmp_path: Path
    ) -> None:
        engine.hold()
        with (
            live_server(settings, serving(engine)) as url,
            closing(deepl.DeepLClient("one", server_url=url)) as translator,
        ):
            started(translator, self.TEXT)
            until(lambda: len(engine.jobs) > 0, 30)
            assert translator.get_usage().character.count == self.CHARACTERS
        with Usage(tmp_path / "usage.sqlite") as usage:
            assert usage.of("one") == 0
