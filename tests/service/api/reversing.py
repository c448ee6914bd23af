"""A model that reverses the words of a sentence: what is served where no real model is needed."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise

from service.decoding.model import Target
from service.domain import FinishReason, Hypothesis, ModelDescription, Segment
from service.errors import ModelFailure, ServiceError
from service.opening import OpenModel, RunningModel
from service.package.manifest import LanguagePair
from service.scheduling.job import Job
from service.settings import Settings
from service.text.languages import Languages

DESCRIPTION = ModelDescription(
    name="reversing",
    version="1",
    variant="fp32",
    precision="fp32",
    device="cpu",
    provider="CPUExecutionProvider",
)
LONGEST = 20
"""Words in a sentence before it is cut in pieces."""
UNKNOWN = "?unknown"
"""A word that the model does not know."""
END = -2
"""The id of the end token."""


class ReversingEngine:
    """Answers at once, or holds jobs until release(); fails them all with `failure` if it is set.

    The k-th hypothesis has its first k words doubled. Thread-safe.
    """

    def __init__(self) -> None:
        self.alive = True
        self.steps = 0
        self.rows = 0
        self.failure: ServiceError | None = None
        self.jobs: list[Job] = []
        """All jobs that were ever submitted."""
        self._lock = threading.Lock()
        self._held: list[Job] | None = None

    @property
    def waiting(self) -> int:
        """Jobs held."""
        return len(self._held or ())

    def hold(self) -> None:
        """Answer nothing from now on."""
        with self._lock:
            self._held = self._held or []

    def release(self) -> None:
        """Answer what was held, and everything from now on."""
        with self._lock:
            held, self._held = self._held or [], None
        self._answer(held)

    def release_held(self) -> None:
        """Answer what was held, and hold what comes."""
        with self._lock:
            held, self._held = self._held or [], []
        self._answer(held)

    def die(self) -> None:
        """Fail what was held, and be gone."""
        self.failure = ModelFailure("The model could not translate this text.")
        self.release()
        self.alive = False

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs."""
        with self._lock:
            self.jobs += jobs
            if self._held is not None:
                self._held += jobs
                return
        self._answer(jobs)

    def _answer(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.steps += 1
            job.begun = time.monotonic()
            self.rows += job.options.beam_size
            if self.failure is not None:
                job.fail(self.failure)
            else:
                job.finish(tuple(_hypothesis(job, rank) for rank in range(_hypotheses(job))))


class Words:
    """A text pipeline whose sentences are lines and whose tokens are words."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._ids: dict[str, int] = {}

    def segments(self, text: str, language: str) -> list[Segment]:
        """Lines with a letter, and the space around them."""
        return [
            Segment(part, translatable=any(character.isalpha() for character in part))
            for part in re.split(r"(\s*\n\s*|\A\s+|\s+\Z)", text)
            if part
        ]

    def encode(self, sentence: str, pair: LanguagePair) -> list[tuple[Segment, tuple[int, ...]]]:
        """Pieces of LONGEST words; the space between two of them is kept."""
        words = sentence.split(" ")
        pieces: list[tuple[Segment, tuple[int, ...]]] = []
        for start in range(0, len(words), LONGEST):
            if start:
                pieces.append((Segment(" ", translatable=False), ()))
            piece = words[start : start + LONGEST]
            ids = tuple(self._id(word) for word in piece)
            pieces.append((Segment(" ".join(piece), translatable=True), ids))
        return pieces

    def decode(self, target_ids: Sequence[Sequence[int]]) -> list[str]:
        """Words joined by spaces, unknown ones left out."""
        return [
            " ".join(self._words[number] for number in ids if number != self.unknown_target)
            for ids in target_ids
        ]

    @property
    def unknown_target(self) -> int | None:
        """That of UNKNOWN."""
        return self._ids.get(UNKNOWN)

    def start(self, pair: LanguagePair) -> tuple[int, ...]:
        """Nothing."""
        return ()

    def encode_whole(self, sentence: str, pair: LanguagePair) -> tuple[int, ...] | None:
        """Ids of at most LONGEST words."""
        ids = tuple(self._id(word) for word in sentence.split(" "))
        return ids if len(ids) <= LONGEST else None

    def target_ids(self, text: str) -> tuple[int, ...]:
        """Ids of the words; no word may hold a question mark."""
        if "?" in text:
            raise ValueError("has text that the model has no token for")
        return tuple(self._id(word) for word in text.split(" "))

    def target_token(self, token: str) -> int:
        """The id of a word that was seen before."""
        if token not in self._ids:
            raise ValueError("has a token that the model does not know")
        return self._ids[token]

    def target_tokens(self, target_ids: Sequence[int]) -> list[str]:
        """Words; the end is </s>."""
        return ["</s>" if number == END else self._words[number] for number in target_ids]

    def source_tokens(self, sentence: str, pair: LanguagePair) -> list[str]:
        """Words."""
        return sentence.split(" ")

    def source_spans(self, sentence: str, pair: LanguagePair) -> list[tuple[int, int]]:
        """Words."""
        ends = list(accumulate(len(word) + 1 for word in sentence.split(" ")))
        return [(start, end - 1) for start, end in pairwise([0, *ends])]

    def decode_copying(
        self,
        target_ids: Sequence[int],
        sentence: str,
        attention: Sequence[Sequence[float]],
        pair: LanguagePair,
    ) -> str:
        """The words that were attended to most."""
        words = sentence.split(" ")
        return " ".join(words[max(range(len(row)), key=row.__getitem__)] for row in attention)

    def _id(self, word: str) -> int:
        if word not in self._ids:
            self._ids[word] = len(self._words)
            self._words.append(word)
        return self._ids[word]


PAIRS = (LanguagePair(source="fr", target="en"), LanguagePair(source="fr", target="de"))


def serving(engine: ReversingEngine, pairs: Sequence[LanguagePair] = PAIRS) -> OpenModel:
    """What opens this model instead of a model directory."""

    @contextmanager
    def open_model(settings: Settings) -> Iterator[RunningModel]:
        yield RunningModel(
            engine=engine,
            text=Words(),
            languages=Languages(pairs),
            description=DESCRIPTION,
            target=Target(start=-1, end=END, vocabulary=1000, max_length=50),
        )

    return open_model


def _hypotheses(job: Job) -> int:
    return job.options.num_hypotheses


def _hypothesis(job: Job, rank: int) -> Hypothesis:
    if job.options.scored_target is not None:
        return _scored(job.options.scored_target)
    words = job.options.target_prefix + job.source_ids[::-1]
    ids = tuple(word for place, word in enumerate(words) for _ in range(1 + (place < rank)))
    cut = ids[: job.options.max_decoding_length]
    return Hypothesis(
        target_ids=cut,
        score=0.0 - rank,
        finish_reason=FinishReason.END if cut == ids else FinishReason.LENGTH,
        attention=_attention(job, len(cut)) if job.options.return_attention else (),
    )


def _attention(job: Job, tokens: int) -> tuple[tuple[float, ...], ...]:
    """Each token attends to the source's token in the opposite place."""
    places = range(len(job.source_ids))
    return tuple(
        tuple(float(place == max(0, len(places) - 1 - token)) for place in places)
        for token in range(tokens)
    )


def _scored(target_ids: tuple[int, ...]) -> Hypothesis:
    """Every token has the log-probability -1."""
    log_probs = (-1.0,) * (len(target_ids) + 1)
    return Hypothesis(target_ids, sum(log_probs), FinishReason.END, log_probs=log_probs)
