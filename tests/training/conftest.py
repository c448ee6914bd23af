"""A toy to learn by heart, and a run of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from model_export.__main__ import main

NUMBERS = {
    "un": "one",
    "deux": "two",
    "trois": "three",
    "quatre": "four",
}
SMALL = {
    "pair": "fr-en",
    "d-model": 64,
    "encoder-layers": 2,
    "decoder-layers": 1,
    "heads": 4,
    "feed-forward": 128,
    "vocabulary": 24,
    "batch-tokens": 400,
    "learning-rate": 3e-3,
    "warm-up": 40,
    "label-smoothing": 0,
    "average": 0.9,
    "log-steps": 10,
}


def toy_pairs() -> list[tuple[str, str]]:
    """256 pairs of number words."""
    return [
        (" ".join(words), " ".join(NUMBERS[word] for word in words))
        for words in itertools.product(NUMBERS, repeat=4)
    ]


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with toy.tsv and dev.fr, dev.en. Not to be changed."""
    folder = tmp_path_factory.mktemp("toy")
    pairs = toy_pairs()
    (folder / "toy.tsv").write_text("".join(f"{fr}\t{en}\tnumbers\n" for fr, en in pairs), "utf-8")
    (folder / "dev.fr").write_text("".join(f"{fr}\n" for fr, _ in pairs[::7]), "utf-8")
    (folder / "dev.en").write_text("".join(f"{en}\n" for _, en in pairs[::7]), "utf-8")
    return folder


def arguments(toy: Path, out: Path, *more: object) -> list[str]:
    """The command line that trains the toy."""
    return [
        *("train", "transformer", "--out", str(out)),
        *("--data", str(toy / "toy.tsv"), "--dev", str(toy / "dev")),
        *(f"--{name}={value}" for name, value in SMALL.items()),
        *map(str, more),
    ]


def go_on(out: Path, *more: object) -> list[str]:
    """The command line that goes on with a run."""
    return ["train", "transformer", "--out", str(out), *map(str, more)]


@pytest.fixture(scope="session")
def learnt(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the toy. Not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "learnt"
    assert run(arguments(toy, out, "--steps", 600)) == 0
    return out


def run(command: Sequence[str]) -> int:
    """python -m model_export in this process; returns the exit status."""
    return main(command)
