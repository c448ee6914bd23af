from __future__ import annotations

import numpy as np
import pytest

from model_export.training.batches import cut, draw_epoch, epoch_batches

WEIGHTS = np.array([1.0, 0.0, 2.0, 0.25, 1.5])


def test_an_epoch_draws_by_weight() -> None:
    epochs = [np.bincount(draw_epoch(WEIGHTS, 1, epoch), minlength=5) for epoch in range(2000)]
    counts = np.stack(epochs)
    assert (counts[:, 0] == 1).all()
    assert (counts[:, 1] == 0).all()
    assert (counts[:, 2] == 2).all()
    assert set(counts[:, 3]) == {0, 1}
    assert counts.mean(axis=0) == pytest.approx(WEIGHTS, abs=0.05)


def test_an_epoch_is_the_same_each_time_and_unlike_others() -> None:
    weights = np.ones(100)
    assert draw_epoch(weights, 1, 3).tolist() == draw_epoch(weights, 1, 3).tolist()
    assert draw_epoch(weights, 1, 3).tolist() != draw_epoch(weights, 1, 4).tolist()
    assert draw_epoch(weights, 2, 3).tolist() != draw_epoch(weights, 1, 3).tolist()


def test_batches_hold_each_pair_once_and_keep_to_their_tokens() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 50, (1000, 2))
    lengths[7] = 200, 3
    order = random.permutation(1000)
    batches = cut(order, lengths, 100)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= 100
    assert [7] in [batch.tolist() for batch in batches]


def test_no_pair_no_batch() -> None:
    assert cut(np.zeros(0, np.int64), np.zeros((0, 2), np.int64), 100) == []


def test_an_epoch_of_batches_is_shuffled() -> None:
    lengths = np.stack([np.arange(1, 101)] * 2, axis=1)
    batches = epoch_batches(np.ones(100), lengths, 100, seed=1, epoch=0)
    longest = [int(lengths[batch].max()) for batch in batches]
    assert longest != sorted(longest)
