from __future__ import annotations

import math
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from service.decoding.model import LogProbs, Seq2SeqModel
from service.decoding.search import Target, decode
from service.domain import DecodingOptions, Priority
from service.errors import DeadlineExceeded, ModelFailure, ShuttingDown
from service.runtime.seq2seq import OnnxSeq2Seq
from service.scheduling.engine import Engine
from service.scheduling.job import Job
from service.settings import SchedulingSettings
from tests.conftest import golden, load
from tests.table_model import Gate, TableDecoding, TableModel

TARGET = Target(start=9, end=0, vocabulary=8, max_length=200)
LIMITS = SchedulingSettings()
SOURCES = [tuple(ids) for ids in golden("tiny")["source_ids"]]
LARGE = 47
"""A token of one of these sentences."""
SECONDS = 20
"""Longest that anything here is waited for; all of it takes milliseconds."""


@contextmanager
def engine_of(model: Seq2SeqModel, replicas: int = 1) -> Iterator[Engine]:
    """An engine with one model."""
    with Engine(LIMITS, replicas).running() as engine:
        engine.add("", model, TARGET)
        yield engine


def job(
    seed: int,
    *,
    beam_size: int = 2,
    deadline: float = 1000,
    longest: int = 30,
    shortest: int = 1,
    priority: Priority = Priority.INTERACTIVE,
) -> Job:
    options = DecodingOptions(
        beam_size=beam_size, max_decoding_length=longest, min_decoding_length=shortest
    )
    return Job((seed, 1), options, time.monotonic() + deadline, priority)


def test_jobs_get_what_the_search_finds() -> None:
    jobs = [job(seed, beam_size=1 + seed % 4) for seed in range(40)]
    with engine_of(TableModel(TARGET)) as running:
        running.submit(jobs)
        found = [job.result.result(SECONDS) for job in jobs]
    for one, hypotheses in zip(jobs, found, strict=True):
        expected = decode(TableModel(TARGET), [one.source_ids], [one.options], TARGET)
        assert hypotheses == expected[0]


def test_what_waits_is_translated_together() -> None:
    gate = Gate()
    with engine_of(TableModel(TARGET, gate)) as running:
        first, rest = job(0, longest=1), [job(seed) for seed in range(1, 9)]
        running.submit([first])
        assert gate.reached.wait(SECONDS)
        for one in rest:
            running.submit([one])
        assert running.waiting == 8
        gate.opened.set()
        wait([one.result for one in rest], SECONDS)
        assert running.steps <= 1 + 30
        assert running.rows > 8


def test_a_sentence_joins_those_that_are_being_decoded() -> None:
    gate = Gate()
    with engine_of(TableModel(TARGET, gate)) as running:
        early, late = (job(seed, longest=40, shortest=40) for seed in (1, 2))
        running.submit([early])
        assert gate.reached.wait(SECONDS)
        running.submit([late])
        gate.opened.set()
        wait([early.result, late.result], SECONDS)
        assert running.steps == 41


def test_a_short_sentence_does_not_wait_for_the_long_ones_beside_it() -> None:
    gate = Gate()
    with engine_of(TableModel(TARGET, gate)) as running:
        long, short = job(1, longest=190, shortest=190), job(2, longest=3)
        running.submit([long])
        assert gate.reached.wait(SECONDS)
        running.submit([short])
        short.result.add_done_callback(lambda _: finished.append(long.result.done()))
        finished: list[bool] = []
        gate.opened.set()
        wait([long.result, short.result], SECONDS)
    assert finished == [False]


@pytest.mark.parametrize("first", list(Priority))
def test_neither_priority_waits_for_the_end_of_the_other(first: Priority) -> None:
    (second,) = set(Priority) - {first}
    gate = Gate()
    with engine_of(TableModel(TARGET, gate)) as running:
        many = [job(seed, longest=190, shortest=190, priority=first) for seed in range(8)]
        one = job(9, longest=3, priority=second)
        running.submit(many)
        assert gate.reached.wait(SECONDS)
        running.submit([one])
        finished: list[bool] = []
        one.result.add_done_callback(lambda _: finished.append(many[0].result.done()))
        gate.opened.set()
        wait([one.result, *(job.result for job in many)], SECONDS)
    assert finished == [False]


