"""Where the time of a decoder step and of the encoder goes, by operator, and how much of it is
matrix products and Python.

Sentences of random tokens are decoded through the engine's search, to translations of a forced
length, so that every step but the first has all of its rows. Operators are timed by ONNX Runtime's
profiler, which adds some microseconds to every call. The time of a whole step is taken without it,
and every operator's time is less that of the cheapest one, which does nothing but be profiled.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from benchmarks import model_directories
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.runtime.seq2seq import OnnxSeq2Seq
from service.settings import RuntimeSettings

Event = Mapping[str, Any]
RUNS = ("run", "run_with_iobinding", "run_with_ort_values")
MODEL_RUN = "model_run"
KERNEL = "_kernel_time"
PRODUCTS = ("MatMul", "Gemm")
"""What the name of a matrix product's operator holds."""
BY_WEIGHTS = " by weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        help="a model directory, or a checkpoint of the default model to take a random one of the "
        "size of OPUS-MT",
    )
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 32, 128])
    parser.add_argument("--beam-size", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--source-tokens", type=int, default=12)
    parser.add_argument("--target-tokens", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5, help="for each measurement")


def run(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(arguments.model)
        if not (path / "manifest.json").is_file():
            checkpoint = model_directories.checkpoint_of(model_directories.OPUS_MT, path)
            path = model_directories.write(checkpoint, Path(folder) / "m", [arguments.precision])
        for rows in arguments.rows:
            if rows % arguments.beam_size:
                raise SystemExit(f"{rows} rows are not a multiple of --beam-size.")
            plain = _measure(path, arguments, rows, profile=None)
            profiled = _measure(path, arguments, rows, profile=Path(folder))
            _report(arguments, rows, plain, profiled)


@dataclass(slots=True)
class Usage:
    """What a graph did during a measurement."""

    runs: int = 0
    seconds: float = 0.0
    """Inside of its runs."""
    events: list[Event] = field(default_factory=list)
    """The profiler's."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Repeated decoding of one batch."""

    seconds: float
    graphs: dict[str, Usage]
    """By file name."""


def _measure(
    path: Path, arguments: argparse.Namespace, rows: int, profile: Path | None
) -> Measurement:
    with _watched(profile) as sessions:
        directory = ModelDirectory.open(path)
        variant = directory.variant(arguments.precision)
        model = OnnxSeq2Seq.load(
            directory, variant, RuntimeSettings(threads=arguments.threads, replicas=1)
        )
    options = DecodingOptions(
        beam_size=arguments.beam_size, max_decoding_length=arguments.target_tokens
    )
    # Nothing ends before that: the start token is never generated. A least length would do it too,
    # but takes the path of sentences with options.
    target = replace(model.target, end=model.target.start)
    batch = _sources(rows // arguments.beam_size, arguments.source_tokens, model.target.vocabulary)
    for _ in range(2):  # warm-up
        decode(model, batch, [options] * len(batch), target)
    warm_up = {session.name: (session.usage.runs, session.usage.seconds) for session in sessions}
    started = time.perf_counter()
    while (seconds := time.perf_counter() - started) < arguments.seconds:
        decode(model, batch, [options] * len(batch), target)
    for session in sessions:
        runs, used = warm_up[session.name]
        session.usage.runs -= runs
        session.usage.seconds -= used
        session.usage.events = session.finish(skip=runs) if profile else []
    return Measurement(seconds, {session.name: session.usage for session in sessions})


def _sources(sentences: int, length: int, vocabulary: int) -> list[tuple[int, ...]]:
    """Random tokens; the end token, 0, is the last one."""
    drawn = np.random.default_rng(0).integers(2, vocabulary - 1, (sentences, length - 1))
    return [(*row, 0) for row in drawn.tolist()]


class WatchedSession(onnxruntime.InferenceSession):  # type: ignore[misc]
    """A session that counts and times its runs."""

    profile: Path | None = None
    """Where the profiler writes; None turns it off."""

    def __init__(self, path: Path, sess_options: Any = None, **others: Any) -> None:
        options = sess_options or onnxruntime.SessionOptions()
        if self.profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(self.profile / Path(path).stem)
        super().__init__(path, options, **others)
        self.name = Path(path).name
        self.usage = Usage()
        for name in RUNS:
            setattr(self, name, self._timed(getattr(super(), name)))

    def _timed(self, run: Any) -> Any:
        def timed(*given: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return run(*given, **named)
            finally:
                self.usage.seconds += time.perf_counter() - started
                self.usage.runs += 1

        return timed

    def finish(self, skip: int) -> list[Event]:
        """The profiler's events, but for the first runs and what came before them."""
        found = json.loads(Path(self.end_profiling()).read_text(encoding="utf-8"))
        events: list[Event] = sorted(
            (event for event in found if event.get("ph") == "X"), key=lambda event: event["ts"]
        )
        ends = [event["ts"] + event["dur"] for event in events if event["name"] == MODEL_RUN]
        return [event for event in events if event["ts"] >= ends[skip - 1]]


@contextlib.contextmanager
def _watched(profile: Path | None) -> Iterator[list[WatchedSession]]:
    """Sessions that are made in this block are watched; they are appended to what is yielded."""
    made: list[WatchedSession] = []
    original = onnxruntime.InferenceSession

    class Session(WatchedSession):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            made.append(self)

    Session.profile = profile
    onnxruntime.InferenceSession = Session
    try:
        yield made
    finally:
        onnxruntime.InferenceSession = original


def _report(
    arguments: argparse.Namespace, rows: int, plain: Measurement, profiled: Measurement
) -> None:
    print(
        f"\n### {arguments.precision}, {rows} rows, beam {arguments.beam_size}, "
        f"{arguments.source_tokens} source tokens, {arguments.target_tokens} steps, "
        f"{arguments.threads} threads\n"
    )
    batches = min(usage.runs for usage in plain.graphs.values())
    steps = max(usage.runs for usage in plain.graphs.values())
    inside = sum(usage.seconds for usage in plain.graphs.values())
    for name, usage in plain.graphs.items():
        each = usage.seconds / usage.runs
        print(f"{name}: {1e6 * each:.0f} µs a run, {usage.seconds / plain.seconds:.1%} of all time")
    print(
        f"outside of the graphs (Python): {1e6 * (plain.seconds - inside) / steps:.0f} µs a step, "
        f"{1 - inside / plain.seconds:.1%} of all time; {steps / batches:.0f} steps a batch"
    )
    for name, usage in profiled.graphs.items():
        whole = plain.graphs[name]
        _table(name, usage, 1e6 * whole.seconds / whole.runs)


def _table(name: str, usage: Usage, run_microseconds: float) -> None:
    """run_microseconds: a run without the profiler."""
    kinds: dict[str, list[float]] = collections.defaultdict(list)
    for event in usage.events:
        if event["name"].endswith(KERNEL):
            kinds[_kind(event)].append(event["dur"])
    added = min(statistics.median(durations) for durations in kinds.values())
    own = {
        kind: sum(max(0.0, duration - added) for duration in durations) / usage.runs
        for kind, durations in kinds.items()
    }
    total = sum(own.values())
    print(f"\n| {name} | calls a run | µs a run | share |\n|---|---|---|---|")
    for kind, spent in sorted(own.items(), key=lambda item: -item[1]):
        calls = len(kinds[kind]) / usage.runs
        print(f"| {kind} | {calls:.4g} | {spent:.1f} | {spent / total:.1%} |")
    calls = sum(map(len, kinds.values())) / usage.runs
    print(f"| **all** | {calls:.4g} | {total:.1f} | |")
    products = sum(spent for kind, spent in own.items() if any(p in kind for p in PRODUCTS))
    weights = sum(spent for kind, spent in own.items() if kind.endswith(BY_WEIGHTS))
    print(
        f"| **matrix products** | | {products:.1f} | {products / total:.1%} |\n"
        f"| by weights | | {weights:.1f} | {weights / total:.1%} |\n\n"
        f"A run without the profiler: {run_microseconds:.0f} µs. What the profiler adds to a "
        f"call, {added:.1f} µs, was taken off."
    )


def _kind(event: Event) -> str:
    name = str(event["args"]["op_name"])
    is_product = any(product in name for product in PRODUCTS)
    return name + BY_WEIGHTS if is_product and int(event["args"]["parameter_size"]) else name
