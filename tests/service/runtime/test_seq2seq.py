from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from service.decoding.model import Candidates, Decoding, StepInput
from service.errors import InvalidPackage
from service.package.directory import ModelDirectory
from service.runtime.seq2seq import OnnxSeq2Seq
from service.settings import RuntimeSettings
from tests.conftest import golden

GOLDEN = golden("tiny")
SOURCES = [tuple(ids) for ids in GOLDEN["source_ids"]]


def step(
    decoding: Decoding,
    last_ids: list[int],
    position: int,
    *,
    parents: list[int] | None = None,
    sentences: list[int] | None = None,
    forbidden: tuple[tuple[int, int], ...] = (),
    candidates: int = 8,
) -> Candidates:
    rows = range(len(last_ids))
    return decoding.step(
        StepInput(
            last_ids=np.array(last_ids, np.int64),
            positions=np.full(len(last_ids), position, np.int64),
            parents=np.array(parents or rows, np.int64),
            sentences=np.array(sentences or rows, np.int64),
            biased=np.array(forbidden, np.int64).reshape(-1, 2),
            biases=np.full(len(forbidden), -np.inf, np.float32),
            candidates=candidates,
        )
    )


def log_probs_of(served: OnnxSeq2Seq, source: tuple[int, ...], tokens: list[int]) -> list[float]:
    decoding = served.encode([source])
    found = []
    for position, token in enumerate(tokens):
        last = served.target.start if position == 0 else tokens[position - 1]
        forbidden = ((0, served.target.end),) if position == 0 else ()
        candidates = step(
            decoding, [last], position, forbidden=forbidden, candidates=served.target.vocabulary
        )
        found.append(float(candidates.log_probs[0][candidates.ids[0] == token].item()))
    return found


def test_log_probs_are_those_of_transformers(tiny_fp32: OnnxSeq2Seq) -> None:
    for source, expected in zip(SOURCES, GOLDEN["transformers"], strict=True):
        found = log_probs_of(tiny_fp32, source, expected["tokens"])
        # generate() reports the first step before it forbids the end token.
        assert found[1:] == pytest.approx(expected["log_probs"][1:], abs=1e-4)


def test_candidates_come_best_first_and_probabilities_add_up_to_1(tiny: OnnxSeq2Seq) -> None:
    decoding = tiny.encode(SOURCES[:3])
    everything = step(decoding, [tiny.target.start] * 3, 0, candidates=tiny.target.vocabulary)
    assert (np.diff(everything.log_probs, axis=-1) <= 0).all()
    np.testing.assert_allclose(np.exp(everything.log_probs).sum(axis=-1), 1, rtol=1e-5)
    assert (np.sort(everything.ids, axis=-1) == np.arange(tiny.target.vocabulary)).all()


def test_the_start_token_is_never_a_candidate(tiny: OnnxSeq2Seq) -> None:
    decoding = tiny.encode(SOURCES[:1])
    everything = step(decoding, [tiny.target.start], 0, candidates=tiny.target.vocabulary)
    assert tiny.target.start not in everything.ids
    assert np.isfinite(everything.log_probs).all()


def test_a_forbidden_token_has_no_probability_in_its_row_only(tiny: OnnxSeq2Seq) -> None:
    start = tiny.target.start
    free = step(tiny.encode(SOURCES[:2]), [start] * 2, 0)
    best = int(free.ids[1, 0])
    bound = step(tiny.encode(SOURCES[:2]), [start] * 2, 0, forbidden=((1, best),))
    np.testing.assert_array_equal(bound.log_probs[0], free.log_probs[0])
    assert best not in bound.ids[1]


def test_rows_continue_their_parents_whatever_their_order(tiny_fp32: OnnxSeq2Seq) -> None:
    """Three hypotheses of two sentences, reordered, repeated and dropped."""
    start = tiny_fp32.target.start
    decoding = tiny_fp32.encode(SOURCES[:2])
    step(decoding, [start] * 2, 0)
    step(decoding, [3, 4, 5], 1, parents=[0, 0, 1], sentences=[0, 0, 1])
    found = step(decoding, [6, 7, 8], 2, parents=[1, 1, 2], sentences=[0, 0, 1])
    for row, (source, tokens) in enumerate([(0, [4, 6]), (0, [4, 7]), (1, [5, 8])]):
        alone = tiny_fp32.encode([SOURCES[source]])
        for position, token in enumerate([start, *tokens]):
            expected = step(alone, [token], position)
        np.testing.assert_allclose(found.log_probs[row], expected.log_probs[0], atol=1e-5)
        np.testing.assert_array_equal(found.ids[row], expected.ids[0])


def test_other_sentences_do_not_change_a_single_digit(tiny: OnnxSeq2Seq) -> None:
    start = tiny.target.start
    alone, together = tiny.encode(SOURCES[:1]), tiny.encode(SOURCES[:2])
    step(alone, [start], 0)
    step(together, [start] * 2, 0)
    step(alone, [3, 4], 1, parents=[0, 0], sentences=[0, 0])
    step(together, [5, 3, 4], 1, parents=[1, 0, 0], sentences=[1, 0, 0])
    expected = step(alone, [6, 7], 2, parents=[1, 1], sentences=[0, 0])
    found = step(together, [8, 6, 7], 2, parents=[0, 2, 2], sentences=[1, 0, 0])
    np.testing.assert_array_equal(found.log_probs[1:], expected.log_probs)
    np.testing.assert_array_equal(found.ids[1:], expected.ids)


def test_forgotten_sentences_leave_the_kept_ones_as_they_are(tiny: OnnxSeq2Seq) -> None:
    start = tiny.target.start
    kept = tiny.encode(SOURCES[:4])
    step(kept, [start] * 4, 0)
    expected = step(kept, [3, 3, 3, 3], 1)
    other = tiny.encode(SOURCES[:4])
    step(other, [start] * 4, 0)
    other.leave([0, 2])
    found = step(other, [3, 3], 1, parents=[1, 3], sentences=[1, 3])
    np.testing.assert_array_equal(found.log_probs, expected.log_probs[[1, 3]])


def test_a_graph_without_the_contracts_inputs_is_refused(
    tiny_directory: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_directory, broken)
    shutil.copyfile(broken / "encoder.fp32.onnx", broken / "decoder.fp32.onnx")
    directory = ModelDirectory.open(broken)
    with pytest.raises(InvalidPackage, match=r"lacks the inputs or outputs .*last_ids"):
        OnnxSeq2Seq.load(directory, directory.variant("fp32"), RuntimeSettings())


def test_a_file_that_is_no_graph_is_refused(tiny_directory: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_directory, broken)
    (broken / "decoder.fp32.onnx").write_bytes(b"not a graph")
    directory = ModelDirectory.open(broken)
    with pytest.raises(InvalidPackage, match="can't load"):
        OnnxSeq2Seq.load(directory, directory.variant("fp32"), RuntimeSettings())
