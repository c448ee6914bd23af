"""python -m service translate-file, with the tiny model."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from service.app import running_service
from service.bulk import command, run
from service.bulk.finished import Finished
from service.domain import TranslationRequest
from service.errors import OtherWork
from service.settings import RuntimeSettings, Settings, load
from tests.conftest import DATA

TEXTS = (DATA / "text" / "tatoeba.fr").read_text(encoding="utf-8").splitlines()[:40]
TEXTS_PACKED = gzip.compress("\n".join(TEXTS).encode())
PAIR = ("--source", "fr", "--target", "en")


@pytest.fixture(autouse=True)
def settings(tiny_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings from the environment; log handlers are put back."""
    monkeypatch.setenv("SEQ2SEQ_MODEL__DIRECTORY", str(tiny_directory))
    monkeypatch.setenv("SEQ2SEQ_RUNTIME__ENGINE", "thread")
    monkeypatch.setenv("SEQ2SEQ_DECODING__MAX_DECODING_LENGTH", "12")
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield load()
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture(scope="module")
def expected(tiny_directory: Path) -> list[str]:
    """The translation of each text, asked for by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQ2SEQ_MODEL__DIRECTORY", str(tiny_directory))
        patch.setenv("SEQ2SEQ_DECODING__MAX_DECODING_LENGTH", "12")
        found = load().model_copy(update={"runtime": RuntimeSettings(engine="thread")})

    async def translate() -> list[str]:
        with running_service(found) as service:
            return [
                (await service.translator.translate(request_of(found, text)))[0].text
                for text in TEXTS
            ]

    return asyncio.run(translate())


def request_of(settings: Settings, *texts: str) -> TranslationRequest:
    return TranslationRequest(
        texts=texts,
        source="fr",
        target="en",
        options=settings.decoding.options(),
        deadline=float("inf"),
        retry_repetitions=settings.decoding.retry_repetitions,
    )


def test_lines_keep_their_order_and_their_ends(tmp_path: Path, expected: list[str]) -> None:
    source, target = tmp_path / "a.txt", tmp_path / "b.txt"
    ends = ["\r\n" if number % 3 == 0 else "\n" for number in range(len(TEXTS) - 1)] + [""]
    write = "".join(text + end for text, end in zip(TEXTS, ends, strict=True))
    kept = "\n123\n \n1\u20282\x0b3\r4\n"
    source.write_bytes((kept + write).encode())
    assert command.main([str(source), str(target), *PAIR]) == 0
    joined = "".join(text + end for text, end in zip(expected, ends, strict=True))
    assert target.read_bytes().decode() == kept + joined
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_compressed_lines(tmp_path: Path, expected: list[str]) -> None:
    source, target = tmp_path / "a.txt.gz", tmp_path / "b.txt.gz"
    source.write_bytes(gzip.compress("\n".join(TEXTS).encode()))
    assert command.main([str(source), str(target), *PAIR]) == 0
    assert gzip.decompress(target.read_bytes()).decode().split("\n") == expected


def test_columns(tmp_path: Path, expected: list[str]) -> None:
    source, target = tmp_path / "a.tsv", tmp_path / "b.tsv"
    source.write_text("".join(f"{n}\t{text}\tx\n" for n, text in enumerate(TEXTS)))
    assert command.main([str(source), str(target), *PAIR, "--column", "2"]) == 0
    rows = [line.split("\t") for line in target.read_text().splitlines()]
    assert rows == [
        [str(n), text, "x", translation]
        for n, (text, translation) in enumerate(zip(TEXTS, expected, strict=True))
    ]


def test_json_lines_keep_their_other_fields(tmp_path: Path, expected: list[str]) -> None:
    source, target = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    objects = [{"n": n, "fr": text, "more": ["é", "\ud800"]} for n, text in enumerate(TEXTS)]
    source.write_text("".join(json.dumps(one) + "\n" for one in objects))
    chosen = ["--field", "fr", "--into", "en"]
    assert command.main([str(source), str(target), *PAIR, *chosen]) == 0
    found = [json.loads(line) for line in gzip.decompress(target.read_bytes()).splitlines()]
    assert found == [one | {"en": text} for one, text in zip(objects, expected, strict=True)]


def test_parquet_keeps_its_columns(tmp_path: Path, expected: list[str]) -> None:
    source, target = tmp_path / "a.parquet", tmp_path / "b.parquet"
    table = pyarrow.table({"n": range(len(TEXTS) + 1), "text": [None, *TEXTS]})
    pyarrow.parquet.write_table(table, source)
    assert command.main([str(source), str(target), *PAIR]) == 0
    found = pyarrow.parquet.read_table(target)
    assert found.drop_columns("translation").equals(table)
    assert found["translation"].to_pylist() == ["", *expected]


def killed_after(count: int) -> Callable[[int], None]:
    """A progress that ends the program when so many records are finished."""
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        if done >= count:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_file_goes_on_without_loss_or_repetition(
    tmp_path: Path, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "a.txt", tmp_path / "b.txt"
    source.write_text("\n".join(TEXTS))
    call = [str(source), str(target), *PAIR]
    plain, translated = run.translate, []

    async def interrupted(*arguments: object) -> None:
        await plain(*arguments[:4], killed_after(run.CHUNK))  # type: ignore[arg-type, call-arg]

    monkeypatch.setattr(run, "translate", interrupted)
    assert command.main(call) == 130
    begun = tmp_path / "b.txt.part"
    assert not target.exists()
    assert len(begun.read_bytes().splitlines()) == 1 + run.CHUNK
    begun.write_bytes(begun.read_bytes() + b'"half a lin')

    async def counted(*arguments: object) -> None:
        finished = arguments[3]
        assert isinstance(finished, Finished)
        translated.append(finished.count)
        await plain(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "translate", counted)
    assert command.main(call) == 0
    assert translated == [run.CHUNK]
    assert target.read_text().split("\n") == expected
    assert not begun.exists()


def test_a_killed_process_goes_on(tmp_path: Path, expected: list[str]) -> None:
    source, target = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    count = 50 * len(TEXTS)
    # No two alike, or the cache would have them.
    texts = [f"{text} {n}" for n, text in enumerate(TEXTS * 50)]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    call = [sys.executable, "-m", "service", "translate-file", str(source), str(target), *PAIR]
    process = subprocess.Popen(call)
    begun = tmp_path / "b.jsonl.part"
    while process.poll() is None and not (begun.exists() and begun.stat().st_size > 2_000):
        os.sched_yield()
    process.kill()
    assert process.wait() == -9, "it was over before it could be killed"
    before = begun.read_bytes()
    assert subprocess.run(call, check=False).returncode == 0
    found = [json.loads(line) for line in target.read_text().splitlines()]
    assert [one["text"] for one in found] == texts
    complete = before[: before.rfind(b"\n") + 1].splitlines()[1:]
    assert 0 < len(complete) < count
    assert [json.loads(line)[1] for line in complete] == [
        one["translation"] for one in found[: len(complete)]
    ]


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.csv", b"x", (), "a.csv is none of .txt, .tsv"),
        ("a.txt", b"ok\n\xff\n", (), "a.txt, line 2: 'utf-8' codec can't decode"),
        ("a.tsv", b"a\tb\na\n", ("--column", "2"), "a.tsv, line 2: has 1 columns, and column 2"),
        ("a.jsonl", b'{"text":"a"}\n{"q":1}\n', (), "line 2: is not an object with a text named"),
        ("a.jsonl", b"[1]\n", (), "a.jsonl, line 1: is not an object"),
        ("a.jsonl", b'{"text":"a"\n', (), "a.jsonl, line 1: Expecting"),
        ("a.jsonl", b'{"text":"\\ud800"}\n', (), "a.jsonl, line 1: 'utf-8' codec can't encode"),
        ("a.parquet", b"PAR0", (), "a.parquet is not a Parquet file"),
        ("a.txt", b"x", ("--target", "de"), "de is not supported"),
        ("a.tsv", b"a\tb\n", ("--column", "0"), "no column 0: the first one is 1"),
        ("a.tsv", b"a\tb\n", ("--column", "-1"), "no column -1: the first one is 1"),
        (
            "a.txt.gz",
            TEXTS_PACKED[:-9],
            (),
            "a.txt.gz is no whole gzip file: Compressed file ended",
        ),
        ("a.txt.gz", TEXTS_PACKED[:10] + b"\xff" * 99, (), "a.txt.gz is no whole gzip file: Error"),
        ("a.txt.gz", TEXTS_PACKED[:-8] + bytes(8), (), "a.txt.gz is no whole gzip file: CRC"),
        ("a.jsonl.gz", b"{}", (), "a.jsonl.gz is no whole gzip file: Not a gzipped"),
    ],
)
def test_what_is_wrong_is_said(
    name: str,
    content: bytes,
    options: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, target = tmp_path / name, tmp_path / name.replace("a.", "b.")
    source.write_bytes(content)
    assert command.main([str(source), str(target), *PAIR, *options]) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]  # nothing was begun that would have to be forgotten


def test_a_record_that_has_no_translation_is_told_by_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "a.txt", tmp_path / "b.txt"
    bad = 2 * run.CHUNK + 5
    source.write_text("".join(f"<p>{n}{'<b>' * (n == bad)}</p>\n" for n in range(1, 3 * bad)))
    assert command.main([str(source), str(target), *PAIR, "--format", "xml"]) == 1
    message = f"Record {bad}: Invalid request: the text is no XML"
    assert message in capsys.readouterr().err
    assert len((tmp_path / "b.txt.part").read_bytes().splitlines()) == bad  # with one for the work


def test_after_it_is_mended_the_same_command_goes_on(tmp_path: Path) -> None:
    source, target = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    bad = run.CHUNK + 5
    lines = [json.dumps({"text": f"<p>{n}{'<b>' * (n == bad)}</p>"}) for n in range(1, 2 * bad)]
    source.write_text("\n".join(lines))
    call = [str(source), str(target), *PAIR, "--format", "xml"]
    assert command.main(call) == 1
    begun = (tmp_path / "b.jsonl.part").read_bytes()
    assert begun.count(b"\n") == bad
    # Another key of a finished record is no matter of its translation, and more records may come.
    source.write_text("\n".join(lines).replace("<b>", "").replace('{"', '{"id": 7, "', 1) + "\n{}")
    assert command.main(call) == 1  # the last line has no text
    assert (tmp_path / "b.jsonl.part").read_bytes() == begun
    source.write_text(source.read_text().replace("\n{}", '\n{"text": "<p>0</p>"}'))
    assert command.main(call) == 0
    found = [json.loads(line) for line in target.read_text().splitlines()]
    assert [one["translation"] for one in found] == [one["text"] for one in found]  # numbers
    assert len(found) == len(lines) + 1
    assert found[0]["id"] == 7


@pytest.mark.parametrize("texts", [["a", "c", "d"], ["a"]])
def test_finished_records_may_not_change(
    tmp_path: Path, texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "a.txt"
    call = [str(source), str(tmp_path / "b.txt"), *PAIR, "--format", "xml"]
    source.write_text("a\nb\n<b>\n")
    assert command.main(call) == 1
    source.write_text("\n".join(texts))
    assert command.main(call) == 1
    assert "has another text as record 2; go on with" in capsys.readouterr().err
    assert command.main([*call, "--restart"]) == 0


def test_columns_of_parquet_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"n": [1], "text": ["a"]}), source)
    call = [str(source), str(tmp_path / "b.parquet"), *PAIR]
    for options, message in (
        (("--field", "q"), "has no column 'q'; it has n, text."),
        (("--field", "n"), "column 'n' is int64, not text."),
        (("--into", "text"), "has a column 'text' already"),
    ):
        assert command.main([*call, *options]) == 1
        assert message in capsys.readouterr().err


def test_input_and_output_are_of_one_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("x")
    assert command.main([str(tmp_path / "a.txt"), str(tmp_path / "b.tsv"), *PAIR]) == 1
    assert "b.tsv must be a .txt file, as the input is." in capsys.readouterr().err


def test_other_work_is_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "b.txt.part"
    with Finished(path, {"input": "a", "beam": 4}) as finished:
        finished.append(["un", "deux"], ["one", "zwei\n\u2028"])
    with Finished(path, {"beam": 4, "input": "a"}) as finished:
        assert finished.count == 2
        assert list(finished.translations()) == ["one", "zwei\n\u2028"]
    with pytest.raises(OtherWork, match="--restart"):
        Finished(path, {"input": "a", "beam": 1})


def test_restart_forgets_what_was_begun(tmp_path: Path, expected: list[str]) -> None:
    source, target = tmp_path / "a.txt", tmp_path / "b.txt"
    source.write_text("\n".join(TEXTS))
    with Finished(tmp_path / "b.txt.part", {"other": "work"}) as finished:
        finished.append([TEXTS[0]], ["wrong"])
    call = [str(source), str(target), *PAIR]
    assert command.main(call) == 1
    assert command.main([*call, "--restart"]) == 0
    assert target.read_text().split("\n") == expected


def test_no_more_than_a_window_is_read_ahead(tmp_path: Path, settings: Settings) -> None:
    read, furthest = 0, 0
    unbounded = command.without_bounds(settings)

    def texts() -> Iterator[str]:
        nonlocal read, furthest
        for read in range(1, 3_001):
            furthest = max(furthest, read - finished.count)
            yield "123"  # nothing to decode

    async def translate() -> None:
        with running_service(unbounded) as service:
            await run.translate(
                texts(), service.translator, request_of(unbounded), finished, lambda more: None
            )

    with Finished(tmp_path / "part", {}) as finished:
        asyncio.run(translate())
        assert finished.count == 3_000
    assert furthest <= run.CHUNK * (run.CHUNKS + 1)
