"""An engine in a real process of its own, with a real model."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from service.decoding.search import decode
from service.domain import DecodingOptions, Hypothesis
from service.engine import launch, local
from service.engine.channel import Channel
from service.errors import InvalidPackage, MissingFile, ModelFailure, ProviderUnavailable
from service.runtime.seq2seq import OnnxSeq2Seq
from service.scheduling.job import Decoder, Job
from service.settings import RuntimeSettings, Settings

SECONDS = 60
SOURCES = [(5, 6, 7, 0), (8, 0), (9, 10, 11, 12, 13, 0)]
OPTIONS = DecodingOptions(beam_size=3, num_hypotheses=2, max_decoding_length=20)


def translations(engine: Decoder, model: str = "tiny") -> list[tuple[Hypothesis, ...]]:
    jobs = [Job(ids, OPTIONS, math.inf, model=model) for ids in SOURCES]
    engine.submit(jobs)
    return [job.result.result(SECONDS) for job in jobs]


def test_it_translates_as_in_this_process(tiny_directory: Path, tiny_fp32: OnnxSeq2Seq) -> None:
    expected = decode(tiny_fp32, SOURCES, [OPTIONS] * len(SOURCES), tiny_fp32.target)
    with launch.running(Settings()) as engine, local.running(Settings()) as here:
        for one in (engine, here):
            assert one.load("tiny", tiny_directory, "fp32").provider == tiny_fp32.provider
            assert translations(one) == expected


def test_models_come_and_go(tiny_directory: Path, tmp_path: Path) -> None:
    with launch.running(Settings()) as engine, local.running(Settings()) as here:
        for one in (engine, here):
            one.load("tiny", tiny_directory, "fp32")
            expected = translations(one)
            with pytest.raises(MissingFile, match="manifest"):
                one.load("none", tmp_path)
            with pytest.raises(InvalidPackage, match="int4"):
                one.load("wrong", tiny_directory, "int4")
            one.load("again", tiny_directory, "fp32")
            one.unload("tiny")
            with pytest.raises(ModelFailure, match="not loaded"):
                translations(one)
            assert translations(one, "again") == expected


def test_what_keeps_it_from_starting_is_told() -> None:
    with (
        pytest.raises(ProviderUnavailable, match="CUDAExecutionProvider"),
        launch.running(Settings(runtime=RuntimeSettings(device="cuda"))),
    ):
        pass


def test_a_process_that_dies_answers_all(
    tiny_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    with launch.running(Settings()) as engine:
        engine.load("tiny", tiny_directory)
        (process,) = started
        process.send_signal(signal.SIGSTOP)
        job = Job(SOURCES[0], OPTIONS, math.inf, model="tiny")
        engine.submit([job])
        process.kill()
        with pytest.raises(ModelFailure):
            job.result.result(SECONDS)
        with pytest.raises(InvalidPackage, match="stopped"):
            engine.load("again", tiny_directory)
        engine._listener.join(SECONDS)
        assert not engine.alive
    assert process.returncode == -signal.SIGKILL


def test_it_ends_with_the_service_and_at_no_signal() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.engine.process", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ,
        )
    channel = Channel(ours)
    channel.send(Settings())
    assert channel.receive() is not None
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    channel.hang_up()  # as when the service was killed
    channel.close()
    assert process.wait(SECONDS) == 0
