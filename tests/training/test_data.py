from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from model_export.training.data import DataFile, read, read_development
from model_export.training.errors import LISTED, BadData


def write(path: Path, content: bytes) -> DataFile:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return DataFile(path)


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_reads_two_columns_or_three_plain_or_gzip(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / name, "Où ?\tWhere?\nLà.\tThere.\tbooks\r\n".encode())
    corpus = read([file])
    assert corpus.sources == ["Où ?", "Là."]
    assert corpus.targets == ["Where?", "There."]
    assert corpus.origins == ["a", "books"]
    assert corpus.weights.tolist() == [1, 1]


def test_weights_of_file_and_origin_multiply(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tsv", b"a\tb\tx\nc\td\ty\ne\tf\tz\n")
    corpus = read([DataFile(file.path, 0.5)], {"x": 1, "y": 4})
    assert corpus.sources == ["a", "c"]
    assert corpus.weights.tolist() == [0.5, 2]
    assert corpus.counts() == {"x": 1, "y": 1}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"one", "1 column(s)"),
        (b"one\ttwo\tthree\tfour", "4 column(s)"),
        (b"\ttwo", "the source is empty"),
        (b"one\t ", "the target is empty"),
        (b"one\ttwo\t", "the origin is empty"),
        (b"one\t\xff", "not UTF-8 at byte 5"),
        (b"", "1 column(s)"),
    ],
)
def test_refuses_a_bad_line_by_its_number(tmp_path: Path, line: bytes, fault: str) -> None:
    file = write(tmp_path / "a.tsv.gz", b"good\tline\n" + line + b"\ngood\tline\n")
    with pytest.raises(BadData) as raised:
        read([file])
    assert len(raised.value.problems) == 1
    assert raised.value.problems[0].startswith(f"{file.path}:2: {fault}")


def test_lists_the_first_faults_of_all_files_and_counts_the_rest(tmp_path: Path) -> None:
    files = [write(tmp_path / name, b"bad\n" * LISTED) for name in ("a.tsv", "b.tsv")]
    with pytest.raises(BadData) as raised:
        read([*files, DataFile(tmp_path / "missing.tsv")])
    assert len(raised.value.problems) == 2 * LISTED + 1
    assert str(raised.value).count("column(s)") == LISTED
    assert str(raised.value).endswith(f"and {LISTED + 1} more")


def test_refuses_gzip_that_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"one\ttwo\n" * 1000)[:-10])
    with pytest.raises(BadData, match="can't be read after line"):
        read([DataFile(path)])


def test_refuses_an_origin_that_no_line_has(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tsv", b"a\tb\tbooks\n")
    with pytest.raises(BadData, match="'bocks'"):
        read([file], {"books": 1, "bocks": 1})


def test_refuses_a_file_that_gives_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no pair is left"):
        read([write(tmp_path / "a.tsv", b"")])


@pytest.mark.parametrize(
    ("text", "path", "weight"),
    [("a.tsv", "a.tsv", 1.0), ("a.tsv:0.3", "a.tsv", 0.3), ("c:a.tsv", "c:a.tsv", 1.0)],
)
def test_a_weight_may_follow_the_file(text: str, path: str, weight: float) -> None:
    assert DataFile.parse(text) == DataFile(Path(path), weight)


@pytest.mark.parametrize("text", ["a.tsv:-1", "a.tsv:nan", "a.tsv:inf"])
def test_refuses_weights_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a weight"):
        DataFile.parse(text)


def test_a_development_set_belongs_together_line_for_line(tmp_path: Path) -> None:
    (tmp_path / "dev.fr").write_text("Oui.\nNon.\n", "utf-8")
    (tmp_path / "dev.en").write_text("Yes.\nNo.\n", "utf-8")
    found = read_development(str(tmp_path / "dev"), "fr", "en")
    assert found.name == "dev"
    assert found.sources == ("Oui.", "Non.")
    assert found.references == ("Yes.", "No.")
    (tmp_path / "dev.en").write_text("Yes.\n", "utf-8")
    with pytest.raises(BadData, match="2 lines"):
        read_development(str(tmp_path / "dev"), "fr", "en")
    with pytest.raises(BadData, match=r"none\.fr"):
        read_development(str(tmp_path / "none"), "fr", "en")
