"""Glossaries in DeepL's API: every call of its own client, over HTTP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import deepl
import httpx
import pytest
from deepl.api_data import MultilingualGlossaryDictionaryEntries as Entries
from deepl.api_data import MultilingualGlossaryInfo

from service.errors import InvalidSettings
from service.glossaries import Glossaries
from service.settings import GlossarySettings, Settings
from tests.end_to_end.conftest import full_disk, live_server
from tests.service.api.reversing import ReversingEngine, serving

ENTRIES = {"chat": "tomcat", "maison": "home", "Le Monde": "Le Monde"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "glossaries"


@pytest.fixture
def settings(directory: Path) -> Settings:
    return Settings(glossaries=GlossarySettings(directory=directory, max_mb=1))


@pytest.fixture
def deepl_client(url: str) -> Iterator[deepl.DeepLClient]:
    with closing(deepl.DeepLClient("any:fx", server_url=url)) as client:
        yield client


def test_a_glossary_of_one_pair(deepl_client: deepl.DeepLClient) -> None:
    made = deepl_client.create_glossary("animals", "FR", "EN-US", ENTRIES)
    assert (made.name, made.source_lang, made.target_lang) == ("animals", "FR", "EN")
    assert made.ready
    assert made.entry_count == len(ENTRIES)
    got = deepl_client.get_glossary(made.glossary_id)
    assert got.creation_time == made.creation_time
    assert deepl_client.get_glossary_entries(made) == ENTRIES
    assert [one.glossary_id for one in deepl_client.list_glossaries()] == [made.glossary_id]
    deepl_client.delete_glossary(made)
    assert deepl_client.list_glossaries() == []
    with pytest.raises(deepl.GlossaryNotFoundException):
        deepl_client.get_glossary(made.glossary_id)
    with pytest.raises(deepl.GlossaryNotFoundException):
        deepl_client.delete_glossary(made)


def test_a_delete_may_name_the_type_of_a_body_that_it_has_not(
    deepl_client: deepl.DeepLClient, client: httpx.Client
) -> None:
    dictionaries = [Entries("FR", target, ENTRIES) for target in ("EN", "DE")]
    made = deepl_client.create_multilingual_glossary("a", dictionaries)
    reply = client.delete(
        f"/v3/glossaries/{made.glossary_id}/dictionaries?source_lang=fr&target_lang=en",
        headers={"Content-Type": "application/json"},
    )
    assert reply.status_code == 204
    (left,) = deepl_client.get_multilingual_glossary(made.glossary_id).dictionaries
    assert left.target_lang == "DE"


def test_texts_with_a_glossary(deepl_client: deepl.DeepLClient) -> None:
    made = deepl_client.create_glossary("animals", "FR", "EN", ENTRIES)
    found = deepl_client.translate_text_with_glossary(["un chat dort", "Le Monde ici"], made)
    assert isinstance(found, list)
    assert [one.text for one in found] == ["dort tomcat un", "ici Le Monde"]
    one = deepl_client.translate_text(
        "<b>Maison</b>, chats",
        source_lang="FR",
        target_lang="EN-US",
        glossary=made,
        tag_handling="xml",
    )
    assert isinstance(one, deepl.TextResult)
    assert "ome" in one.text
    assert "chats" in one.text


def test_several_glossaries(deepl_client: deepl.DeepLClient) -> None:
    first = deepl_client.create_glossary("a", "FR", "EN", {"chat": "cat", "un": "a"})
    second = deepl_client.create_glossary("b", "FR", "EN", {"chat": "tomcat", "dort": "sleeps"})
    found = deepl_client.translate_text(
        "un chat dort ici", source_lang="FR", target_lang="EN-GB", glossary_ids=[first, second]
    )
    assert isinstance(found, deepl.TextResult)
    assert found.text == "ici sleeps cat a"


def test_a_glossary_from_csv(deepl_client: deepl.DeepLClient) -> None:
    csv = 'chat,tomcat\r\n"Le Monde, ""Paris""",Monde,fr,en\r\n'
    made = deepl_client.create_glossary_from_csv("animals", "FR", "DE", csv)
    assert deepl_client.get_glossary_entries(made) == {
        "chat": "tomcat",
        'Le Monde, "Paris"': "Monde",
    }


def test_languages(deepl_client: deepl.DeepLClient) -> None:
    pairs = deepl_client.get_glossary_languages()
    assert [(pair.source_lang, pair.target_lang) for pair in pairs] == [("fr", "de"), ("fr", "en")]


