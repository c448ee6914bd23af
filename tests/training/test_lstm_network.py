"""The network and the two searches, on fresh weights: oracles and equivalences."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

from model_export.training import lstm_fitting, lstm_measuring, lstm_network
from model_export.training.lstm_decoding import NEVER, Translator, pad, translate
from model_export.training.lstm_settings import LstmRecipe
from model_export.training.lstm_vocabulary import END, PADDING, START

SOURCE_TOKENS, TARGET_TOKENS = 11, 7
SHAPES = [
    LstmRecipe(units=16, embedding=8),
    LstmRecipe(units=16, embedding=8, attention="dot"),
    LstmRecipe(units=16, embedding=8, cell="gru"),
    LstmRecipe(units=16, embedding=8, layers=2, attend_after="first"),
    LstmRecipe(units=16, embedding=8, layers=2, cell="gru", attention="dot"),
]
SENTENCES = [[4, 5, 6, END], [10, END], [7, 8, 9, 10, 4, 4, END], [9, 9, END]]


def network_of(recipe: LstmRecipe) -> keras.Model:
    """Its weights are large: with those that training begins with, all tokens are as likely."""
    network = lstm_network.build_for_saving(recipe, SOURCE_TOKENS, TARGET_TOKENS)
    random = np.random.default_rng(3)
    network.set_weights([random.normal(size=old.shape) for old in network.get_weights()])
    network.get_layer("output").bias.assign(np.where(np.arange(TARGET_TOKENS) == END, -3.0, 0.0))
    return network


@pytest.fixture(
    params=SHAPES, ids=lambda recipe: f"{recipe.cell}-{recipe.attention}-{recipe.layers}"
)
def recipe(request: pytest.FixtureRequest) -> LstmRecipe:
    shape: LstmRecipe = request.param
    return shape


def test_steps_give_what_the_network_gives_at_once(recipe: LstmRecipe) -> None:
    network = network_of(recipe)
    source_ids = pad(SENTENCES)
    told = np.random.default_rng(4).integers(1, TARGET_TOKENS, (len(SENTENCES), 6), np.int32)
    at_once = network.predict_on_batch([source_ids, told])
    translator = Translator.of(network, recipe)
    memory, *states = translator.encoder.predict_on_batch(source_ids)
    for place in range(6):
        inputs = [told[:, place : place + 1], memory, source_ids, *states]
        probabilities, attention, *states = translator.step.predict_on_batch(inputs)
        np.testing.assert_allclose(probabilities, at_once[:, place], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(attention.sum(-1), 1, rtol=1e-5)
        assert attention[[0, 1, 3], 4:].max() == 0  # padding


def test_greedy_takes_the_likeliest(recipe: LstmRecipe) -> None:
    network = network_of(recipe)
    source_ids = pad(SENTENCES)
    chosen, _ = Translator.of(network, recipe).greedy(source_ids)
    told = np.concatenate([np.full((len(chosen), 1), START, np.int32), chosen[:, :-1]], axis=1)
    probabilities = np.array(network.predict_on_batch([source_ids, told]))
    probabilities[..., NEVER] = 0
    ended = np.cumsum(told == END, axis=1) > 0
    np.testing.assert_array_equal(probabilities.argmax(-1)[~ended], chosen[~ended])


def test_company_changes_nothing(recipe: LstmRecipe) -> None:
    translator = Translator.of(network_of(recipe), recipe)
    for beam in (1, 3):
        together = translate(translator, SENTENCES, beam)
        limit = 2 * 7 + 10
        for sentence, found in zip(SENTENCES, together, strict=True):
            alone = translate(translator, [sentence], beam)[0]
            if max(len(alone), len(found)) < limit and len(alone) < 2 * len(sentence) + 10:
                assert alone == found


def test_a_beam_of_one_is_greedy(recipe: LstmRecipe) -> None:
    translator = Translator.of(network_of(recipe), recipe)
    source_ids = pad(SENTENCES)
    greedy, _ = translator.greedy(source_ids)
    np.testing.assert_array_equal(translator.beam(source_ids, 1), greedy)


def test_a_wide_beam_finds_the_best_of_all() -> None:
    """Against trying every translation of up to two tokens, with a network that ends early."""
    recipe = LstmRecipe(units=16, embedding=8)
    network = network_of(recipe)
    bias = network.get_layer("output").bias
    bias.assign(np.where(np.arange(TARGET_TOKENS) == END, 9.0, 0.0))
    translator = Translator.of(network, recipe)
    words = [token for token in range(TARGET_TOKENS) if token not in (*NEVER, END)]
    candidates = [list(ids) for count in range(3) for ids in itertools.product(words, repeat=count)]
    for sentence in SENTENCES:
        best = max(candidates, key=lambda ids: mean_log_prob(network, sentence, ids))
        assert translate(translator, [sentence], beam=40)[0] == best


def mean_log_prob(network: keras.Model, source: list[int], ids: list[int]) -> float:
    asked = [*ids, END]
    told = np.array([[START, *ids]], np.int32)
    probabilities = network.predict_on_batch([np.array([source], np.int32), told])[0]
    return float(np.log(probabilities[range(len(asked)), asked]).mean())


def test_teacher_forcing_is_the_target_moved_by_one() -> None:
    source, told, asked = lstm_fitting.batch([[5], [6, 7]], [[4, 5, 6], [4]])
    assert source.tolist() == [[5, END, PADDING], [6, 7, END]]
    assert told.tolist() == [[START, 4, 5, 6], [START, 4, PADDING, PADDING]]
    assert asked.tolist() == [[4, 5, 6, END], [4, END, PADDING, PADDING]]


@pytest.mark.parametrize("recipe", [SHAPES[0], SHAPES[-1]], ids=["lstm", "gru"])
def test_padding_changes_neither_loss_nor_update(recipe: LstmRecipe) -> None:
    exact = recipe.model_copy(update={"dropout": 0.0, "precision": "float32", "warm_up": 0})
    examples = lstm_fitting.batch([[4, 5], [6]], [[4, 5, 6], [5]])
    source_ids, told, asked = (np.pad(ids, ((0, 0), (0, 3))) for ids in examples)
    exact_losses, wider_losses = (
        _first_losses(exact, batch) for batch in (examples, (source_ids, told, asked))
    )
    np.testing.assert_allclose(exact_losses, wider_losses, rtol=1e-4)


def _first_losses(recipe: LstmRecipe, examples: lstm_fitting.Batch) -> list[float]:
    keras.utils.set_random_seed(5)
    network = lstm_network.build_for_training(recipe, SOURCE_TOKENS, TARGET_TOKENS)
    lstm_fitting.compile_for_training(network, recipe, 10)
    return [lstm_fitting.train_step(network, examples) for _ in range(3)]


@pytest.mark.parametrize("recipe", [SHAPES[0], SHAPES[-1]], ids=["lstm", "gru"])
def test_a_batch_is_learnt_by_heart(recipe: LstmRecipe) -> None:
    """The first thing to try when a network does not learn."""
    quick = recipe.model_copy(
        update={"units": 32, "dropout": 0.0, "learning_rate": 0.02, "label_smoothing": 0.0}
    )
    examples = lstm_fitting.batch([[4, 5], [6], [7, 8, 9]], [[4, 5, 6], [5], [6, 6, 4, 5]])
    keras.utils.set_random_seed(5)
    network = lstm_network.build_for_training(quick, SOURCE_TOKENS, TARGET_TOKENS)
    lstm_fitting.compile_for_training(network, quick.model_copy(update={"warm_up": 0}), 200)
    losses = [lstm_fitting.train_step(network, examples) for _ in range(120)]
    assert losses[-1] < 0.05 < 1.5 < losses[0]


def test_the_loss_is_of_the_tokens_that_are_asked_for() -> None:
    recipe = SHAPES[0].model_copy(update={"precision": "float32"})
    keras.utils.set_random_seed(5)
    logits = lstm_network.build_for_training(recipe, SOURCE_TOKENS, TARGET_TOKENS)
    saved = lstm_network.build_for_saving(recipe, SOURCE_TOKENS, TARGET_TOKENS)
    saved.set_weights(logits.get_weights())
    sources, targets = [[4, 5], [6]], [[4, 5, 6], [5]]
    texts = lstm_measuring.EncodedSet("toy", sources, targets, ("", ""))
    total = sum(
        mean_log_prob(saved, [*source, END], target) * (len(target) + 1)
        for source, target in zip(sources, targets, strict=True)
    )
    assert lstm_measuring.loss(logits, texts) == pytest.approx(-total / 6, rel=1e-5)


def test_label_smoothing_is_cross_entropy_against_smoothed_targets() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(2, 3, 5)).astype(np.float32)
    wanted = random.integers(0, 5, (2, 3))
    smoothed = 0.9 * np.eye(5)[wanted] + 0.1 / 5
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    found = np.asarray(lstm_fitting.smoothed_loss(0.1)(wanted, logits))
    np.testing.assert_allclose(found, -(smoothed * log_probs).sum(-1), rtol=1e-5)
