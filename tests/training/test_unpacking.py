"""A package is as good a beginning as the checkpoint that it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model_export import pipeline
from model_export.graph.precision import LEVELS
from model_export.training.journal import JOURNAL_NAME, read_journal
from model_export.training.unpacking import unpack
from model_export.training.vocabulary import Vocabulary
from service.package.manifest import LanguagePair
from tests.training.conftest import arguments, run, toy_pairs

DATA = Path(__file__).parents[1] / "data"


def packaged(
    checkpoint: Path,
    destination: Path,
    *variants: str,
    calibration: Sequence[str] = (),
    pairs: tuple[LanguagePair, ...] = (),
) -> Path:
    told = pipeline.ExportOptions(
        name="toy", variants=variants, calibration=calibration, pairs=pairs
    )
    pipeline.convert(checkpoint, destination, told, lambda stage: None)
    return destination


def tensors(directory: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(directory / "model.safetensors")
    return found


def test_fp32_gives_the_checkpoint_back(learnt: Path, tmp_path: Path) -> None:
    package = packaged(learnt / "model", tmp_path / "toy", "int8", "fp32")
    unpack(package, tmp_path / "unpacked")
    before, after = tensors(learnt / "model"), tensors(tmp_path / "unpacked")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert package_bytes(packaged(tmp_path / "unpacked", tmp_path / "again", "int8", "fp32")) == (
        package_bytes(package)
    )


def package_bytes(package: Path) -> dict[str, bytes]:
    names = ("source.json", "encoder.fp32.onnx", "decoder.fp32.onnx", "decoder.int8.onnx")
    return {name: (package / name).read_bytes() for name in names}


def test_int8_gives_it_back_but_for_half_a_step(learnt: Path, tmp_path: Path) -> None:
    unpack(packaged(learnt / "model", tmp_path / "toy", "int8"), tmp_path / "unpacked")
    before, after = tensors(learnt / "model"), tensors(tmp_path / "unpacked")
    for name, value in before.items():
        step = value.abs().amax(-1, keepdim=True) / LEVELS
        assert ((value - after[name]).abs() <= 0.501 * step).all(), name
    assert not after["model.shared.weight"][-1].any()


def test_what_was_smoothed_comes_back(learnt: Path, tmp_path: Path) -> None:
    calibration = [source for source, _ in toy_pairs()[:20]]
    package = packaged(learnt / "model", tmp_path / "toy", "int8", calibration=calibration)
    unpack(package, tmp_path / "unpacked")
    before, after = tensors(learnt / "model"), tensors(tmp_path / "unpacked")
    for name, value in before.items():
        assert (value - after[name]).norm() <= 0.02 * value.norm(), name


def test_a_package_is_trained_on(
    learnt: Path, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = packaged(learnt / "model", tmp_path / "toy", "int8")
    out = tmp_path / "run"
    command = arguments(toy, out, "--init", package, "--steps", 10, "--learning-rate", 1e-6)
    assert run(command) == 0
    assert float(read_journal(out / JOURNAL_NAME)[0]["loss"]) < 0.2
    assert run(["train", "transformer", "--out", str(out), "--steps", "20"]) == 0
    texts = [text for pair in toy_pairs()[:20] for text in pair]
    first, second = (
        Vocabulary.read(path).encode(texts)
        for path in (learnt / "vocabulary.spm", out / "vocabulary.spm")
    )
    assert first.ids.tolist() == second.ids.tolist()


@pytest.mark.parametrize(
    "name",
    [
        *("tiny-marian", "families/marian-opus", "families/marian-student", "families/m2m100"),
        *("families/marian-pre-norm", "families/marian-untied"),
    ],
)
def test_refuses_what_is_built_otherwise(
    name: str, toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = () if name == "tiny-marian" else (LanguagePair(source="fr", target="en"),)
    package = packaged(DATA / name, tmp_path / "other", "fp32", pairs=pairs)
    assert run(arguments(toy, tmp_path / "run", "--init", package, "--steps", 1)) == 1
    assert "architecture" in capsys.readouterr().err


def test_refuses_a_package_with_neither_variant(
    learnt: Path, toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = packaged(learnt / "model", tmp_path / "toy", "fp16")
    assert run(arguments(toy, tmp_path / "run", "--init", package, "--steps", 1)) == 1
    assert "no variant of fp32 or int8" in capsys.readouterr().err
