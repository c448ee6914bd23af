"""Both services with the same weights."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks import model_directories, services, traffic
from benchmarks.services import Service

FORCED = 20
"""Tokens of a translation of a random model."""
COMPARED = 50
"""Translations that are compared beforehand."""


@dataclass(frozen=True, slots=True)
class Contest:
    """What both serve, and what both are asked."""

    model: str
    beam_size: int
    threads: int
    """Ours; 0 leaves it to us."""
    directory: Path
    peer_directory: Path
    sentences: Sequence[str]

    @classmethod
    def prepare(
        cls, model: str, arguments: argparse.Namespace, sentences: Sequence[str], folder: Path
    ) -> Contest:
        """Write both directories."""
        default = arguments.checkpoint
        checkpoint = model_directories.checkpoint_of(model, default)
        return cls(
            model=model,
            beam_size=arguments.beam_size,
            threads=arguments.threads,
            directory=model_directories.write(checkpoint, folder / model, ["int8"]),
            peer_directory=model_directories.write_peer(
                model, default, checkpoint, folder / f"{model}-peer"
            ),
            sentences=sentences,
        )

    @property
    def options(self) -> dict[str, object]:
        """What requests ask for beside the translation; the beam is the services' default."""
        if self.model == model_directories.DEFAULT:
            return {}
        # Its end token is never generated, and what it writes is repetitive.
        return {"max_decoding_length": FORCED, "retry_repetitions": False}

    @property
    def requests(self) -> list[bytes]:
        """A request for each sentence."""
        return traffic.bodies(self.sentences, **self.options)

    def agreement(self, both: Sequence[Service]) -> str:
        """How many translations of both are equal; in int8 the two round differently."""
        ours, peer = (
            [
                httpx.post(
                    f"{service.url}/translate", content=body, headers=traffic.JSON, timeout=60
                ).json()["translatedText"]
                for body in self.requests[:COMPARED]
            ]
            for service in both
        )
        equal = sum(a == b for a, b in zip(ours, peer, strict=True))
        return f"{self.model}: {equal} of the first {len(ours)} translations are equal\n"

    @contextlib.contextmanager
    def ours(self) -> Iterator[Service]:
        """Our service, with its defaults but for beam and threads."""
        settings = {"DECODING__BEAM_SIZE": self.beam_size, "RUNTIME__THREADS": self.threads}
        with services.ours(self.directory, settings) as service:
            yield service

    @contextlib.contextmanager
    def peer(self, threads: str) -> Iterator[Service]:
        """The peer. threads: translations at once x threads of each."""
        with services.peer(self.peer_directory, self.beam_size, threads) as service:
            yield service

    def best_threads(self, candidates: Sequence[str], seconds: float) -> str:
        """Which of these let the peer translate most with 8 clients."""
        if len(candidates) == 1:
            return candidates[0]
        found = {}
        for threads in candidates:
            with self.peer(threads) as service:
                load = traffic.on_client(
                    service.url,
                    lambda client: traffic.closed_loop(client, self.requests, 8, seconds),
                )
            found[threads] = load.throughput
        best = max(found, key=found.__getitem__)
        tried = ", ".join(f"{threads} {rate:.1f}/s" for threads, rate in found.items())
        print(f"{self.model}: the peer runs with {best} threads ({tried})\n", flush=True)
        return best
