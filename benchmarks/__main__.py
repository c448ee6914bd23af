"""python -m benchmarks PROGRAM"""

from __future__ import annotations

import argparse
import importlib

PROGRAMS = {
    "parity": "same translations as CTranslate2 and transformers?",
    "options": "same translations as CTranslate2 under every option?",
    "engine": "our engine against CTranslate2",
    "invariance": "same translations alone and in any company?",
    "quality": "BLEU and chrF of every variant, beside CTranslate2",
    "selection": "best score or minimum Bayes risk?",
    "page": "how soon does the first sentence of a long text show in a browser?",
    "tags": "inline tags: around the same word in the translation?",
    "load": "concurrent clients against a running service",
    "footprint": "time to ready, memory and processor of an idle service",
    "profile": "where the time of a decoder step goes, by operator",
    "serve": "our service against one of FastAPI and CTranslate2 under load",
    "scaling": "cost of a sentence by batch, length, beam, vocabulary and waiting requests",
    "switch": "versions of a model switched under load: does a request fail?",
    "overload": "more requests than can be answered: how they are admitted and refused",
    "bad_days": "drills: what dies, hangs, fills up or changes under a running service",
    "cluster": "the service on Ray Serve: throughput by replicas, cost of a request, kill -9",
    "soak": "long random load with cancellations: answers, counters and memory",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="PROGRAM")
    for name, summary in PROGRAMS.items():
        command = commands.add_parser(name, help=summary, add_help=False)
        command.set_defaults(program=name)
    known, rest = parser.parse_known_args()
    # Each program imports its own peers, which are large.
    program = importlib.import_module(f"benchmarks.{known.program}")
    own = argparse.ArgumentParser(
        prog=f"python -m benchmarks {known.program}", description=program.__doc__
    )
    program.add_arguments(own)
    program.run(own.parse_args(rest))


if __name__ == "__main__":
    main()
