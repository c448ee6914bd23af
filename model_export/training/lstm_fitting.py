"""Fit a network: batches, loss, optimizer, one step after the other, checkpoints."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from model_export.training.batches import epoch_batches
from model_export.training.errors import BadRun
from model_export.training.lstm_decoding import pad
from model_export.training.lstm_settings import LstmRecipe
from model_export.training.lstm_vocabulary import END, START

CHECKPOINT_NAME = "checkpoint.npz"

Batch = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""source_ids [B, S], then target_ids [B, T] as they are told and as they are asked for."""
Batches = Iterator[Batch]


class Examples:
    """The pairs as ids, and the batches of every step. The same options give the same batches."""

    def __init__(
        self,
        sources: list[list[int]],
        targets: list[list[int]],
        weights: npt.NDArray[np.float64],
        recipe: LstmRecipe,
    ) -> None:
        self._sources, self._targets, self._weights = sources, targets, weights
        # One more: END in the source, START or END in the target.
        self._lengths = np.array(
            [(len(s) + 1, len(t) + 1) for s, t in zip(sources, targets, strict=True)], np.int64
        )
        self._recipe = recipe

    def __len__(self) -> int:
        return len(self._sources)

    def steps(self) -> int:
        """How many a run has: recipe.epochs, up to the next whole measurement."""
        epochs, part = divmod(self._recipe.epochs, 1)
        steps = sum(len(self._epoch(epoch)) for epoch in range(int(epochs)))
        steps += int(np.ceil(part * len(self._epoch(int(epochs))))) if part else 0
        every = self._recipe.measure_steps
        return -(-steps // every) * every

    def after(self, step: int) -> Batches:
        """Batches of the steps after this one, without end."""
        epoch = 0
        while True:
            batches = self._epoch(epoch)
            for places in batches[step:]:
                yield self._batch(places)
            step = max(0, step - len(batches))
            epoch += 1

    def _epoch(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        recipe = self._recipe
        return epoch_batches(self._weights, self._lengths, recipe.batch_tokens, recipe.seed, epoch)

    def _batch(self, places: npt.NDArray[np.int64]) -> Batch:
        return batch([self._sources[p] for p in places], [self._targets[p] for p in places])


def batch(sources: list[list[int]], targets: list[list[int]]) -> Batch:
    """Teacher forcing in two lines: told START a b, the decoder is asked for a b END."""
    return (
        pad([[*source, END] for source in sources]),
        pad([[START, *target] for target in targets]),
        pad([[*target, END] for target in targets]),
    )


def compile_for_training(network: keras.Model, recipe: LstmRecipe, steps: int) -> None:
    """Set the network's optimizer and loss. steps: of the whole run, for the learning rate."""
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=recipe.learning_rate,
        warmup_steps=recipe.warm_up,
        decay_steps=max(1, steps - recipe.warm_up),
        alpha=0.01,
    )
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=recipe.clip)
    # No XLA: it compiles anew for every shape of a batch, and is no faster here (README).
    network.compile(optimizer, smoothed_loss(recipe.label_smoothing), jit_compile=False)
    optimizer.build(network.trainable_variables)


def smoothed_loss(smoothing: float) -> Any:
    """Cross entropy of logits, with `smoothing` of the probability spread over all tokens.

    Szegedy et al. 2016, section 7. Keras takes the mean over what the mask leaves.
    """

    def loss(wanted: Any, logits: Any) -> Any:
        logits = ops.cast(logits, "float32")  # [B, T, V]; bfloat16 has three digits
        total = ops.logsumexp(logits, axis=-1)
        right = ops.take_along_axis(logits, ops.expand_dims(wanted, -1), axis=-1)[..., 0]
        if not smoothing:
            return total - right
        return total - (1 - smoothing) * right - smoothing * ops.mean(logits, axis=-1)

    return loss


def train_step(network: keras.Model, examples: Batch) -> float:
    """One update. Returns the loss, in nats a token."""
    source_ids, told, asked = examples
    network.reset_metrics()
    return float(network.train_on_batch([source_ids, told], asked))


def save_checkpoint(run: Path, step: int, network: keras.Model) -> None:
    """Write all that the next step depends on: weights, optimizer, dropout's random state.

    The file is there in full or not at all, whenever the process is killed.
    """
    arrays: dict[str, Any] = {
        f"variable_{place}": np.asarray(variable.value)
        for place, variable in enumerate(_variables(network))
    }
    temporary = run / f".{CHECKPOINT_NAME}.new"
    with temporary.open("wb") as file:
        np.savez(file, **arrays, step=np.int64(step))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, run / CHECKPOINT_NAME)


def restore_checkpoint(run: Path, network: keras.Model) -> int:
    """Take up the checkpoint and return its step; 0 without one.

    Raises:
        BadRun: the file is damaged or of another network.
    """
    path = run / CHECKPOINT_NAME
    if not path.exists():
        return 0
    variables = _variables(network)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            values = [saved[f"variable_{place}"] for place in range(len(variables))]
            step = int(saved["step"])
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BadRun(f"{path} is no checkpoint of this run: {error}") from None
    return step


def _variables(network: keras.Model) -> list[Any]:
    """Without the metrics, which every step sets anew."""
    metrics = {id(variable) for metric in network.metrics for variable in metric.variables}
    own = [variable for variable in network.variables if id(variable) not in metrics]
    return own + list(network.optimizer.variables)
