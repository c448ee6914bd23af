"""Both ends of a channel in one process, with an engine whose model can be held and can fail."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json

from service.decoding.search import Target, decode
from service.domain import DecodingOptions, FinishReason, Hypothesis, Priority
from service.engine.channel import Channel
from service.engine.local import LocalEngine
from service.engine.messages import REPLY, REQUEST, Answer, Progress, Sentence, Submit
from service.engine.remote import RemoteEngine
from service.engine.server import Server
from service.errors import InvalidPackage, ModelFailure, ShuttingDown
from service.package.directory import ModelDirectory
from service.scheduling.job import Job
from service.settings import RuntimeSettings, Settings
from tests.end_to_end.conftest import until
from tests.table_model import Gate, TableModel

TARGET = Target(start=9, end=0, vocabulary=8, max_length=200)
SECONDS = 20


def job(seed: int, **options: Any) -> Job:
    wanted = {"beam_size": 2, "max_decoding_length": 30} | options
    return Job((seed, 1), DecodingOptions(**wanted), time.monotonic() + 1000)


@contextmanager
def both_ends(
    before_step: Callable[[], None] = lambda: None,
) -> Iterator[tuple[RemoteEngine, Channel, LocalEngine]]:
    """The service's end, the engine's channel, and the engine."""
    ours, theirs = map(Channel, socket.socketpair())
    model = TableModel(TARGET, before_step)
    with LocalEngine(Settings(runtime=RuntimeSettings(replicas=1))).running() as engine:
        engine.add("", model, TARGET)
        server = threading.Thread(target=Server(engine, theirs, progress_seconds=0.01).run)
        server.start()
        remote = RemoteEngine(ours)
        try:
            yield remote, theirs, engine
        finally:
            remote.stop()
            server.join(SECONDS)
            assert not server.is_alive()
            ours.close()
            theirs.close()


def test_messages_come_back_as_they_were() -> None:
    options = DecodingOptions(
        beam_size=3,
        num_hypotheses=2,
        suppress_sequences=((1, 2), (3,)),
        target_prefix=(4,),
        max_decoding_length_ratio=1.5,
    )
    submit = Submit((Sentence(7, (1, 2, 3), options, Priority.BULK),))
    assert REQUEST.validate_json(to_json(submit)) == submit
    hypothesis = Hypothesis((5, 6), -1 / 3, FinishReason.LENGTH, ((0.1, 0.9), (1.0, 0.0)))
    answer = Answer(7, (hypothesis, replace(hypothesis, score=-math.inf)), "", 3, 4, 5, 0.1, 2.5)
    assert REPLY.validate_json(to_json(answer)) == answer


def test_jobs_get_what_the_search_finds() -> None:
    jobs = [job(seed, beam_size=1 + seed % 4, num_hypotheses=1) for seed in range(40)]
    with both_ends() as (remote, _, engine):
        remote.submit(jobs[:25])
        remote.submit(jobs[25:])
        found = [one.result.result(SECONDS) for one in jobs]
        assert remote.steps == engine.steps > 0
        assert remote.rows == engine.rows
        assert remote.waiting == 0
    for one in jobs:
        assert one.begun is not None
        assert one.ended is not None
        assert one.made <= one.begun <= one.ended
    for one, hypotheses in zip(jobs, found, strict=True):
        expected = decode(TableModel(TARGET), [one.source_ids], [one.options], TARGET)
        assert hypotheses == expected[0]


def test_attention_comes_along() -> None:
    wanted = job(3, return_attention=True)
    with both_ends() as (remote, _, _):
        remote.submit([wanted])
        (found,) = wanted.result.result(SECONDS)
    (expected,), *_ = decode(TableModel(TARGET), [wanted.source_ids], [wanted.options], TARGET)
    assert found.attention == expected.attention != ()


def test_whoever_leaves_frees_the_rows() -> None:
    gate = Gate()
    with both_ends(gate) as (remote, _, engine):
        left, stays = job(1, min_decoding_length=30), job(2, min_decoding_length=30)
        remote.submit([left, stays])
        assert gate.reached.wait(SECONDS)
        assert remote.waiting == 2  # as of no answer yet
        assert left.result.cancel()
        assert remote.waiting == 1
        gate.opened.set()
        assert stays.result.result(SECONDS)
        assert engine.rows < 2 * 2 * 30  # not two beams to their ends


def test_it_is_told_of_steps_before_anything_is_answered() -> None:
    gate, steps = threading.Event(), count(1)

    def hold_the_third() -> None:
        if next(steps) == 3:
            assert gate.wait(SECONDS)

    with both_ends(hold_the_third) as (remote, _, _):
        held = job(1, min_decoding_length=30)
        remote.submit([held])
        until(lambda: remote.steps == 3)
        assert not held.result.done()
        gate.set()
        assert held.result.result(SECONDS)


def test_steps_never_go_back() -> None:
    ours, theirs = map(Channel, socket.socketpair())
    remote = RemoteEngine(ours)
    theirs.send(Answer(0, (), "", steps=5, rows=20, active=1, waited=None, decoded=0.0))
    theirs.send(Progress(steps=3, rows=12, active=2))  # made before the answer, sent behind it
    until(lambda: remote._active == 2)
    assert (remote.steps, remote.rows) == (5, 20)
    remote.stop()
    ours.close()
    theirs.close()


def test_an_engine_whose_thread_has_died_is_gone() -> None:
    with both_ends() as (remote, _, engine):
        engine.stop()
        until(lambda: not remote.alive)


def test_a_model_that_fails_fails_its_jobs() -> None:
    def fail() -> None:
        raise RuntimeError("no such kernel")

    with both_ends(fail) as (remote, _, _):
        bad = job(1)
        remote.submit([bad])
        with pytest.raises(ModelFailure, match="could not translate"):
            bad.result.result(SECONDS)
        assert remote.alive


def test_an_engine_that_is_gone_answers_all_and_takes_no_more() -> None:
    gate = Gate()
    with both_ends(gate) as (remote, channel, _):
        held = job(1)
        remote.submit([held])
        assert gate.reached.wait(SECONDS)
        channel.hang_up()
        with pytest.raises(ModelFailure):
            held.result.result(SECONDS)
        remote._listener.join(SECONDS)
        assert not remote.alive
        with pytest.raises(ShuttingDown):
            remote.submit([job(2)])
        gate.opened.set()


def test_stopping_answers_what_is_under_way() -> None:
    gate = Gate()
    with both_ends(gate) as (remote, _, _):
        held, waiting = job(1), job(2)
        remote.submit([held])
        assert gate.reached.wait(SECONDS)
        remote.submit([waiting])
        stopping = threading.Thread(target=remote.stop)
        stopping.start()
        wait([held.result, waiting.result], SECONDS)
        for one in (held, waiting):
            with pytest.raises(ShuttingDown):
                one.result.result(0)
        gate.opened.set()
        stopping.join(SECONDS)


def test_loading_ends_when_the_engine_is_gone(tmp_path: Path) -> None:
    ours, theirs = map(Channel, socket.socketpair())
    remote = RemoteEngine(ours)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(remote.load, "held", tmp_path, None)
        assert theirs.receive()
        theirs.hang_up()
        with pytest.raises(InvalidPackage, match="stopped"):
            loading.result(SECONDS)
    remote.stop()
    ours.close()
    theirs.close()


def test_a_model_that_fails_in_an_unknown_way_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(directory: Path) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(ModelDirectory, "open", fail)
    with both_ends() as (remote, _, _):
        with pytest.raises(InvalidPackage, match="No space left"):
            remote.load("full", tmp_path)
        wanted = job(3)
        remote.submit([wanted])
        assert wanted.result.result(SECONDS)
