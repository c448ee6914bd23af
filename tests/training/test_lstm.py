"""The recipe as a whole: it learns, goes on after anything, and plain Keras reads its model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from model_export.__main__ import main
from model_export.training.curves import CURVES_NAME
from model_export.training.journal import JOURNAL_NAME, read_journal
from model_export.training.lstm import load
from model_export.training.lstm_decoding import translate as translate_ids
from model_export.training.lstm_fitting import CHECKPOINT_NAME
from model_export.training.lstm_run import CONFIG_NAME, MODEL_NAME
from model_export.training.lstm_translate import main as translate
from model_export.training.lstm_vocabulary import END
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.runtime.seq2seq import OnnxSeq2Seq
from service.settings import RuntimeSettings
from service.text.tokenizer import Tokenizer

# TensorFlow's arrays have not caught up with numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

DEADLINE_SECONDS = 300
SMALL = {
    "units": 32,
    "embedding": 16,
    "dropout": 0.1,
    "vocabulary": "word",
    "batch-tokens": 240,
    "learning-rate": 0.02,
    "warm-up": 10,
    "label-smoothing": 0,
}


def arguments(toy: Path, out: Path, **more: object) -> list[str]:
    settings = {**SMALL, **{name.replace("_", "-"): value for name, value in more.items()}}
    return [
        *("train", "lstm", "--pair", "fr-en", "--out", str(out)),
        *("--data", str(toy / "toy.tsv"), "--dev", str(toy / "dev")),
        *(f"--{name}={value}" for name, value in settings.items()),
    ]


@pytest.fixture(scope="module")
def learnt(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the toy. Not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "lstm"
    assert main(arguments(toy, out, epochs=40, measure_steps=60)) == 0
    return out


def test_learns_a_toy_by_heart(learnt: Path) -> None:
    records = read_journal(learnt / JOURNAL_NAME)
    assert {record["set"]: record["bleu"] for record in records if "beam" in record} == {
        "dev, beam 1": pytest.approx(100),
        "dev, beam 5": pytest.approx(100),
    }
    losses = [float(record["loss"]) for record in records if record.get("set") == "dev"]
    assert losses[-1] < 0.05
    assert (learnt / CURVES_NAME).read_bytes().startswith(b"\x89PNG")


def test_the_converted_model_translates_as_the_recipe_does(
    learnt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    assert main(["convert", str(learnt), str(model)]) == 0
    directory = ModelDirectory.open(model)
    assert [(pair.source, pair.target) for pair in directory.manifest.pairs] == [("fr", "en")]
    tokenizer = Tokenizer.load(model / "source.json", model / "target.json")
    served = OnnxSeq2Seq.load(directory, directory.variant("fp32"), RuntimeSettings())
    translator, (source, target) = load(learnt)
    sentences = ["un trois deux deux", "deux", "quatre  un trois", "un jamais deux", "trois trois"]
    ids = [[*source.encode(sentence), END] for sentence in sentences]
    assert tokenizer.encode(sentences) == [tuple(one) for one in ids]
    options = DecodingOptions(beam_size=1, max_decoding_length=20)
    found = decode(served, tokenizer.encode(sentences), [options] * len(ids), served.target)
    expected = translate_ids(translator, ids)
    assert [list(best.target_ids) for (best,) in found] == expected
    texts = tokenizer.decode([best.target_ids for (best,) in found])
    assert texts == [target.decode(one) for one in expected]


def test_translates_and_draws(
    learnt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "attention.png"
    translate([str(learnt), "un trois deux deux", "--picture", str(picture)])
    assert capsys.readouterr().out == "one three two two\n"
    translate([str(learnt), "--beam", "2", "un trois deux deux"])
    assert capsys.readouterr().out == "one three two two\n"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_plain_keras_reads_the_model(learnt: Path) -> None:
    """In a process that knows nothing of this project."""
    program = (
        "import sys, keras; m = keras.saving.load_model(sys.argv[1]);"
        "print([i.name for i in m.inputs], m.compute_dtype)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, learnt / MODEL_NAME],
        capture_output=True,
        text=True,
        check=True,
        cwd=learnt,
    )
    assert found.stdout == "['source_ids', 'target_ids'] float32\n"


def test_the_model_holds_standard_layers_only(learnt: Path) -> None:
    with zipfile.ZipFile(learnt / MODEL_NAME) as file:
        config = json.loads(file.read("config.json"))
    assert config["class_name"] == "Functional"
    assert not config["compile_config"]
    objects = list(_objects(config["config"]["layers"]))
    assert {name for name, _ in objects} >= {"LSTM", "Bidirectional", "AdditiveAttention"}
    for name, described in objects:
        assert described["module"].split(".")[0] in ("keras", "builtins"), name
        assert described["registered_name"] in (None, "NotEqual"), name  # the mask of Embedding
        assert name != "Lambda"


def test_probabilities_are_of_a_whole(learnt: Path) -> None:
    network = keras.saving.load_model(learnt / MODEL_NAME)
    ids = np.array([[4, 5, 3, 0]], np.int32)
    sums = network.predict_on_batch([ids, ids]).sum(-1)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)


@pytest.fixture(scope="module")
def whole(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "lstm"
    assert main(arguments(toy, out, epochs=3, measure_steps=12)) == 0
    return out


def test_goes_on_where_it_was_killed(toy: Path, tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "lstm"
    command = arguments(toy, out, epochs=3, measure_steps=12)
    process = subprocess.Popen([sys.executable, "-m", "model_export", *command])
    _wait_for(out / CHECKPOINT_NAME, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() != 0
    assert 0 < _step(out) < _step(whole)

    assert main(["train", "lstm", "--out", str(out)]) == 0

    assert _arrays(out) == _arrays(whole)
    assert _without_times(out) == _without_times(whole)


def test_a_finished_run_is_left_as_it_is(whole: Path) -> None:
    before = (whole / MODEL_NAME).read_bytes(), _without_times(whole)
    assert main(["train", "lstm", "--out", str(whole)]) == 0
    assert before == ((whole / MODEL_NAME).read_bytes(), _without_times(whole))


def test_another_seed_gives_other_weights(toy: Path, tmp_path: Path, whole: Path) -> None:
    assert main(arguments(toy, tmp_path / "b", epochs=3, measure_steps=12, seed=2)) == 0
    assert _arrays(tmp_path / "b") != _arrays(whole)


def test_bad_lines_are_named(toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "bad.tsv"
    data.write_bytes(b"un\tone\nun\n\ttwo\n\xff\tone\n")
    assert main([*arguments(toy, tmp_path / "out"), "--data", str(data)]) == 1
    said = capsys.readouterr().err.replace("\n", "")
    assert all(f"bad.tsv:{line}:" in said for line in (2, 3, 4))


def test_other_options_are_refused(
    toy: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(toy, whole, epochs=3, measure_steps=12, units=34)) == 1
    assert "another --units" in capsys.readouterr().err


@pytest.mark.parametrize(
    "setting", ["--units=33", "--cell=rnn", "--epochs=0", "--attend-after=first"]
)
def test_settings_that_cannot_be_are_refused(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    out = tmp_path / "out"
    assert main([*arguments(toy, out), setting]) == 1
    assert setting.split("=")[0].strip("-").replace("-", "_") in capsys.readouterr().err.replace(
        "-", "_"
    )
    assert not out.exists()


def test_a_damaged_checkpoint_is_refused(
    toy: Path, tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lstm"
    out.mkdir()
    for path in whole.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    content = (out / CHECKPOINT_NAME).read_bytes()
    (out / CHECKPOINT_NAME).write_bytes(content[: len(content) // 2])
    assert main(["train", "lstm", "--out", str(out)]) == 1
    assert CHECKPOINT_NAME in capsys.readouterr().err.replace("\n", "")


def _objects(described: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything in a saved model that names a class."""
    if isinstance(described, dict):
        if "class_name" in described and "registered_name" in described:
            yield described["class_name"], described
        described = list(described.values())
    if isinstance(described, list):
        for part in described:
            yield from _objects(part)


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(DEADLINE_SECONDS * 10):
        if path.exists():
            return
        with pytest.raises(subprocess.TimeoutExpired):  # it must not end by itself
            process.wait(0.1)
    pytest.fail(f"no {path.name}")


def _step(out: Path) -> int:
    with np.load(out / CHECKPOINT_NAME) as checkpoint:
        return int(checkpoint["step"])


def _arrays(out: Path) -> dict[str, bytes]:
    with np.load(out / CHECKPOINT_NAME) as checkpoint:
        return {name: checkpoint[name].tobytes() for name in checkpoint.files}


def _without_times(out: Path) -> list[dict[str, object]]:
    times = ("seconds", "tokens_per_second")
    return [
        {name: value for name, value in record.items() if name not in times}
        for record in read_journal(out / JOURNAL_NAME)
    ]


def test_config_says_what_decides_the_weights(whole: Path) -> None:
    config = json.loads((whole / CONFIG_NAME).read_text("utf-8"))
    assert config["recipe"]["units"] == 32
    assert len(config["data"][0]["sha256"]) == 64
    assert "keras" in config["libraries"]
