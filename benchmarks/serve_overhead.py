"""`serve --overhead`: what our service adds to the bare engine. See serve.py."""

from __future__ import annotations

import argparse
import socket
import statistics
import time
from collections.abc import Callable, Sequence

from benchmarks import traffic
from benchmarks.contest import FORCED, Contest
from benchmarks.model_directories import DEFAULT
from benchmarks.models import Ours
from service.domain import DecodingOptions
from service.runtime.providers import session_options
from service.settings import RuntimeSettings
from service.text.segmenter import segments

WARM_UP = 5
MOST_BYTES = 65536
"""Of an answer, at a time."""
Row = tuple[float, float, float]
"""Milliseconds of a sentence: in the engine, over HTTP, of a request without translation."""


def run(arguments: argparse.Namespace, contests: Sequence[Contest]) -> None:
    print(
        "| model | sentences | engine p50 ms | service p50 ms | difference p50 (p95) ms "
        "| of it HTTP alone, ms |\n|---|---|---|---|---|---|"
    )
    for contest in contests:
        sentences = [one for one in contest.sentences if _is_one_sentence(one)]
        with contest.ours() as service:
            found = _measure(contest, sentences, service.url, arguments.rounds * arguments.seconds)
        print(f"| {contest.model} | {len(found)} | {_row(found)} |", flush=True)


def _is_one_sentence(text: str) -> bool:
    return [segment.translatable for segment in segments(text, "fr")] == [True]


def _measure(contest: Contest, sentences: Sequence[str], url: str, seconds: float) -> list[Row]:
    """Each sentence in the engine, then in the service."""
    engine = _engine(contest)
    bodies = traffic.bodies(sentences, **contest.options)
    requests = {
        sentence: _request("POST /translate", body)
        for sentence, body in zip(sentences, bodies, strict=True)
    }
    live = _request("GET /health/live")

    def row(sentence: str) -> Row:
        bare = _milliseconds(lambda: engine(sentence))
        # In between, so that the engine's threads here have come to rest.
        nothing = _milliseconds(lambda: _ask(connection, live))
        translation = _milliseconds(lambda: _ask(connection, requests[sentence]))
        return bare, translation, nothing

    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        for sentence in sentences[:WARM_UP]:
            row(sentence)
        end = time.monotonic() + seconds
        return [row(sentence) for sentence in sentences if time.monotonic() < end]


def _request(line: str, body: bytes = b"") -> bytes:
    head = f"{line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _ask(connection: socket.socket, request: bytes) -> None:
    """Send a request and read its answer, as little as that takes: libraries take a millisecond."""
    connection.sendall(request)
    head, _, content = connection.recv(MOST_BYTES).partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(content) < length:
        content += connection.recv(MOST_BYTES)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{head!r} {content!r}")


def _engine(contest: Contest) -> Callable[[str], object]:
    """Translates one sentence, which it has as ids already, here in this process."""
    of_a_replica = session_options(RuntimeSettings(threads=contest.threads)).intra_op_num_threads
    ours = Ours.load(contest.directory, "int8", of_a_replica)
    ids = dict(zip(contest.sentences, ours.tokenizer.encode(contest.sentences), strict=True))
    free = contest.model == DEFAULT
    options = DecodingOptions(
        beam_size=contest.beam_size,
        max_decoding_length=256 if free else FORCED,
    )
    return lambda sentence: ours.translate([ids[sentence]], options, batch=1)


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def _row(found: Sequence[Row]) -> str:
    engine, service, nothing = (statistics.median(column) for column in zip(*found, strict=True))
    added = sorted(over_http - bare for bare, over_http, _ in found)
    median, most, _ = traffic.percentiles(added)
    return f"{engine:.2f} | {service:.2f} | **{median:.2f}** ({most:.2f}) | {nothing:.2f}"