class HoldsTheFirst(Gate):
    """A gate for the first to come; the others pass."""

    def __init__(self) -> None:
        super().__init__()
        self._free = threading.Lock()

    def __call__(self) -> None:
        if self._free.acquire(blocking=False):
            super().__call__()


def test_replicas_decode_at_the_same_time() -> None:
    gate = HoldsTheFirst()
    with engine_of(TableModel(TARGET, gate), 2) as running:
        held, other = job(1), job(2)
        running.submit([held])
        assert gate.reached.wait(SECONDS)
        running.submit([other])
        assert other.result.result(SECONDS)
        assert not held.result.done()
        gate.opened.set()
        assert held.result.result(SECONDS)


@pytest.mark.parametrize("replicas", [2, 4])
def test_replicas_give_what_one_gives(replicas: int) -> None:
    jobs = [job(seed, beam_size=1 + seed % 4) for seed in range(60)]
    with engine_of(TableModel(TARGET), replicas) as running:
        for one in jobs:
            running.submit([one])
        found = [one.result.result(SECONDS) for one in jobs]
    for one, hypotheses in zip(jobs, found, strict=True):
        assert hypotheses == decode(TableModel(TARGET), [one.source_ids], [one.options], TARGET)[0]


def test_sentences_that_cannot_be_encoded_fail_alone() -> None:
    class Picky(TableModel):
        def begin(self) -> TableDecoding:
            return PickyDecoding(self)

    class PickyDecoding(TableDecoding):
        def join(self, source_ids: list[tuple[int, ...]]) -> list[int]:
            if (13, 1) in source_ids:
                raise RuntimeError("no such token")
            return super().join(source_ids)

    gate = Gate()
    with engine_of(Picky(TARGET, gate)) as running:
        good, bad = job(1, longest=20), job(13)
        running.submit([good])
        assert gate.reached.wait(SECONDS)
        running.submit([bad])
        gate.opened.set()
        with pytest.raises(ModelFailure):
            bad.result.result(SECONDS)
        assert good.result.result(SECONDS)


