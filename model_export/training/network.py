"""A MarianMTModel of transformers, and how a step's gradient is computed with it on a CPU.

Measured on two cores of an AMD EPYC: attn_implementation="eager" is faster than the fused kernel on
short sentences; a thread per part of the batch is faster than two threads per operation, above all
when others use the cores, and gives the same bits every time; torch.autocast doubles the speed of
the products where the processor has AVX512-BF16, if each operation has one thread.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from transformers import MarianConfig, MarianMTModel

from model_export.training.loss import smoothed_cross_entropy
from model_export.training.settings import Recipe
from model_export.training.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded ids: [sentences, longest]. Padding is behind the text."""

    source: torch.Tensor
    target: torch.Tensor
    """Ends with the end token."""

    def tokens(self, padding: int) -> int:
        """Target tokens, padding not counted."""
        return int((self.target != padding).sum())


def new_model(recipe: Recipe, vocabulary: Vocabulary) -> MarianMTModel:
    """A model with random weights; the seed decides them."""
    torch.manual_seed(recipe.seed)
    return MarianMTModel(marian_config(recipe, vocabulary))


def marian_config(recipe: Recipe, vocabulary: Vocabulary) -> MarianConfig:
    """The recipe in transformers' names."""
    return MarianConfig(
        vocab_size=len(vocabulary),
        d_model=recipe.d_model,
        encoder_layers=recipe.encoder_layers,
        decoder_layers=recipe.decoder_layers,
        encoder_attention_heads=recipe.heads,
        decoder_attention_heads=recipe.heads,
        encoder_ffn_dim=recipe.feed_forward,
        decoder_ffn_dim=recipe.feed_forward,
        max_position_embeddings=recipe.max_positions,
        dropout=recipe.dropout,
        attention_dropout=0.0,
        activation_dropout=0.0,
        activation_function="swish",
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        eos_token_id=vocabulary.end,
        forced_eos_token_id=vocabulary.end,
        pad_token_id=vocabulary.padding,
        decoder_start_token_id=vocabulary.padding,
        attn_implementation="eager",
    )


def losses(model: MarianMTModel, batch: Batch, smoothing: float) -> torch.Tensor:
    """Sum over the batch's target tokens of their label-smoothed cross entropy.

    `<pad>` has no part in it: its embedding, from which the decoder starts, must stay zero, and
    tied output weights would train it. Its id is the last.
    """
    padding: int = model.config.pad_token_id
    start = batch.target.new_full((len(batch.target), 1), padding)
    hidden = model.model(
        input_ids=batch.source,
        attention_mask=(batch.source != padding).long(),
        decoder_input_ids=torch.cat([start, batch.target[:, :-1]], dim=1),
        use_cache=False,
    ).last_hidden_state
    real = batch.target != padding
    logits = torch.nn.functional.linear(hidden[real], model.model.shared.weight[:padding])
    return smoothed_cross_entropy(logits.float(), batch.target[real], smoothing)


class ParallelGradient:
    """Computes a step's gradient, one batch in each thread.

    The threads work on copies of the model that share its weights and have their own gradients,
    which are added in a fixed order. Call it from one thread.
    """

    def __init__(self, model: MarianMTModel, recipe: Recipe) -> None:
        self._recipe = recipe
        self._models = [model] + [copy.deepcopy(model) for _ in range(recipe.threads - 1)]
        self._weights = [trained(each) for each in self._models]
        for weights in self._weights[1:]:
            for own, shared in zip(weights, self._weights[0], strict=True):
                own.data = shared.data
        self._pool = ThreadPoolExecutor(recipe.threads, initializer=_one_thread)

    def __call__(self, batches: Sequence[Batch]) -> tuple[float, int]:
        """Leave in the model's .grad the gradient of the mean loss of a token.

        batches: as many as threads. Returns the mean loss and the number of target tokens.
        """
        padding: int = self._models[0].config.pad_token_id
        tokens = sum(batch.tokens(padding) for batch in batches)
        work = [(model, batch, tokens) for model, batch in zip(self._models, batches, strict=True)]
        loss = sum(self._pool.map(self._backward, work))
        for weights in self._weights[1:]:
            _add_gradients(self._weights[0], weights)
        return loss, tokens

    def _backward(self, work: tuple[MarianMTModel, Batch, int]) -> float:
        model, batch, tokens = work
        with precision(self._recipe.precision):
            loss = losses(model, batch, self._recipe.label_smoothing) / tokens
        loss.backward()
        return float(loss.detach())


def precision(name: str) -> AbstractContextManager[object]:
    """Within it, in this thread, products are computed with this precision."""
    return torch.autocast("cpu", torch.bfloat16) if name == "bf16" else nullcontext()


def trained(model: MarianMTModel) -> list[torch.nn.Parameter]:
    """The weights that are trained: all but the position embeddings."""
    return [weight for weight in model.parameters() if weight.requires_grad]


def _add_gradients(to: list[torch.nn.Parameter], of: list[torch.nn.Parameter]) -> None:
    torch._foreach_add_([weight.grad for weight in to], [weight.grad for weight in of])
    for weight in of:
        weight.grad = None


def _one_thread() -> None:
    torch.set_num_threads(1)
