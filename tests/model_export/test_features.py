"""Every feature of a network, in every precision, against the numpy reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_export import calibration, graph, package, reference
from model_export.graph import Ranges
from model_export.spec import Transformer
from service.decoding.model import Target
from service.decoding.search import Search, decode
from service.domain import DecodingOptions, Hypothesis
from service.runtime.batch import LEAST_ROWS
from service.runtime.seq2seq import OnnxSeq2Seq
from service.runtime.session import Graph
from service.settings import RuntimeSettings
from tests.random_networks import END, FEATURES, START, VOCABULARY, RandomNetwork

TARGET = Target(START, END, VOCABULARY, 40)
LENGTHS = (1, 2, 5, 9, 13, 19)
SOURCES = [
    (*np.random.default_rng(length).integers(2, VOCABULARY - 1, length).tolist(), END)
    for length in LENGTHS
]
BEAM = DecodingOptions(beam_size=4, num_hypotheses=4, max_decoding_length=24)


def served(
    network: Transformer, folder: Path, variant: str, ranges: Ranges | None = None
) -> OnnxSeq2Seq:
    files = package.write_graphs(folder, "x", graph.build(network, variant, ranges))
    encoder, decoder = (Graph(folder / file, RuntimeSettings(threads=1)) for file in files)
    return OnnxSeq2Seq(encoder, decoder, END, TARGET, LEAST_ROWS.get(variant, 1))


def log_prob(network: Transformer, source: tuple[int, ...], found: Hypothesis) -> float:
    """Of a whole hypothesis, by the reference."""
    tokens = found.target_ids
    if len(tokens) < BEAM.max_decoding_length:
        tokens = (*tokens, END)
    memory = reference.encode(network, source)
    log_probs = reference.log_probs(network, memory, [START, *tokens[:-1]])
    # The end token was forbidden at the first step.
    first = log_probs[0].copy()
    first[END] = -np.inf
    log_probs[0] = first - np.log(np.exp(first).sum())
    return float(log_probs[range(len(tokens)), tokens].sum()) / len(tokens)


@pytest.fixture(params=FEATURES)
def network(request: pytest.FixtureRequest) -> Transformer:
    return FEATURES[request.param]


@pytest.mark.parametrize("variant", ["fp32", "fp32-cuda"])
def test_beams_have_the_reference_s_probabilities(
    network: Transformer, tmp_path: Path, variant: str
) -> None:
    """Beams branch and end, so that slots of the cache are taken in any order."""
    found = decode(served(network, tmp_path, variant), SOURCES, [BEAM] * len(SOURCES), TARGET)
    lengths = set()
    for source, hypotheses in zip(SOURCES, found, strict=True):
        for one in hypotheses:
            assert one.score == pytest.approx(log_prob(network, source, one), abs=2e-5)
            lengths.add(len(one.target_ids))
    assert max(lengths) > 8  # beyond the reach of distances


def test_greedy_translations_are_the_reference_s(network: Transformer, tmp_path: Path) -> None:
    greedy = DecodingOptions(beam_size=1, max_decoding_length=24)
    found = decode(served(network, tmp_path, "fp32"), SOURCES, [greedy] * len(SOURCES), TARGET)
    for source, (best,) in zip(SOURCES, found, strict=True):
        assert list(best.target_ids) == reference.greedy(network, source, START, END, 24)


@pytest.mark.parametrize("variant", ["fp32", "int8", "calibrated", "int4"])
def test_company_does_not_change_a_digit(
    network: Transformer, tmp_path: Path, variant: str
) -> None:
    ranges = calibration.observe_ids(network, SOURCES, TARGET) if variant == "calibrated" else None
    model = served(network, tmp_path, "int8" if variant == "calibrated" else variant, ranges)
    together = decode(model, SOURCES, [BEAM] * len(SOURCES), TARGET)
    for source, expected in zip(SOURCES, together, strict=True):
        (alone,) = decode(model, [source], [BEAM], TARGET)
        assert alone == expected


@pytest.mark.parametrize(
    ("variant", "most"), [("int8", 0.25), ("calibrated", 0.25), ("int4", 1.0), ("fp16", 0.01)]
)
def test_less_precision_stays_close(
    network: Transformer, tmp_path: Path, variant: str, most: float
) -> None:
    ranges = calibration.observe_ids(network, SOURCES, TARGET) if variant == "calibrated" else None
    exact = served(network, tmp_path, "fp32")
    model = served(network, tmp_path, "int8" if variant == "calibrated" else variant, ranges)
    targets = decode(exact, SOURCES, [DecodingOptions(max_decoding_length=20)] * 6, TARGET)
    asked = [DecodingOptions(scored_target=best.target_ids) for best, *_ in targets]
    expected, found = (decode(one, SOURCES, asked, TARGET) for one in (exact, model))
    pairs = [(a.log_probs, b.log_probs) for (a,), (b,) in zip(expected, found, strict=True)]
    error = np.abs(np.concatenate([np.subtract(a, b) for a, b in pairs])).mean()
    assert 0 < error < most


def test_activations_beyond_float16_are_kept_in_float32(tmp_path: Path) -> None:
    """As T5's: its residual stream and its feed-forward layers leave float16's range."""
    network = RandomNetwork(3).like_t5()
    feed_forwards = [layer.feed_forward for layer in network.encoder]
    feed_forwards += [layer.feed_forward for layer in network.decoder]
    for one in feed_forwards:
        assert one.gate is not None
        one.inner.weight[:] *= 100
        one.gate.weight[:] *= 100
        one.outer.weight[:] *= 30
    assert _largest_inside(network) > 4 * float(np.finfo(np.float16).max)
    options = [DecodingOptions(beam_size=1, max_decoding_length=12)] * len(SOURCES)
    exact = decode(served(network, tmp_path, "fp32"), SOURCES, options, TARGET)
    asked = [DecodingOptions(scored_target=best.target_ids) for best, *_ in exact]
    expected = decode(served(network, tmp_path, "fp32"), SOURCES, asked, TARGET)
    found = decode(served(network, tmp_path, "fp16"), SOURCES, asked, TARGET)
    for (ours,), (theirs,) in zip(found, expected, strict=True):
        assert np.isfinite(ours.log_probs).all()
        np.testing.assert_allclose(ours.log_probs, theirs.log_probs, atol=0.3)


def _largest_inside(network: Transformer) -> float:
    """Of the encoder's residual stream before its last norm."""
    bare = replace(network, encoder_norm=None)
    return max(float(np.abs(reference.encode(bare, source)).max()) for source in SOURCES)