def test_a_batch_that_fails_fails_alone() -> None:
    failures = [RuntimeError("no such kernel")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    with engine_of(TableModel(TARGET, fail_once)) as running:
        bad = job(1)
        running.submit([bad])
        with pytest.raises(ModelFailure):
            bad.result.result(SECONDS)
        good = job(2)
        running.submit([good])
        assert good.result.result(SECONDS)
        assert running.alive


@pytest.mark.parametrize("most", [1, 3, 8])
def test_a_batch_that_is_too_large_is_decoded_in_halves(most: int) -> None:
    """As one that takes more memory than there is."""

    class Small(TableModel):
        def begin(self) -> TableDecoding:
            return SmallDecoding(self)

    class SmallDecoding(TableDecoding):
        def join(self, source_ids: list[tuple[int, ...]]) -> list[int]:
            if len(self.sources) + len(source_ids) > most:
                raise MemoryError
            return super().join(source_ids)

    jobs = [job(seed, longest=5) for seed in range(20)]
    with engine_of(Small(TARGET)) as running:
        running.submit(jobs)
        found = [one.result.result(SECONDS) for one in jobs]
    for one, hypotheses in zip(jobs, found, strict=True):
        expected = decode(TableModel(TARGET), [one.source_ids], [one.options], TARGET)
        assert hypotheses == expected[0]


@pytest.mark.parametrize("bad", [0, 7, 19])
def test_a_sentence_with_which_a_batch_fails_is_the_only_one_to_fail(bad: int) -> None:
    class Picky(TableModel):
        def logits(self, source_ids: tuple[int, ...], prefix: tuple[int, ...]) -> LogProbs:
            if source_ids == (bad, 1) and len(prefix) == 2:
                raise RuntimeError("not a number")
            return super().logits(source_ids, prefix)

    jobs = [job(seed, shortest=4, longest=9) for seed in range(20)]
    with engine_of(Picky(TARGET)) as running:
        running.submit(jobs)
        with pytest.raises(ModelFailure):
            jobs.pop(bad).result.result(SECONDS)
        found = [one.result.result(SECONDS) for one in jobs]
        assert running.alive
    for one, hypotheses in zip(jobs, found, strict=True):
        expected = decode(TableModel(TARGET), [one.source_ids], [one.options], TARGET)
        assert hypotheses == expected[0]


@pytest.fixture
def overflowing(tiny_directory: Path, tmp_path: Path) -> OnnxSeq2Seq:
    """The tiny model, with a source token whose numbers are too large to be multiplied."""
    path = tmp_path / "overflowing"
    shutil.copytree(tiny_directory, path)
    graph = onnx.load(path / "encoder.fp32.onnx")
    table = max(graph.graph.initializer, key=lambda one: math.prod(one.dims))
    embeddings = onnx.numpy_helper.to_array(table).copy()
    embeddings[LARGE] = 3e38
    table.CopyFrom(onnx.numpy_helper.from_array(embeddings, table.name))
    onnx.save(graph, path / "encoder.fp32.onnx")
    return load(path, "fp32")


def test_a_sentence_that_overflows_fails_alone_and_leaves_nothing_behind(
    tiny_fp32: OnnxSeq2Seq, overflowing: OnnxSeq2Seq
) -> None:
    sources = [source for source in SOURCES if LARGE not in source][:4]
    bad = next(source for source in SOURCES if LARGE in source)
    options = DecodingOptions(max_decoding_length=12)
    with Engine(LIMITS).running() as running:
        running.add("", overflowing, overflowing.target)
        for batch in ([bad], sources, [bad, *sources], sources):
            jobs = [Job(source, options, time.monotonic() + SECONDS) for source in batch]
            running.submit(jobs)
            for one in jobs:
                if one.source_ids == bad:
                    with pytest.raises(ModelFailure):
                        one.result.result(SECONDS)
                    continue
                (alone,) = decode(tiny_fp32, [one.source_ids], [options], tiny_fp32.target)
                assert one.result.result(SECONDS) == alone


def test_an_abandoned_sentence_frees_its_rows_and_leaves_the_others_alone() -> None:
    gate = Gate()
    with engine_of(TableModel(TARGET, gate)) as running:
        leaving, staying = job(1, beam_size=4), job(2, longest=12)
        running.submit([leaving, staying])
        assert gate.reached.wait(SECONDS)
        leaving.result.cancel()
        gate.opened.set()
        found = staying.result.result(SECONDS)
        assert running.rows <= 2 + 12 * 2
    assert found == decode(TableModel(TARGET), [staying.source_ids], [staying.options], TARGET)[0]


def test_a_deadline_that_passes_while_decoding_fails_the_job() -> None:
    gate = Gate()
    with engine_of(TableModel(TARGET, gate)) as running:
        late = job(1, deadline=0.05)
        running.submit([late])
        assert gate.reached.wait(SECONDS)
        while time.monotonic() <= late.deadline:
            threading.Event().wait(0.01)
        gate.opened.set()
        with pytest.raises(DeadlineExceeded):
            late.result.result(SECONDS)


def test_stopping_answers_whoever_waits() -> None:
    gate = Gate()
    with engine_of(TableModel(TARGET, gate)) as running:
        decoding = job(1)
        running.submit([decoding])
        assert gate.reached.wait(SECONDS)
        waiting = job(2)
        running.submit([waiting])
        stopper = threading.Thread(target=running.stop)
        stopper.start()
        with pytest.raises(ShuttingDown):
            waiting.result.result(SECONDS)
        gate.opened.set()
        with pytest.raises(ShuttingDown):
            decoding.result.result(SECONDS)
        stopper.join(SECONDS)
        assert not running.alive
        with pytest.raises(ShuttingDown):
            running.submit([job(3)])


def test_a_thread_that_dies_answers_whoever_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    gate = Gate()

    def die() -> None:
        gate()
        raise SystemExit

    with engine_of(TableModel(TARGET, die)) as running:
        decoding, waiting = job(1), job(2)
        running.submit([decoding])
        assert gate.reached.wait(SECONDS)
        running.submit([waiting])
        gate.opened.set()
        for one in (decoding, waiting):
            with pytest.raises(ModelFailure):
                one.result.result(SECONDS)
        with pytest.raises(ShuttingDown):
            running.submit([job(3)])


class Counting(TableModel):
    """Begins with a token of its own, and tells its steps."""

    def __init__(self, first: int, steps: list[int], before_step: Callable[[], None]) -> None:
        def note() -> None:
            before_step()
            steps.append(first)

        super().__init__(TARGET, note)
        self._first = first

    def logits(self, source_ids: tuple[int, ...], prefix: tuple[int, ...]) -> LogProbs:
        found = super().logits(source_ids, prefix)
        if not prefix:
            found[self._first] = 99
        return found


def test_models_take_turns_and_get_what_is_theirs() -> None:
    gate, steps = HoldsTheFirst(), list[int]()
    one, other = (Counting(first, steps, gate) for first in (3, 5))
    with Engine(LIMITS).running() as running:
        running.add("one", one, TARGET)
        running.add("other", other, TARGET)
        mine, theirs = (
            [replace(job(n, longest=20, shortest=20), model=name) for n in range(4)]
            for name in ("one", "other")
        )
        running.submit(mine)
        assert gate.reached.wait(SECONDS)
        running.submit(theirs)
        gate.opened.set()
        wait([one.result for one in (*mine, *theirs)], SECONDS)
    assert {job.result.result(0)[0].target_ids[0] for job in mine} == {3}
    assert {job.result.result(0)[0].target_ids[0] for job in theirs} == {5}
    # Neither waits for the end of the other, whoever came first.
    assert steps.index(5) < len(steps) // 2 < len(steps) - steps[::-1].index(3)


def test_a_model_that_is_removed_fails_its_jobs_and_no_others() -> None:
    gate = Gate()
    with Engine(LIMITS).running() as running:
        running.add("goes", TableModel(TARGET, gate), TARGET)
        running.add("stays", TableModel(TARGET), TARGET)
        begun, waits = (
            replace(job(seed, longest=100, shortest=100), model="goes") for seed in (1, 2)
        )
        other = replace(job(3), model="stays")
        running.submit([begun])
        assert gate.reached.wait(SECONDS)
        running.submit([waits, other])
        running.remove("goes")
        gate.opened.set()
        for one in (begun, waits):
            with pytest.raises(ModelFailure, match="not loaded any more"):
                one.result.result(SECONDS)
        assert other.result.result(SECONDS)
        late = replace(job(4), model="goes")
        running.submit([late])
        with pytest.raises(ModelFailure, match="not loaded any more"):
            late.result.result(SECONDS)


def test_idle_threads_let_go_of_a_model_that_is_removed() -> None:
    with Engine(LIMITS, replicas=2).running() as running:
        model = TableModel(TARGET)
        running.add("", model, TARGET)
        for seed in range(20):
            running.submit([one := job(seed)])
            assert one.result.result(SECONDS)
        gone = weakref.ref(model)
        running.remove("")
        del model
        end = time.monotonic() + SECONDS
        while gone() is not None:
            assert time.monotonic() < end


def test_a_name_stands_for_one_model() -> None:
    with engine_of(TableModel(TARGET)) as running, pytest.raises(ValueError, match="already"):
        running.add("", TableModel(TARGET), TARGET)
