from __future__ import annotations

import pytest

from model_export.training.schedule import learning_rate, share_done
from model_export.training.settings import Budget, Recipe

RECIPE = Recipe(learning_rate=1e-3, warm_up=100, decay_share=0.25)


@pytest.mark.parametrize(
    ("step", "done", "expected"),
    [
        (1, 0.0, 1e-5),
        (50, 0.1, 5e-4),
        (100, 0.2, 1e-3),
        (400, 0.5, 5e-4),
        (400, 0.75, 5e-4),
        (400, 0.875, 2.5e-4),
        (400, 1.0, 0.0),
    ],
)
def test_rises_falls_and_ends_at_zero(step: int, done: float, expected: float) -> None:
    assert learning_rate(RECIPE, step, done) == pytest.approx(expected)


def test_may_hold_before_it_falls_and_need_not_end() -> None:
    recipe = RECIPE.model_copy(update={"hold": 400, "decay_share": 0.0})
    assert learning_rate(recipe, 400, 0.5) == 1e-3
    assert learning_rate(recipe, 1600, 1.0) == 5e-4


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(steps=200), 0.5),
        (Budget(hours=1), 0.25),
        (Budget(steps=200, hours=1), 0.5),
        (Budget(steps=10), 1.0),
    ],
)
def test_the_budget_that_ends_first_counts(budget: Budget, expected: float) -> None:
    assert share_done(budget, steps=100, seconds=900) == expected
