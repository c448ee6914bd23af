"""Recipe: an attentional LSTM or GRU in Keras. README.md beside this file explains it.

    data → vocabularies → ids → network → fit and measure → model.keras

The same --out goes on where its run was stopped.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import keras
import numpy as np
from rich.console import Console

from model_export.training import curves, lstm_fitting, lstm_measuring, lstm_network
from model_export.training.data import Corpus, read, read_development
from model_export.training.errors import BadData
from model_export.training.journal import JOURNAL_NAME, Journal, read_journal
from model_export.training.lstm_decoding import Translator
from model_export.training.lstm_run import MODEL_NAME, LstmRun, read_run
from model_export.training.lstm_settings import LstmRecipe
from model_export.training.lstm_vocabulary import KINDS, Vocabulary
from model_export.training.progress import ProgressDisplay, State

LOG_STEPS = 50
BEAM = 5

Vocabularies = tuple[Vocabulary, Vocabulary]
"""Of the source and of the target."""


def train(out: Path, run: LstmRun, console: Console) -> None:
    """Train until the run's last step, from where it stands.

    Raises:
        BadData: the data or a development set can't be used.
        BadRun: the run's files are not what they were.
    """
    corpus = read(run.data_files(), run.origins)
    texts = [read_development(name, run.pair.source, run.pair.target) for name in run.development]
    vocabularies = _vocabularies(out, run.recipe, corpus)
    examples = _examples(run.recipe, corpus, vocabularies)
    keras.utils.set_random_seed(run.recipe.seed)
    _set_up_tensorflow()
    sizes = [len(vocabulary) for vocabulary in vocabularies]
    with ProgressDisplay(console) as display:
        display.say(
            f"{len(examples):,} pairs; {len(corpus) - len(examples):,} are longer than "
            f"{run.recipe.max_training_tokens} tokens and left out; "
            f"vocabularies of {sizes[0]:,} and {sizes[1]:,} tokens"
        )
        trainer = _Trainer(out, run.recipe, examples, vocabularies, display)
        trainer.development = [lstm_measuring.EncodedSet.of(text, *vocabularies) for text in texts]
        trainer.fit()
        trainer.finish()


def load(out: Path) -> tuple[Translator, Vocabularies]:
    """What a run has trained so far. Raises BadRun, and OSError where there is no model yet."""
    recipe = read_run(out).recipe
    _set_up_tensorflow()
    network = keras.saving.load_model(out / MODEL_NAME)
    return Translator.of(network, recipe), _load_vocabularies(out, recipe)


class _Trainer:
    """The loop of training. Use it from one thread."""

    def __init__(
        self,
        out: Path,
        recipe: LstmRecipe,
        examples: lstm_fitting.Examples,
        vocabularies: Vocabularies,
        display: ProgressDisplay,
    ) -> None:
        self._out, self._recipe, self._examples = out, recipe, examples
        self._sizes = (len(vocabularies[0]), len(vocabularies[1]))
        self._target = vocabularies[1]
        self._display = display
        self._journal = Journal(out / JOURNAL_NAME)
        self._steps = examples.steps()
        self._network = lstm_network.build_for_training(recipe, *self._sizes)
        lstm_fitting.compile_for_training(self._network, recipe, self._steps)
        self.development: list[lstm_measuring.EncodedSet] = []

    def fit(self) -> None:
        """Do the steps that are left, with a measurement and a checkpoint now and then."""
        step = lstm_fitting.restore_checkpoint(self._out, self._network)
        self._journal.rewind(step)
        self._display.say(
            f"{self._network.count_params():,} weights; {self._steps - step:,} of "
            f"{self._steps:,} steps to do"
        )
        batches = self._examples.after(step)
        while step < self._steps:
            step += self._train(step, batches)
            if step % self._recipe.measure_steps == 0:
                self._measure(step)

    def finish(self) -> None:
        """Score model.keras as it was saved, greedily and with a beam, and draw the curves."""
        if any("beam" in record for record in read_journal(self._out / JOURNAL_NAME)):
            return
        network = keras.saving.load_model(self._out / MODEL_NAME)
        translator = Translator.of(network, self._recipe)
        for beam in (1, BEAM):
            for texts in self.development:
                scores = lstm_measuring.scores(translator, self._target, texts, beam)
                name = f"{texts.name}, beam {beam}"
                self._journal.add(
                    {
                        "step": self._steps,
                        "set": name,
                        "beam": beam,
                        "bleu": scores.bleu,
                        "chrf": scores.chrf,
                    }
                )
                self._display.say(f"{name}: BLEU {scores.bleu:.1f}  chrF {scores.chrf:.1f}")
        self._display.say(f"{self._out / MODEL_NAME} is ready; {curves.draw(self._out)}")

    def _train(self, step: int, batches: lstm_fitting.Batches) -> int:
        """A few steps and their line in the journal. Returns how many."""
        count = LOG_STEPS - step % LOG_STEPS
        count = min(count, self._recipe.measure_steps - step % self._recipe.measure_steps)
        began, losses, tokens = time.monotonic(), 0.0, 0
        for _ in range(count):
            batch = next(batches)
            losses += lstm_fitting.train_step(self._network, batch)
            tokens += int((batch[2] != 0).sum())
        self._report(step + count, losses / count, tokens, (time.monotonic() - began) / count)
        return count

    def _report(self, step: int, loss: float, tokens: int, seconds_a_step: float) -> None:
        rate = float(np.asarray(self._network.optimizer.learning_rate))
        left = (self._steps - step) * seconds_a_step
        count = (step - 1) % LOG_STEPS + 1
        seconds = count * seconds_a_step
        speed = tokens / seconds
        self._display.update(State(step, step / self._steps, left, loss, rate, speed))
        self._journal.add(
            {
                "step": step,
                "loss": loss,
                "learning_rate": rate,
                "tokens": tokens,
                "seconds": seconds,
                "tokens_per_second": speed,
            }
        )

    def _measure(self, step: int) -> None:
        """Save and measure the weights, then make the checkpoint."""
        saved = self._save_model()
        translator = Translator.of(saved, self._recipe)
        for texts in self.development:
            loss = lstm_measuring.loss(self._network, texts)
            scores = lstm_measuring.scores(translator, self._target, texts)
            self._journal.add(
                {
                    "step": step,
                    "set": texts.name,
                    "loss": loss,
                    "bleu": scores.bleu,
                    "chrf": scores.chrf,
                }
            )
            self._display.say(
                f"step {step:,}  {texts.name}: loss {loss:.3f}  "
                f"BLEU {scores.bleu:.1f}  chrF {scores.chrf:.1f}"
            )
        lstm_fitting.save_checkpoint(self._out, step, self._network)

    def _save_model(self) -> keras.Model:
        """Write model.keras: no optimizer, no loss, nothing that plain Keras does not know."""
        saved = lstm_network.build_for_saving(self._recipe, *self._sizes)
        saved.set_weights(self._network.get_weights())
        temporary = self._out / f".new.{MODEL_NAME}"
        saved.save(temporary)
        os.replace(temporary, self._out / MODEL_NAME)
        return saved


def _set_up_tensorflow() -> None:
    """Sums in the same order every time, so that a resumed run is the run that was stopped."""
    if keras.config.backend() != "tensorflow":
        return
    import tensorflow

    tensorflow.config.experimental.enable_op_determinism()
    tensorflow.get_logger().setLevel("ERROR")  # it warns of every new shape of a batch


def _vocabularies(out: Path, recipe: LstmRecipe, corpus: Corpus) -> Vocabularies:
    """Those of the run; learnt first if it is new."""
    done = out / "vocabularies.done"
    if not done.exists():
        kind = KINDS[recipe.vocabulary]
        for side, sentences in (("source", corpus.sources), ("target", corpus.targets)):
            kind.learn(sentences, recipe.vocabulary_size).save(out, side)
        done.touch()
    return _load_vocabularies(out, recipe)


def _load_vocabularies(out: Path, recipe: LstmRecipe) -> Vocabularies:
    kind = KINDS[recipe.vocabulary]
    return kind.load(out, "source"), kind.load(out, "target")


def _examples(
    recipe: LstmRecipe, corpus: Corpus, vocabularies: Vocabularies
) -> lstm_fitting.Examples:
    source, target = vocabularies
    sources = [source.encode(sentence) for sentence in corpus.sources]
    targets = [target.encode(sentence) for sentence in corpus.targets]
    limit = recipe.max_training_tokens
    pairs = zip(sources, targets, strict=True)
    kept = [place for place, pair in enumerate(pairs) if max(map(len, pair)) < limit]
    if not kept:
        raise BadData([f"every pair has more than {limit} tokens."])
    return lstm_fitting.Examples(
        [sources[place] for place in kept],
        [targets[place] for place in kept],
        corpus.weights[np.array(kept)],
        recipe,
    )
