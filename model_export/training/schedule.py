"""Learning rate and use of the budget, as pure functions of where the run stands."""

from __future__ import annotations

import math

from model_export.training.settings import Budget, Recipe


def learning_rate(recipe: Recipe, step: int, done: float) -> float:
    """Linear to the highest, then 1/sqrt(step) (Vaswani et al. 2017, section 5.3), zero at the end.

    step: the step to be done, from 1. done: share of the budget used before it.
    """
    rise = min(1.0, step / recipe.warm_up)
    fall = min(1.0, math.sqrt(max(recipe.hold, recipe.warm_up) / step))
    end = min(1.0, (1 - done) / recipe.decay_share) if recipe.decay_share else 1.0
    return recipe.learning_rate * rise * fall * max(0.0, end)


def share_done(budget: Budget, steps: int, seconds: float) -> float:
    """Share of the budget used, 0 to 1; of steps and hours the one that ends first.

    steps, seconds: trained since the budget began.
    """
    by_steps = steps / budget.steps if budget.steps else 0.0
    by_hours = seconds / (budget.hours * 3600) if budget.hours else 0.0
    return min(1.0, max(by_steps, by_hours))
