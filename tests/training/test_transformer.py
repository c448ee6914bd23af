"""The recipe as a whole: it learns, goes on after anything, and what it writes is served."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import MarianMTModel

from model_export import pipeline
from model_export.training.checkpoint import CHECKPOINT_NAME, load
from model_export.training.curves import CURVES_NAME
from model_export.training.evaluation import translate
from model_export.training.journal import JOURNAL_NAME, read_journal
from model_export.training.run import read_run
from model_export.training.vocabulary import Vocabulary
from service.package.manifest import LanguagePair
from tests.training.conftest import arguments, go_on, run, toy_pairs

DEADLINE_SECONDS = 120


def weights(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()


def start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "model_export", *command])


def wait_for_journal(out: Path, process: subprocess.Popen[bytes]) -> None:
    """Return once the run has written to its journal, and so has saved before."""
    for _ in range(DEADLINE_SECONDS * 10):
        if (out / JOURNAL_NAME).exists():
            return
        with pytest.raises(subprocess.TimeoutExpired):  # it must not end by itself
            process.wait(0.1)
    pytest.fail("nothing was trained")


def test_learns_a_toy_by_heart(learnt: Path) -> None:
    last = [record for record in read_journal(learnt / JOURNAL_NAME) if "set" in record][-1]
    assert last["set"] == "dev"
    assert float(last["loss"]) < 0.05
    assert last["bleu"] == 100
    assert last["chrf"] == 100


def test_the_journal_says_what_a_curve_needs(learnt: Path) -> None:
    steps = [record for record in read_journal(learnt / JOURNAL_NAME) if "set" not in record]
    assert [record["step"] for record in steps] == list(range(10, 601, 10))
    assert set(steps[0]) >= {"tokens", "seconds", "loss", "learning_rate", "tokens_per_second"}
    assert float(steps[-1]["loss"]) < float(steps[0]["loss"]) / 20
    assert (learnt / CURVES_NAME).read_bytes().startswith(b"\x89PNG")


def test_says_what_it_was_made_from(learnt: Path) -> None:
    training = json.loads((learnt / "model" / "training.json").read_text("utf-8"))
    assert training["recipe"]["d_model"] == 64
    assert training["recipe"]["seed"] == 1
    assert training["step"] == 600
    assert len(training["data"][0]["sha256"]) == 64
    assert set(training["libraries"]) >= {"torch", "transformers"}


def test_the_start_token_stays_zero(learnt: Path) -> None:
    table = load_file(learnt / "model" / "model.safetensors")["model.shared.weight"]
    assert not table[-1].any()
    assert table[:-1].any(dim=1).all()


def test_the_exporter_takes_what_it_writes(learnt: Path, tmp_path: Path) -> None:
    options = pipeline.ExportOptions(name="toy")
    manifest = pipeline.convert(learnt / "model", tmp_path / "toy", options, lambda stage: None)
    assert manifest.pairs == [LanguagePair(source="fr", target="en")]
    assert run(["verify", str(tmp_path / "toy"), str(learnt / "model")]) == 0


def test_transformers_translates_with_what_it_writes(learnt: Path) -> None:
    model = MarianMTModel.from_pretrained(learnt / "model").eval()
    vocabulary = Vocabulary.read(learnt / "model" / "source.spm")
    pairs = toy_pairs()[:20]
    assert translate(model, vocabulary, [fr for fr, _ in pairs]) == [en for _, en in pairs]


def test_killed_and_gone_on_is_as_never_killed(toy: Path, tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    schedule = ("--decay-share", 0)
    forever = ("--steps", 1_000_000, "--save-minutes", 0)
    process = start(arguments(toy, killed, *schedule, *forever))
    wait_for_journal(killed, process)
    process.kill()
    process.wait(DEADLINE_SECONDS)
    position, _ = load(killed / CHECKPOINT_NAME)
    steps = position.step + 25
    assert run(go_on(killed, "--steps", steps)) == 0
    assert run(arguments(toy, whole, *schedule, "--steps", steps)) == 0
    assert weights(killed) == weights(whole)
    assert [record["step"] for record in read_journal(killed / JOURNAL_NAME)] == [
        record["step"] for record in read_journal(whole / JOURNAL_NAME)
    ]


def test_told_to_stop_it_saves_and_exits_with_0(toy: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(arguments(toy, out, "--steps", 1_000_000, "--save-minutes", 1000))
    wait_for_journal(out, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE_SECONDS) == 0
    position, _ = load(out / CHECKPOINT_NAME)
    assert position.step >= 10


def test_hours_count_over_all_sessions(learnt: Path, tmp_path: Path) -> None:
    position, _ = load(learnt / CHECKPOINT_NAME)
    assert position.seconds > 0
    before = weights(learnt)
    assert run(go_on(learnt, "--hours", position.seconds / 3600 / 2)) == 0
    assert weights(learnt) == before


def test_refuses_to_go_on_with_other_options(
    learnt: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = arguments(toy, learnt, "--steps", 500, "--d-model", 32, "--seed", 7)
    assert run(command) == 1
    said = capsys.readouterr().err
    assert "--d-model was 64" in said
    assert "--seed was 1" in said


def test_refuses_data_that_changed(toy: Path, tmp_path: Path) -> None:
    data = tmp_path / "toy.tsv"
    data.write_bytes((toy / "toy.tsv").read_bytes())
    (tmp_path / "dev.fr").write_bytes((toy / "dev.fr").read_bytes())
    (tmp_path / "dev.en").write_bytes((toy / "dev.en").read_bytes())
    out = tmp_path / "run"
    assert run(arguments(tmp_path, out, "--steps", 2)) == 0
    data.write_bytes(data.read_bytes() + b"dix\tten\n")
    assert run(go_on(out, "--steps", 4)) == 1


def test_cools_down_beside_the_run(learnt: Path, tmp_path: Path) -> None:
    branch = tmp_path / "branch"
    trunk, _ = load(learnt / CHECKPOINT_NAME)
    assert run(go_on(branch, "--cool-down", learnt, "--steps", 20)) == 0
    position, _ = load(branch / CHECKPOINT_NAME)
    assert position.step == trunk.step + 20
    rates = [
        float(record["learning_rate"])
        for record in read_journal(branch / JOURNAL_NAME)
        if "set" not in record and float(record["step"]) > trunk.step
    ]
    assert rates[0] > 10 * rates[-1] > 0


def test_a_branch_may_take_other_data(learnt: Path, toy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tsv"
    other.write_text("dix\tten\tsmall\nonze\televen\tlarge\n", "utf-8")
    branch = tmp_path / "branch"
    command = go_on(branch, "--cool-down", learnt, "--data", other, "--origin", "small=3")
    assert run([*command, "--steps", "30", "--decay-share", "0"]) == 0
    told = read_run(branch)
    assert [entry.path for entry in told.data] == [other]
    assert told.origins == {"small": 3.0}
    assert read_run(learnt).data[0].path == toy / "toy.tsv"
    rates = [float(each["learning_rate"]) for each in read_journal(branch / JOURNAL_NAME)[-4:-1]]
    assert rates[-1] > 0.5 * rates[0]


def test_begins_from_a_model(learnt: Path, toy: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = arguments(
        toy, out, "--init", learnt / "model", "--steps", 10, "--learning-rate", 1e-6
    )
    assert run(command) == 0
    first = read_journal(out / JOURNAL_NAME)[0]
    assert float(first["loss"]) < 0.1


def test_dropout_is_resumable_with_one_thread(toy: Path, tmp_path: Path) -> None:
    more = ("--threads", 1, "--dropout", 0.1, "--decay-share", 0, "--precision", "fp32")
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    for steps in (7, 15):
        assert run(arguments(toy, parts, *more, "--steps", steps)) == 0
    assert run(arguments(toy, whole, *more, "--steps", 15)) == 0
    assert weights(parts) == weights(whole)


def test_refuses_bad_data(toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "toy.tsv").write_text("un\tone\ndeux\n\tthree\n", "utf-8")
    command = [*arguments(toy, tmp_path / "run", "--steps", 1), "--data", str(tmp_path / "toy.tsv")]
    assert run(command) == 1
    said = capsys.readouterr().err
    assert "toy.tsv:2: 1 column(s)" in said
    assert "toy.tsv:3: the source is empty" in said


def test_the_first_loss_is_that_of_guessing(learnt: Path) -> None:
    first = read_journal(learnt / JOURNAL_NAME)[0]
    tokens = len(Vocabulary.read(learnt / "vocabulary.spm"))
    assert float(first["loss"]) < 1.1 * float(torch.log(torch.tensor(float(tokens))))