@pytest.mark.parametrize("variant", ["fp32", "int8"])
@pytest.mark.parametrize("feature", ["post-norm", "ssru", "ssru, pre-norm, projected"])
def test_sentences_that_join_and_leave_change_nothing(
    feature: str, variant: str, tmp_path: Path
) -> None:
    """Seats are taken and given up, rows are reordered, states move along."""
    model = served(FEATURES[feature], tmp_path, variant)
    alone = {source: decode(model, [source], [BEAM], TARGET)[0] for source in SOURCES}
    search = Search(model.begin(), TARGET)
    waiting = [*SOURCES, *SOURCES[::-1], *SOURCES[1:4]] * 2
    left, under_way = len(waiting) - 1, dict[int, tuple[int, ...]]()
    for step in range(300):
        if waiting and step % 2 == 0:
            some, waiting = waiting[: 1 + step % 4], waiting[1 + step % 4 :]
            under_way |= dict(zip(search.add(some, [BEAM] * len(some)), some, strict=True))
        if step == 7:
            dropped = max(under_way)
            search.drop(dropped)
            del under_way[dropped]
        for number, result in search.step().items():
            assert result == alone[under_way.pop(number)]
            left -= 1
        if not under_way and not waiting:
            break
    assert left == 0


def test_the_attention_of_the_layer_that_is_named_is_shown(tmp_path: Path) -> None:
    """The first layer of two, as where there is no other."""
    network = FEATURES["ssru"]
    named = replace(network, alignment_layer=0)
    short = replace(network, decoder=network.decoder[:1])
    options = [DecodingOptions(beam_size=1, max_decoding_length=1, return_attention=True)]
    shown = []
    for number, one in enumerate((named, short, network)):
        (tmp_path / str(number)).mkdir()
        model = served(one, tmp_path / str(number), "fp32")
        ((best,),) = decode(model, SOURCES[3:4], options, TARGET)
        shown.append(np.asarray(best.attention[0]))
    np.testing.assert_allclose(shown[0], shown[1], atol=1e-6)
    assert np.abs(shown[0] - shown[2]).max() > 1e-2