def test_a_glossary_of_several_pairs(deepl_client: deepl.DeepLClient) -> None:
    both = [Entries("FR", "EN", ENTRIES), Entries("FR", "DE", {"chat": "Kater"})]
    made = deepl_client.create_multilingual_glossary("animals", both)
    assert [(one.target_lang, one.entry_count) for one in made.dictionaries] == [
        ("EN", 3),
        ("DE", 1),
    ]
    assert deepl_client.list_glossaries() == []
    with pytest.raises(deepl.GlossaryNotFoundException):
        deepl_client.get_glossary(made.glossary_id)
    assert [one.name for one in deepl_client.list_multilingual_glossaries()] == ["animals"]

    found = deepl_client.translate_text(
        "un chat", source_lang="FR", target_lang="DE", glossary=made
    )
    assert isinstance(found, deepl.TextResult)
    assert found.text == "Kater un"

    renamed = deepl_client.update_multilingual_glossary_name(made, "beasts")
    assert (renamed.name, renamed.creation_time) == ("beasts", made.creation_time)
    more = Entries("FR", "DE", {"chat": "Katze", "chien": "Hund"})
    changed = deepl_client.update_multilingual_glossary_dictionary(made, more)
    assert [one.entry_count for one in changed.dictionaries] == [3, 2]
    assert entries(deepl_client, made, "DE") == "chat\tKatze\nchien\tHund"
    deepl_client.update_multilingual_glossary_dictionary_from_csv(made, "FR", "DE", "rat,Ratte")
    assert entries(deepl_client, made, "DE") == "chat\tKatze\nchien\tHund\nrat\tRatte"

    new = deepl_client.replace_multilingual_glossary_dictionary(
        made, Entries("FR", "DE", {"a": "b"})
    )
    assert (new.target_lang, new.entry_count) == ("DE", 1)
    deepl_client.replace_multilingual_glossary_dictionary_from_csv(made, "FR", "DE", "a,c")
    assert entries(deepl_client, made, "DE") == "a\tc"

    deepl_client.delete_multilingual_glossary_dictionary(made, source_lang="FR", target_lang="DE")
    got = deepl_client.get_multilingual_glossary(made.glossary_id)
    assert [one.target_lang for one in got.dictionaries] == ["EN"]
    assert deepl_client.get_glossary(made.glossary_id).entry_count == len(ENTRIES)
    with pytest.raises(deepl.GlossaryNotFoundException):
        entries(deepl_client, made, "DE")
    with pytest.raises(deepl.DeepLException, match="no entries for these languages"):
        deepl_client.translate_text(
            "un", source_lang="FR", target_lang="DE", glossary=made.glossary_id
        )
    deepl_client.delete_multilingual_glossary(made)
    assert deepl_client.list_multilingual_glossaries() == []


def entries(client: deepl.DeepLClient, made: MultilingualGlossaryInfo, target: str) -> str:
    found = client.get_multilingual_glossary_entries(made, "FR", target)
    (dictionary,) = found.dictionaries
    return str(dictionary.entries)


def test_from_csv(deepl_client: deepl.DeepLClient) -> None:
    made = deepl_client.create_multilingual_glossary_from_csv("a", "FR", "EN", "chat,cat")
    assert [one.entry_count for one in made.dictionaries] == [1]


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/v2/glossaries", {"name": None}, "Parameter 'name' not specified."),
        ("/v2/glossaries", {"name": ""}, "Value for 'name' not supported."),
        ("/v2/glossaries", {"entries": "chat"}, "entry 1 must be two terms with a tabulator"),
        ("/v2/glossaries", {"entries": "\n"}, "the glossary has no entries"),
        ("/v2/glossaries", {"entries": "a\tb\na\tc"}, "has the source term of another entry"),
        ("/v2/glossaries", {"entries_format": "xls"}, "Value for 'entries_format' not supported."),
        ("/v2/glossaries", {"entries": "a,b,c", "entries_format": "csv"}, "two terms, or two"),
        ("/v2/glossaries", {"entries": 'a,"b', "entries_format": "csv"}, "are no CSV"),
        ("/v2/glossaries", {"source_lang": "zz"}, "zz is not supported"),
        ("/v2/glossaries", {"source_lang": "en"}, "must be different"),
        ("/v3/glossaries", {"dictionaries": []}, "Value for 'dictionaries' not supported."),
        ("/v3/glossaries", {"dictionaries": [{}]}, "Parameter 'source_lang' not specified."),
        ("/v3/glossaries", {"dictionaries": [1]}, "Value for 'dictionaries' not supported."),
    ],
)
def test_what_is_refused(client: httpx.Client, path: str, body: dict[str, Any], says: str) -> None:
    good = {"name": "a", "source_lang": "fr", "target_lang": "en", "entries": "a\tb"}
    reply = client.post(path, json=good | body)
    assert reply.status_code == 400
    assert says in reply.json()["message"]


