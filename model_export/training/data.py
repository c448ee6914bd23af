"""Read parallel text: weighted tab-separated files to train on, pairs of plain files to measure on.

A training line is `source<TAB>target` or `source<TAB>target<TAB>origin`, in UTF-8; files that end
in .gz are gzip. A line's weight is its file's times its origin's: how often it is drawn in an epoch
(1 means once, 0.3 in three epochs of ten, 2 twice).
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model_export.training.errors import BadData


@dataclass(frozen=True, slots=True)
class DataFile:
    """A training file and its weight."""

    path: Path
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> DataFile:
        """FILE or FILE:WEIGHT. Raises ValueError if the weight is negative or not finite."""
        path, colon, weight = text.rpartition(":")
        if not colon or not _is_number(weight):
            return cls(Path(text))
        return cls(Path(path), positive(weight))


@dataclass(slots=True)
class Corpus:
    """Pairs to train on, in the order of the files. All lists have one entry a pair."""

    sources: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    """The third column; where there is none, the file's name without its endings."""
    weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.sources)

    def counts(self) -> dict[str, int]:
        """Origin → pairs, most first."""
        names, counts = np.unique(np.array(self.origins, dtype=object), return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {str(names[place]): int(counts[place]) for place in order}


@dataclass(frozen=True, slots=True)
class DevelopmentSet:
    """Sentences to measure on."""

    name: str
    sources: tuple[str, ...]
    references: tuple[str, ...]


def read(files: Sequence[DataFile], origin_weights: Mapping[str, float] | None = None) -> Corpus:
    """Read training files.

    origin_weights: when given, pairs of other origins are left out.

    Raises:
        BadData: with every fault of every file, or for an origin or a file that gives no pair.
    """
    corpus, weights = Corpus(), list[float]()
    problems: list[str] = []
    for file in files:
        before = len(weights)
        _read_file(file, origin_weights, corpus, weights, problems)
        if len(weights) == before and not problems:
            problems.append(f"{file.path}: no pair is left to train on.")
    for origin in set(origin_weights or ()) - set(corpus.origins):
        if origin_weights and origin_weights[origin] > 0 and not problems:
            problems.append(f"no line has the origin {origin!r}.")
    if problems:
        raise BadData(problems)
    corpus.weights = np.array(weights)
    return corpus


def read_development(prefix: str, source_language: str, target_language: str) -> DevelopmentSet:
    """Read PREFIX.fr and PREFIX.en (for fr and en): a sentence a line, line for line.

    Raises:
        BadData: a file is missing, empty or not UTF-8, or the files differ in length.
    """
    paths = [Path(f"{prefix}.{language}") for language in (source_language, target_language)]
    problems: list[str] = []
    sources, references = (
        [_text(line, f"{path}:{number}", problems) for number, line in _lines(path, problems)]
        for path in paths
    )
    if not problems and len(sources) != len(references):
        problems.append(
            f"{paths[0]} has {len(sources)} lines, {paths[1]} has {len(references)}: "
            "they must belong together line for line."
        )
    if not problems and not sources:
        problems.append(f"{paths[0]} is empty.")
    if problems:
        raise BadData(problems)
    return DevelopmentSet(Path(prefix).name, tuple(sources), tuple(references))


def positive(text: str) -> float:
    """A weight. Raises ValueError if it is negative or not a finite number."""
    weight = float(text)
    if not math.isfinite(weight) or weight < 0:
        raise ValueError(f"{text!r} is not a weight: a number from 0")
    return weight


def _read_file(
    file: DataFile,
    origin_weights: Mapping[str, float] | None,
    corpus: Corpus,
    weights: list[float],
    problems: list[str],
) -> None:
    default_origin = file.path.name.partition(".")[0]
    for number, line in _lines(file.path, problems):
        columns = _columns(line, f"{file.path}:{number}", problems)
        if columns is None:
            continue
        origin = columns[2] if len(columns) == 3 else default_origin
        share = 1.0 if origin_weights is None else origin_weights.get(origin, 0.0)
        if file.weight * share > 0:
            corpus.sources.append(columns[0])
            corpus.targets.append(columns[1])
            corpus.origins.append(origin)
            weights.append(file.weight * share)


def _columns(line: bytes, place: str, problems: list[str]) -> list[str] | None:
    before = len(problems)
    columns = [column.strip() for column in _text(line, place, problems).split("\t")]
    if len(problems) > before:
        return None
    if len(columns) not in (2, 3):
        problems.append(f"{place}: {len(columns)} column(s); expected source, target[, origin].")
        return None
    for name, column in zip(("source", "target", "origin"), columns, strict=False):
        if not column:
            problems.append(f"{place}: the {name} is empty.")
            return None
    return columns


def _text(line: bytes, place: str, problems: list[str]) -> str:
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        problems.append(f"{place}: not UTF-8 at byte {error.start + 1}.")
        return ""


def _lines(path: Path, problems: list[str]) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, from 1; what keeps the file from being read is a problem."""
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, start=1):
                yield number, line
    except (OSError, EOFError, zlib.error) as error:
        problems.append(f"{path}: can't be read after line {number}: {error}.")


def _open(path: Path) -> BufferedReader | gzip.GzipFile:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
