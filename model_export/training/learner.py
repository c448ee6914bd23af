"""Weights, optimiser and average: what a step changes and a checkpoint holds."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from transformers import MarianMTModel

from model_export.training.errors import BadRun
from model_export.training.network import Batch, ParallelGradient
from model_export.training.settings import Recipe

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class Learner:
    """Call it from one thread.

    average: the model with the exponential average of the weights; better than the weights of any
    single step (Polyak and Juditsky 1992).
    """

    def __init__(self, model: MarianMTModel, recipe: Recipe) -> None:
        self.average = copy.deepcopy(model).eval()
        self._recipe = recipe
        model.train()
        self._names = [name for name, weight in model.named_parameters() if weight.requires_grad]
        self._weights = _named(model, self._names)
        self._averages = _named(self.average, self._names)
        self._gradient = ParallelGradient(model, recipe)
        self._optimizer = torch.optim.AdamW(
            self._weights, betas=(0.9, 0.98), weight_decay=recipe.weight_decay, fused=True
        )

    def step(self, batches: Sequence[Batch], number: int, rate: float) -> tuple[float, int]:
        """Learn from these batches. number: of the step, from 1. Returns as ParallelGradient."""
        if self._recipe.dropout:
            torch.manual_seed(self._recipe.seed * 1_000_003 + number)
        loss, tokens = self._gradient(batches)
        torch.nn.utils.clip_grad_norm_(self._weights, self._recipe.clip)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._follow(number)
        return loss, tokens

    @torch.no_grad()
    def _follow(self, number: int) -> None:
        # Young averages forget faster, so that the random weights of the start soon have no part.
        past = min(self._recipe.average, number / (number + 10))
        torch._foreach_lerp_(self._averages, self._weights, 1 - past)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that load() needs."""
        tensors: dict[str, torch.Tensor] = {}
        for name, weight, average in zip(self._names, self._weights, self._averages, strict=True):
            tensors[f"weight.{name}"] = weight.detach()
            tensors[f"average.{name}"] = average.detach()
            for moment in _MOMENTS:
                if weight in self._optimizer.state:
                    tensors[f"{moment}.{name}"] = self._optimizer.state[weight][moment]
        return tensors

    @torch.no_grad()
    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from a checkpoint of the same recipe.

        Raises:
            BadRun: it holds other weights.
        """
        try:
            for name, weight, average in zip(
                self._names, self._weights, self._averages, strict=True
            ):
                weight.copy_(tensors[f"weight.{name}"])
                average.copy_(tensors[f"average.{name}"])
                if f"step.{name}" in tensors:
                    self._optimizer.state[weight] = {
                        moment: tensors[f"{moment}.{name}"].clone() for moment in _MOMENTS
                    }
        except (KeyError, RuntimeError) as error:
            raise BadRun(
                f"The checkpoint holds other weights than the recipe's: {error}"
            ) from error


def _named(model: MarianMTModel, names: Sequence[str]) -> list[torch.nn.Parameter]:
    weights = dict(model.named_parameters())
    return [weights[name] for name in names]
