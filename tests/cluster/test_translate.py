"""A corpus by Ray Data, beside the same files by translate-file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from benchmarks import ray_cluster
from service.bulk import command
from service.cluster import translate
from tests.conftest import DATA

TEXTS = (DATA / "text" / "tatoeba.fr").read_text(encoding="utf-8").splitlines()[:60]
PAIR = ["--source", "fr", "--target", "en"]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with ray_cluster.nodes(cpus=4):
        yield


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("one-machine")
    source, target = folder / "a.txt", folder / "b.txt"
    source.write_text("\n".join(TEXTS), encoding="utf-8")
    assert command.main([str(source), str(target), *PAIR]) == 0
    return target.read_text(encoding="utf-8").split("\n")


def test_parquet(tmp_path: Path, expected: list[str]) -> None:
    source, target = tmp_path / "a.parquet", tmp_path / "b"
    table = pyarrow.table({"n": range(len(TEXTS) + 1), "fr": [None, *TEXTS]})
    pyarrow.parquet.write_table(table, source)
    chosen = ["--field", "fr", "--into", "en", "--replicas", "2"]
    assert translate.main([str(source), str(target), *PAIR, *chosen]) == 0
    found = pyarrow.parquet.read_table(target)
    assert found.drop_columns("en").equals(table)
    assert found["en"].to_pylist() == ["", *expected]


def test_json_lines_of_several_files(tmp_path: Path, expected: list[str]) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number, part in enumerate((TEXTS[:20], TEXTS[20:])):
        lines = (json.dumps({"text": text, "part": number}) + "\n" for text in part)
        (source / f"{number}.jsonl").write_text("".join(lines), encoding="utf-8")
    assert translate.main([str(source), str(target), *PAIR, "--kind", "jsonl"]) == 0
    rows = [
        json.loads(line)
        for path in sorted(target.iterdir())
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    found = {row["text"]: (row["part"], row["translation"]) for row in rows}
    assert len(rows) == len(TEXTS)
    assert found == {
        text: (int(number >= 20), translation)
        for number, (text, translation) in enumerate(zip(TEXTS, expected, strict=True))
    }


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["--field", "en"], "no column 'en'; there are text, fr"),
        (["--into", "fr"], "a column 'fr' already"),
        (["--kind", "parquet", "--source", "xx"], "xx is not supported"),
    ],
)
def test_refusals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], chosen: list[str], message: str
) -> None:
    source = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a"], "fr": ["b"]}), source)
    assert translate.main([str(source), str(tmp_path / "b"), *PAIR, *chosen]) == 1
    assert message in capsys.readouterr().err


def test_other_files_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert translate.main(["a.txt", "b", *PAIR]) == 1
    assert "none of .jsonl, .parquet; --kind says" in capsys.readouterr().err