@pytest.mark.parametrize("glossary_id", ["x", "..%2f..%2fetc%2fpasswd", "..", "%00", "a" * 9_999])
def test_ids_are_no_paths(client: httpx.Client, directory: Path, glossary_id: str) -> None:
    (directory.parent / "x.json").write_text("{}")
    for path in ("/v2/glossaries/", "/v3/glossaries/"):
        assert client.get(path + glossary_id).status_code == 404
        assert client.delete(path + glossary_id).status_code in (404, 405)
    body = {"text": ["a"], "source_lang": "FR", "target_lang": "EN", "glossary_id": glossary_id}
    assert client.post("/v2/translate", json=body).status_code == 404
    assert (directory.parent / "x.json").exists()


def test_the_language_must_be_said_with_a_glossary(client: httpx.Client) -> None:
    reply = client.post(
        "/v2/translate", json={"text": ["a"], "target_lang": "EN", "glossary_id": "x"}
    )
    assert reply.status_code == 400
    assert "source_lang" in reply.json()["message"]


def test_glossaries_outlive_the_service(settings: Settings, directory: Path) -> None:
    made: list[deepl.GlossaryInfo] = []
    for _ in range(2):
        with (
            live_server(settings, serving(ReversingEngine())) as url,
            closing(deepl.DeepLClient("any:fx", server_url=url)) as client,
        ):
            if not made:
                made.append(client.create_glossary("été", "FR", "EN", {"été": "sommer"}))
            assert client.get_glossary_entries(made[0].glossary_id) == {"été": "sommer"}
    (file,) = directory.iterdir()
    assert json.loads(file.read_text(encoding="utf-8"))["name"] == "été"


def test_the_folder_does_not_grow_without_end(client: httpx.Client, directory: Path) -> None:
    rows = "".join(f"{number:05} {'x' * 90}\t{'y' * 90}\n" for number in range(2_000))
    body = {"name": "a", "source_lang": "fr", "target_lang": "en", "entries": rows}
    replies = [client.post("/v2/glossaries", json=body) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [201, 201, 403, 403]
    assert replies[-1].json() == {"message": "No more glossaries are taken on this server."}
    assert len(list(directory.iterdir())) == 2
    made = replies[0].json()["glossary_id"]
    assert client.delete(f"/v2/glossaries/{made}").status_code == 204
    assert client.post("/v2/glossaries", json=body).status_code == 201


def test_a_glossary_on_a_full_disk(
    client: httpx.Client, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"name": "a", "source_lang": "fr", "target_lang": "en", "entries": "chat\tcat"}
    with full_disk():
        reply = client.post("/v2/glossaries", json=body)
    assert (reply.status_code, reply.json()["message"]) == (
        507,
        "It could not be stored: File too large.",
    )
    assert list(directory.iterdir()) == []
    assert client.post("/v2/glossaries", json=body).status_code == 201


def test_a_glossary_when_the_folder_is_there_no_more(client: httpx.Client, directory: Path) -> None:
    body = {"name": "a", "source_lang": "fr", "target_lang": "en", "entries": "chat\tcat"}
    made = client.post("/v2/glossaries", json=body).json()["glossary_id"]
    shutil.rmtree(directory)
    directory.touch()
    for reply in (
        client.post("/v2/glossaries", json=body),
        client.delete(f"/v2/glossaries/{made}"),
    ):
        assert reply.status_code == 507
        assert reply.json()["message"] == "It could not be stored: Not a directory."


@pytest.mark.parametrize(
    "broken", [lambda _: "{", lambda _: "[]", lambda _: '{"glossary_id": "../x"}', str.upper]
)
def test_a_broken_file_is_told_at_start(
    directory: Path, broken: Callable[[str], str], deepl_client: deepl.DeepLClient
) -> None:
    made = deepl_client.create_glossary("a", "FR", "EN", ENTRIES)
    path = directory / f"{made.glossary_id}.json"
    path.write_text(broken(path.read_text()))
    with pytest.raises(InvalidSettings, match=made.glossary_id):
        Glossaries(directory, 10**6)


def test_without_a_folder_there_are_none() -> None:
    with live_server(Settings(), serving(ReversingEngine())) as url:
        reply = httpx.get(f"{url}/v2/glossaries")
        assert reply.status_code == 403
        assert reply.json() == {"message": "Glossaries are disabled on this server."}
        body = {"text": ["a"], "source_lang": "FR", "target_lang": "EN", "glossary_id": "x"}
        assert httpx.post(f"{url}/v2/translate", json=body).status_code == 403
        assert "supported_languages" in httpx.get(f"{url}/v2/glossary-language-pairs").json()
