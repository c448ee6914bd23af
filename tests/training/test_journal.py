from __future__ import annotations

from pathlib import Path

import pytest

from model_export.training.curves import draw
from model_export.training.errors import BadRun
from model_export.training.journal import JOURNAL_NAME, Journal, read_journal
from model_export.training.scores import corpus_scores


def test_going_back_forgets_what_came_after(tmp_path: Path) -> None:
    journal = Journal(tmp_path / JOURNAL_NAME)
    for step in (10, 20, 30):
        journal.add({"step": step, "loss": 1.0})
    with (tmp_path / JOURNAL_NAME).open("a", encoding="utf-8") as file:
        file.write('{"step": 40, "lo')  # killed while writing
    assert [record["step"] for record in read_journal(tmp_path / JOURNAL_NAME)] == [10, 20, 30]
    journal.rewind(20)
    journal.add({"step": 25, "loss": 0.5})
    assert [record["step"] for record in read_journal(tmp_path / JOURNAL_NAME)] == [10, 20, 25]


def test_curves_are_a_picture(tmp_path: Path) -> None:
    with pytest.raises(BadRun):
        draw(tmp_path)
    journal = Journal(tmp_path / JOURNAL_NAME)
    journal.add({"step": 10, "loss": 3.0, "learning_rate": 0.001})
    journal.add({"step": 10, "set": "dev", "loss": 3.5, "bleu": 12.0, "chrf": 30.0})
    assert draw(tmp_path).read_bytes().startswith(b"\x89PNG")


def test_scores_are_those_of_sacrebleu() -> None:
    references = ["The cat sat on the mat.", "A dog barked at night."]
    assert corpus_scores(references, references).bleu == pytest.approx(100)
    worse = corpus_scores(["The cat sat on a mat.", "A dog barks at night."], references)
    assert 30 < worse.bleu < 60 < worse.chrf < 100
