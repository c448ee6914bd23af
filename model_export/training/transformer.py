"""The recipe: a small Transformer in Marian's architecture (Vaswani et al. 2017), on a CPU.

read → vocabulary → batches → learn, measure, save … → average → model directory
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from rich.console import Console
from transformers import MarianMTModel
from transformers.utils.logging import disable_progress_bar

from model_export.training import checkpoint, network
from model_export.training.batches import draw_epoch
from model_export.training.checkpoint import CHECKPOINT_NAME, Position
from model_export.training.data import Corpus, read, read_development
from model_export.training.errors import BadRun, TrainingError
from model_export.training.journal import JOURNAL_NAME, Journal
from model_export.training.learner import Learner
from model_export.training.progress import ProgressDisplay, State
from model_export.training.publication import Publisher, where
from model_export.training.run import VOCABULARY_NAME, Run
from model_export.training.schedule import learning_rate, share_done
from model_export.training.stream import Stream
from model_export.training.vocabulary import Vocabulary

LONGEST_STEP_SECONDS = 60.0
"""A step that took longer was paused, and counts as this long."""


def train(directory: Path, run: Run, console: Console) -> None:
    """Train until the budget is used up or the process is told to stop (SIGTERM, SIGINT).

    Either way a checkpoint is left, from which the same call goes on; killed, it goes on from the
    last one. The model's directory is written at each measurement and at the end.

    Raises:
        BadData, BadRun: the data or the directory can't be used.
    """
    _prepare_torch()
    development = [read_development(each, *_languages(run)) for each in run.development]
    vocabulary, stream = _read(directory, run, console)
    learner = Learner(_initial_model(run, vocabulary), run.recipe)
    position = _restore(directory, learner)
    journal = Journal(directory / JOURNAL_NAME)
    publisher = Publisher(directory, run, vocabulary, development, journal)
    with ProgressDisplay(console) as display:
        session = _Session(run, learner, position, journal, publisher, display)
        session.train(stream, directory / CHECKPOINT_NAME)


class _Session:
    """The loop, between the start of a process and its end."""

    def __init__(
        self,
        run: Run,
        learner: Learner,
        position: Position,
        journal: Journal,
        publisher: Publisher,
        display: ProgressDisplay,
    ) -> None:
        self._recipe, self._begin, self._budget = run.recipe, run.begin, run.budget
        self._learner, self._position = learner, position
        self._journal, self._publisher, self._display = journal, publisher, display
        self._window = _Window(position)

    def train(self, stream: Stream, path: Path) -> None:
        """Learn until the budget is used up, or until told to stop. path: of the checkpoint."""
        position, budget = self._position, self._budget
        measured = saved = position.seconds
        with _told_to_stop() as stop:
            while self._done() < 1 and not stop:
                self._step(stream)
                if position.seconds >= measured + budget.measure_minutes * 60:
                    self._publish()
                    measured = position.seconds
                if position.seconds >= saved + budget.save_minutes * 60:
                    checkpoint.save(path, position, self._learner.tensors())
                    saved = position.seconds
            checkpoint.save(path, position, self._learner.tensors())
            if self._done() >= 1:
                self._publish()

    def _done(self) -> float:
        steps = self._position.step - self._begin.step
        return share_done(self._budget, steps, self._position.seconds - self._begin.seconds)

    def _step(self, stream: Stream) -> None:
        position, began, began_cpu = self._position, time.monotonic(), time.process_time()
        rate = learning_rate(self._recipe, position.step + 1, self._done())
        loss, tokens = self._learner.step(stream.take(position), position.step + 1, rate)
        position.step += 1
        position.tokens += tokens
        position.seconds += min(time.monotonic() - began, LONGEST_STEP_SECONDS)
        position.cpu_seconds += time.process_time() - began_cpu
        self._window.add(loss * tokens)
        if position.step % self._budget.log_steps == 0:
            self._log(rate)

    def _log(self, rate: float) -> None:
        loss, tokens_per_second = self._window.close(self._position)
        self._journal.add(
            {
                **where(self._position),
                "loss": round(loss, 4),
                "learning_rate": rate,
                "tokens_per_second": round(tokens_per_second, 1),
            }
        )
        done = self._done()
        left = (self._position.seconds - self._begin.seconds) * (1 - done) / done
        self._display.update(State(self._position.step, done, left, loss, rate, tokens_per_second))

    def _publish(self) -> None:
        for line in self._publisher.publish(self._learner.average, self._position):
            self._display.say(line)


class _Window:
    """What happened since the last line of the journal."""

    def __init__(self, position: Position) -> None:
        self._open(position)

    def add(self, loss: float) -> None:
        self._loss += loss

    def close(self, position: Position) -> tuple[float, float]:
        """Mean loss of a token, and tokens a second; begins the next window."""
        tokens = position.tokens - self._tokens
        loss, seconds = self._loss / tokens, position.seconds - self._seconds
        self._open(position)
        return loss, tokens / seconds

    def _open(self, position: Position) -> None:
        self._loss, self._tokens, self._seconds = 0.0, position.tokens, position.seconds


def _read(directory: Path, run: Run, console: Console) -> tuple[Vocabulary, Stream]:
    corpus = read(run.data_files(), run.origins)
    counts = ", ".join(f"{name} {count:,}" for name, count in corpus.counts().items())
    console.print(f"{len(corpus):,} pairs: {counts}", markup=False, highlight=False)
    vocabulary = _vocabulary(directory, run, corpus)
    stream = Stream(corpus, vocabulary, run.recipe)
    if stream.left_out:
        console.print(f"{stream.left_out:,} pairs are too long and left out")
    return vocabulary, stream


def _vocabulary(directory: Path, run: Run, corpus: Corpus) -> Vocabulary:
    path = directory / VOCABULARY_NAME
    if path.exists():
        return Vocabulary.read(path)
    if run.initial is not None:
        vocabulary = Vocabulary.read(run.initial / "source.spm")
    else:
        vocabulary = _train_vocabulary(run, corpus)
    temporary = directory / f".{VOCABULARY_NAME}.new"
    temporary.write_bytes(vocabulary.model)
    temporary.replace(path)
    return vocabulary


def _train_vocabulary(run: Run, corpus: Corpus) -> Vocabulary:
    """Pieces of the pairs of one epoch, so that weights count here too."""
    places = draw_epoch(corpus.weights, run.recipe.seed, 0)
    texts = (side[place] for place in places for side in (corpus.sources, corpus.targets))
    recipe = run.recipe
    try:
        return Vocabulary.train(texts, recipe.vocabulary, recipe.seed, recipe.threads)
    except RuntimeError as error:
        raise TrainingError(f"No vocabulary of {recipe.vocabulary} pieces: {error}") from error


def _initial_model(run: Run, vocabulary: Vocabulary) -> MarianMTModel:
    model = network.new_model(run.recipe, vocabulary)
    if run.initial is None:
        return model
    weights = MarianMTModel.from_pretrained(run.initial).state_dict()
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise BadRun(f"{run.initial} is not of this architecture: {error}") from error
    return model


def _restore(directory: Path, learner: Learner) -> Position:
    if not (directory / CHECKPOINT_NAME).exists():
        return Position()
    position, tensors = checkpoint.load(directory / CHECKPOINT_NAME)
    learner.load(tensors)
    Journal(directory / JOURNAL_NAME).rewind(position.step)
    return position


def _languages(run: Run) -> tuple[str, str]:
    return run.pair.source, run.pair.target


def _prepare_torch() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # costs time, changes no result
    disable_progress_bar()


@contextmanager
def _told_to_stop() -> Iterator[list[int]]:
    """A list that is filled when a signal asks to stop."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = {each: signal.signal(each, note) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
