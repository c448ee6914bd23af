"""python -m model_export train average"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model_export.training.average import Part
from tests.training.conftest import run

WEIGHTS = "model.safetensors"


@pytest.fixture
def branch(learnt: Path, tmp_path: Path) -> Path:
    """A model that was trained on from where the other one stood."""
    out = tmp_path / "branch"
    cool_down = ["train", "transformer", "--cool-down", learnt, "--out", out, "--steps", 20]
    assert run(list(map(str, cool_down))) == 0
    return out / "model"


def average(*arguments: object) -> int:
    return run(["train", "average", *map(str, arguments)])


def changed(model: Path, destination: Path, name: str, old: str, new: str) -> Path:
    """A copy of a model with something else in one of its files."""
    shutil.copytree(model, destination)
    text = (destination / name).read_text(encoding="utf-8")
    assert old in text
    (destination / name).write_text(text.replace(old, new), encoding="utf-8")
    return destination


def test_the_mean_is_weighted(learnt: Path, branch: Path, tmp_path: Path) -> None:
    model, out = learnt / "model", tmp_path / "mean"
    assert average(f"{model}=3", branch, "--out", out) == 0
    first, second, mean = (load_file(one / WEIGHTS) for one in (model, branch, out))
    assert list(mean) == list(first)
    assert any((first[name] != second[name]).any() for name in first)
    for name, found in mean.items():
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, 0.75 * first[name] + 0.25 * second[name], atol=1e-7)
    made = json.loads((out / "training.json").read_text())["mean_of"]
    assert [one["weight"] for one in made] == [3.0, 1.0]
    assert made[1]["training"] == json.loads((branch / "training.json").read_text())


def test_the_exporter_takes_it(learnt: Path, branch: Path, tmp_path: Path) -> None:
    out, package = tmp_path / "mean", tmp_path / "package"
    assert average(learnt / "model", branch, "--out", out) == 0
    assert run(["convert", str(out), str(package), "--variants", "fp32"]) == 0
    assert run(["verify", str(package), str(out)]) == 0


def test_of_a_model_with_itself_it_is_that_model(learnt: Path, tmp_path: Path) -> None:
    model, out = learnt / "model", tmp_path / "mean"
    assert average(model, model, "--out", out) == 0
    assert (out / WEIGHTS).read_bytes() == (model / WEIGHTS).read_bytes()


def test_refuses_what_has_no_mean(
    learnt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = learnt / "model"
    other = changed(model, tmp_path / "other", "config.json", '"swish"', '"relu"')
    half = tmp_path / "half"
    shutil.copytree(model, half)
    weights = load_file(model / WEIGHTS)
    save_file({name: one.astype(np.float16) for name, one in weights.items()}, half / WEIGHTS)
    fewer = tmp_path / "fewer"
    shutil.copytree(model, fewer)
    weights.popitem()
    save_file(weights, fewer / WEIGHTS)
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (broken / WEIGHTS).write_bytes(b"no weights")
    out = tmp_path / "mean"
    for parts, message in (
        ([model], "two models or more"),
        ([model, other], "differ in config.json"),
        ([model, learnt], f"{learnt} is no model of this recipe: it has no config.json"),
        ([model, half], "has weights of float16, not float32"),
        ([model, fewer], "has other weights than"),
        ([model, broken], "can't be read"),
    ):
        assert average(*parts, "--out", out) == 1
        assert message in capsys.readouterr().err.replace("\n", " ")
        assert not out.exists()
    out.mkdir()
    assert average(model, model, "--out", out) == 1
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "x"])
def test_a_weight_is_a_number_above_0(weight: str) -> None:
    with pytest.raises(ValueError, match=r"number above 0|could not convert"):
        Part.parse(f"run/model={weight}")
    assert Part.parse("run/model=0.5") == Part(Path("run/model"), 0.5)
    assert Part.parse("run/model") == Part(Path("run/model"), 1.0)
