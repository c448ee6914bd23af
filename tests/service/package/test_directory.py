from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from service.errors import CorruptFile, InvalidPackage, MissingFile, UnsupportedFormat
from service.package.directory import ModelDirectory


@pytest.fixture
def copy(tiny_directory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_directory, tmp_path / "model"))


def change_manifest(path: Path, **changes: Any) -> None:
    file = path / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(manifest | changes), encoding="utf-8")


def test_a_directory_that_was_just_written_is_whole(copy: Path) -> None:
    directory = ModelDirectory.open(copy)
    directory.check()
    assert directory.files_of(directory.variant("int8")) == (
        "encoder.int8.onnx",
        "decoder.int8.onnx",
        "source.json",
        "target.json",
    )


def test_no_directory_at_all(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"is .* a model directory"):
        ModelDirectory.open(tmp_path / "nowhere")


@pytest.mark.parametrize("found", [2, 0, "1", None])
def test_a_manifest_of_an_unknown_format_is_refused_first(copy: Path, found: object) -> None:
    change_manifest(copy, format=found, something_new=True)
    with pytest.raises(
        UnsupportedFormat, match=f"has format {found!r}; this version reads format 1"
    ):
        ModelDirectory.open(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '"text"'])
def test_a_manifest_that_is_no_manifest_is_refused(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(InvalidPackage):
        ModelDirectory.open(copy)


def test_every_fault_of_a_manifest_is_listed(copy: Path) -> None:
    change_manifest(copy, pairs=[{}], colour="blue")
    with pytest.raises(InvalidPackage, match=r"pairs\.0\.source: .*; colour: "):
        ModelDirectory.open(copy)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"pairs": []}, "there must be pairs, or sources and targets"),
        ({"pairs": [], "sources": ["fr"]}, "there must be pairs, or sources and targets"),
        ({"conditioning": {"start": ["target"]}}, "languages has no token for en"),
        ({"conditioning": {"before": ["source", "target"]}}, "languages has no token for fr"),
        ({"conditioning": {"after": ["middle"]}}, "conditioning.after.0"),
    ],
)
def test_a_manifest_must_say_what_is_translated(
    copy: Path, changes: dict[str, Any], fault: str
) -> None:
    change_manifest(copy, **changes)
    with pytest.raises(InvalidPackage, match=fault):
        ModelDirectory.open(copy)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", ".hidden", ""])
def test_a_manifest_cannot_point_outside_of_its_directory(copy: Path, name: str) -> None:
    change_manifest(copy, tokenizers={"source": name, "target": name})
    with pytest.raises(InvalidPackage, match=r"tokenizers\.source"):
        ModelDirectory.open(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "decoder.int8.onnx").unlink()
    with pytest.raises(MissingFile, match=r"decoder\.int8\.onnx is missing"):
        ModelDirectory.open(copy).check()


def test_only_the_files_of_the_variant_are_needed(copy: Path) -> None:
    (copy / "decoder.int8.onnx").unlink()
    directory = ModelDirectory.open(copy)
    directory.check(directory.files_of(directory.variant("fp32")))


def test_a_shortened_file_is_named(copy: Path) -> None:
    file = copy / "encoder.fp32.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CorruptFile, match=r"encoder\.fp32\.onnx has \d+ bytes; the manifest says"):
        ModelDirectory.open(copy).check()


def test_a_file_with_one_changed_bit_is_named(copy: Path) -> None:
    file = copy / "encoder.fp32.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptFile, match=r"encoder\.fp32\.onnx does not have the SHA-256"):
        ModelDirectory.open(copy).check()


def test_an_unknown_variant_is_answered_with_the_known_ones(copy: Path) -> None:
    with pytest.raises(InvalidPackage, match="no variant 'int4'; it has: fp32 for cpu, int8 for"):
        ModelDirectory.open(copy).variant("int4")


def with_variants(copy: Path, *variants: str) -> ModelDirectory:
    """The directory with variants of these precisions, and of nothing else, for these devices."""
    entries = {}
    for variant in variants:
        precision, _, device = variant.partition("-")
        files = {"encoder": "encoder.fp32.onnx", "decoder": "decoder.fp32.onnx"}
        entries[variant] = {"precision": precision, "devices": [device], **files}
    change_manifest(copy, variants=entries)
    return ModelDirectory.open(copy)


def test_each_device_gets_its_fastest_variant(copy: Path) -> None:
    directory = with_variants(copy, "fp32-cpu", "int8-cpu", "fp16-cuda", "fp32-cuda")
    assert (directory.fastest("cpu"), directory.fastest("cuda")) == ("int8-cpu", "fp16-cuda")
    directory = with_variants(copy, "fp32-cpu", "int8-cpu", "int4-cpu")
    assert directory.fastest("cpu") == "int8-cpu"
    directory = with_variants(copy, "fp32-cpu", "fp32-cuda")
    assert (directory.fastest("cpu"), directory.fastest("cuda")) == ("fp32-cpu", "fp32-cuda")


def test_a_device_that_no_variant_is_for(copy: Path) -> None:
    directory = with_variants(copy, "fp32-cpu", "int8-cpu")
    with pytest.raises(InvalidPackage, match="no variant for the device cuda; it has: fp32-cpu"):
        directory.fastest("cuda")


def test_a_variant_that_is_for_another_device_is_not_taken(copy: Path) -> None:
    directory = with_variants(copy, "fp32-cpu", "fp16-cuda")
    assert directory.variant("fp16-cuda", "cuda").precision == "fp16"
    with pytest.raises(InvalidPackage, match=r"'fp16-cuda' .* is not for the device cpu; it has"):
        directory.variant("fp16-cuda", "cpu")
