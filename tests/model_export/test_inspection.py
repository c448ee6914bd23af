"""inspect, and what verify shows besides the comparison with a checkpoint."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from model_export import __main__ as command
from model_export import attention, pipeline
from model_export.errors import CannotDraw
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from tests import recurrent_models
from tests.conftest import DATA, golden, load

SENTENCE = golden("tiny")["sentences"][3]
HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None


def shown_by(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints, without tables' lines and line breaks."""
    assert command.main([*arguments]) == 0
    return " ".join(capsys.readouterr().out.translate(dict.fromkeys(map(ord, "│┃"), " ")).split())


def converted(name: str, destination: Path) -> str:
    options = pipeline.ExportOptions(name=name, variants=["int8"])
    pipeline.convert(DATA / "families" / name, destination, options, lambda stage: None)
    return str(destination)


def test_inspect_says_what_people_ask_for(
    tiny_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = shown_by(capsys, "inspect", str(tiny_directory))
    for part in (
        "fr → en (French → English)",
        "Transformer of 2 + 2 layers, width 24, 3 heads, feed-forward 48, 0.0342 million weights",
        "the sentence alone",
        "source 64 tokens, longer sentences are split",
        "served int8 on cpu",
        "Made from (huggingface-marian)",
        "model.safetensors",
    ):
        assert part in shown, part


def test_inspect_says_what_else_a_model_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = shown_by(capsys, "inspect", converted("m2m100", tmp_path / "m2m"))
    assert "100, each into each: af Afrikaans, am Amharic, ar Arabic" in shown
    assert "token of the source before the sentence; token of the target to begin the" in shown
    shown = shown_by(capsys, "inspect", converted("t5", tmp_path / "t5"))
    assert "'translate {source} to {target}: ' before the sentence" in shown


def test_verify_without_a_checkpoint_checks_hashes(
    tiny_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "8 probes" in shown_by(capsys, "verify", str(tiny_directory))
    broken = Path(shutil.copytree(tiny_directory, tmp_path / "broken"))
    (broken / "decoder.int8.onnx").write_bytes(b"")
    assert command.main(["verify", str(broken)]) == 1
    assert "decoder.int8.onnx" in capsys.readouterr().err


def test_verify_scores_every_variant(
    tiny_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tatoeba.fr"
    file.write_text("\n".join(golden("tiny")["sentences"][:4]) + "\n", encoding="utf-8")
    test_set = ["--test-set", str(file), str(file)]
    shown = shown_by(capsys, "verify", str(tiny_directory), *test_set)
    assert "tiny fp32 on tatoeba" in shown
    assert "tiny int8 on tatoeba" in shown
    shown = shown_by(capsys, "verify", str(tiny_directory), *test_set, "--variant", "int8")
    assert "fp32 on" not in shown


def test_attention_is_that_of_the_engine(tiny_directory: Path) -> None:
    found = attention.attend(ModelDirectory.open(tiny_directory), "fp32", SENTENCE)
    model = load(tiny_directory, "fp32")
    options = DecodingOptions(beam_size=4, return_attention=True)
    expected = golden("tiny")["source_ids"][3]
    ((best,),) = decode(model, [tuple(expected)], [options], model.target)
    np.testing.assert_array_equal(found.attention, best.attention)
    assert found.attention.shape == (len(found.target), len(found.source))
    assert len(found.source) == len(expected)
    assert found.source[-1] == "</s>"


def test_verify_shows_what_a_sentence_attends_to(
    tiny_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["verify", str(tiny_directory), "--sentence", SENTENCE]
    assert "attends most to" in shown_by(capsys, *arguments)
    picture = tmp_path / "attention.png"
    if HAS_MATPLOTLIB:
        shown_by(capsys, *arguments, "--picture", str(picture))
        assert picture.read_bytes().startswith(b"\x89PNG")
    else:
        assert command.main([*arguments, "--picture", str(picture)]) == 1
        assert "pip install matplotlib" in capsys.readouterr().err
        assert not picture.exists()


@pytest.mark.parametrize(
    ("sentence", "picture", "problem"),
    [
        (None, "a.png", "give one"),
        ("x", "a.txt", "its name must end with .png, .svg, .pdf"),
    ],
)
def test_pictures_that_cannot_be_drawn(sentence: str | None, picture: str, problem: str) -> None:
    with pytest.raises(CannotDraw, match=problem):
        attention.require_picture(Path(picture), sentence)


def test_sentences_that_are_too_long_or_empty(tiny_directory: Path) -> None:
    for sentence in ("", "très " * 100):
        with pytest.raises(CannotDraw, match="from 1 to 64 tokens"):
            attention.attend(ModelDirectory.open(tiny_directory), "fp32", sentence)


def test_a_model_without_attention_is_said_to_have_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = str(recurrent_models.convert("lstm", tmp_path, variants=["fp32"]))
    assert command.main(["verify", directory, "--sentence", "w1 w2"]) == 1
    assert "lstm has no attention to the source to show" in capsys.readouterr().err
