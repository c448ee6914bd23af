"""Loss and gradient against torch's own, and that threads change nothing but the time."""

from __future__ import annotations

import pytest
import torch

from model_export.training.learner import Learner
from model_export.training.loss import smoothed_cross_entropy
from model_export.training.network import Batch, ParallelGradient, new_model, trained
from model_export.training.settings import Recipe
from model_export.training.vocabulary import Vocabulary
from tests.training.conftest import toy_pairs

RECIPE = Recipe(
    d_model=32, encoder_layers=2, decoder_layers=1, heads=2, feed_forward=64, vocabulary=24
)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    texts = [text for pair in toy_pairs() for text in pair]
    return Vocabulary.train(texts, RECIPE.vocabulary, seed=1, threads=1)


def batches(vocabulary: Vocabulary) -> list[Batch]:
    generator = torch.Generator().manual_seed(1)
    made = []
    for rows, length in ((3, 7), (5, 4)):
        source = torch.randint(2, 24, (rows, length), generator=generator)
        target = torch.randint(2, 24, (rows, length), generator=generator)
        target[0, -2:] = source[0, -1:] = vocabulary.padding
        made.append(Batch(source, target))
    return made


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_torch(smoothing: float) -> None:
    torch.manual_seed(1)
    logits, targets = torch.randn(6, 11), torch.randint(11, (6,))
    own, theirs = (logits.clone().requires_grad_() for _ in range(2))
    loss = smoothed_cross_entropy(own * 1, targets, smoothing)
    expected = torch.nn.functional.cross_entropy(
        theirs, targets, label_smoothing=smoothing, reduction="sum"
    )
    torch.testing.assert_close(loss, expected)
    (loss * 3).backward()
    (expected * 3).backward()
    torch.testing.assert_close(own.grad, theirs.grad)


def test_the_gradient_is_that_of_transformers(vocabulary: Vocabulary) -> None:
    recipe = RECIPE.model_copy(update={"label_smoothing": 0.0, "precision": "fp32"})
    model = new_model(recipe, vocabulary)
    loss, tokens = ParallelGradient(model, recipe)(batches(vocabulary))
    own = [weight.grad.clone() for weight in trained(model)]
    model.zero_grad()
    expected = 0.0
    model.final_logits_bias[0, vocabulary.padding] = -torch.inf
    for batch in batches(vocabulary):
        labels = batch.target.masked_fill(batch.target == vocabulary.padding, -100)
        mask = (batch.source != vocabulary.padding).long()
        found = model(input_ids=batch.source, attention_mask=mask, labels=labels).loss
        part = found * (labels != -100).sum() / tokens
        part.backward()
        expected += part.item()
    assert loss == pytest.approx(expected, rel=1e-5)
    for one, other in zip(own, trained(model), strict=True):
        torch.testing.assert_close(one, other.grad, rtol=1e-3, atol=1e-6)


def test_bfloat16_is_near(vocabulary: Vocabulary) -> None:
    found = {}
    for precision in ("fp32", "bf16"):
        recipe = RECIPE.model_copy(update={"precision": precision})
        found[precision], _ = ParallelGradient(new_model(recipe, vocabulary), recipe)(
            batches(vocabulary)
        )
    assert found["bf16"] == pytest.approx(found["fp32"], rel=0.01)
    assert found["bf16"] != found["fp32"]


def test_a_step_is_the_same_each_time(vocabulary: Vocabulary) -> None:
    results = []
    for _ in range(3):
        learner = Learner(new_model(RECIPE, vocabulary), RECIPE)
        for step in range(1, 4):
            learner.step(batches(vocabulary), step, 1e-3)
        results.append(learner.tensors())
    for name, tensor in results[0].items():
        assert torch.equal(tensor, results[1][name])
        assert torch.equal(tensor, results[2][name])


def test_the_average_follows_the_weights(vocabulary: Vocabulary) -> None:
    learner = Learner(new_model(RECIPE, vocabulary), RECIPE)
    before = {name: tensor.clone() for name, tensor in learner.tensors().items()}
    learner.step(batches(vocabulary), 1, 1e-3)
    for name, weight in learner.tensors().items():
        if name.startswith("average."):
            other = before[name] + (weights_of(learner, name) - before[name]) * (1 - 1 / 11)
            torch.testing.assert_close(weight, other)


def weights_of(learner: Learner, average: str) -> torch.Tensor:
    return learner.tensors()[average.replace("average.", "weight.", 1)]
