"""Our service against the one that one would write in an afternoon with FastAPI and CTranslate2
(peer_service.py): the same weights in int8, the same beam, on the same cores as this program, which
starts both and asks them by turns.

Without --late and --overhead: throughput and latency with a given number of clients (closed loop),
and at given rates of arrival (open loop, Poisson). A ratio above 1 means that ours is better.

--late: how long one short sentence waits when it comes while 64 long ones are translated.
--overhead: what HTTP, queue and text add to the bare engine, one request at a time.

The model opus-mt has the size of OPUS-MT models and random weights; all of its translations are
forced to 20 tokens.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import model_directories, serve_late, serve_load, serve_overhead
from benchmarks.contest import Contest
from benchmarks.models import lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="the default model's checkpoint")
    parser.add_argument("source", type=Path, help="source text, one sentence a line")
    parser.add_argument("--late", action="store_true")
    parser.add_argument("--overhead", action="store_true")
    parser.add_argument(
        "--models", nargs="+", default=[*model_directories.MODELS], choices=model_directories.MODELS
    )
    parser.add_argument("--beam-size", type=int, default=4)
    parser.add_argument("--threads", type=int, default=0, help="ours; 0 is all cores")
    parser.add_argument("--sentences", type=int, default=1000, help="lines of the source text")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each service")
    parser.add_argument("--seconds", type=float, default=20, help="of each turn")
    parser.add_argument("--clients", nargs="*", type=int, default=[1, 4, 16, 64])
    parser.add_argument(
        "--rates", nargs="*", type=float, help="arrivals a second; overrides --shares"
    )
    parser.add_argument(
        "--shares",
        nargs="*",
        type=float,
        default=[0.25, 0.5, 0.75, 1.0, 1.25],
        help="rates as shares of the peer's highest throughput with --clients",
    )
    parser.add_argument(
        "--peer-threads",
        nargs="+",
        default=["1x2", "2x1", "4x1"],
        help="translations at once x threads of each; the best with 8 clients is used",
    )
    parser.add_argument("--plot", type=Path, default=Path("build/serve.png"))


def run(arguments: argparse.Namespace) -> None:
    if arguments.late:
        program = serve_late.run
    elif arguments.overhead:
        program = serve_overhead.run
    else:
        program = serve_load.run
    sentences = lines(arguments.source, arguments.sentences)
    with tempfile.TemporaryDirectory() as folder:
        contests = [
            Contest.prepare(model, arguments, sentences, Path(folder)) for model in arguments.models
        ]
        program(arguments, contests)
