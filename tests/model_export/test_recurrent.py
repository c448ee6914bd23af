"""Recurrent models: converted, they compute what their toolkits' own layers do."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest

from model_export import calibration, graph, package, reference
from model_export.recurrent_spec import RecurrentNetwork
from model_export.spec import Checkpoint
from service.decoding.search import Search, decode
from service.domain import DecodingOptions, Hypothesis
from service.runtime.seq2seq import OnnxSeq2Seq
from service.runtime.session import Graph
from service.settings import RuntimeSettings
from tests.conftest import load
from tests.recurrent_models import (
    GOLDEN,
    NAMES,
    WITHOUT_ATTENTION,
    convert,
    read,
    sources_of,
)

GREEDY = DecodingOptions(beam_size=1, max_decoding_length=12)
BEAM = DecodingOptions(beam_size=4, num_hypotheses=4, max_decoding_length=10)


class Converted(NamedTuple):
    """A model, before and after."""

    name: str
    checkpoint: Checkpoint
    fp32: OnnxSeq2Seq
    variants: list[OnnxSeq2Seq]


@pytest.fixture(scope="module", params=NAMES)
def converted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Converted:
    folder = tmp_path_factory.mktemp("models")
    names = ["fp32", "int8"]
    if request.param == "other_functions":
        names = ["fp32"]  # rounding its large random weights makes another model, and is refused
    directory = convert(request.param, folder, variants=names)
    variants = [load(directory, variant) for variant in names]
    return Converted(request.param, read(request.param, folder), variants[0], variants)


def best(
    model: OnnxSeq2Seq, sources: list[tuple[int, ...]], options: DecodingOptions
) -> list[tuple[Hypothesis, ...]]:
    return decode(model, sources, [options] * len(sources), model.target)


def scored(model: OnnxSeq2Seq, source: tuple[int, ...], target: list[int]) -> list[float]:
    options = DecodingOptions(scored_target=tuple(target))
    ((found,),) = decode(model, [source], [options], model.target)
    return list(found.log_probs)


def test_greedy_translations_are_the_toolkits(converted: Converted) -> None:
    end = converted.fp32.target.end
    for (found,), expected in zip(
        best(converted.fp32, sources_of(converted.name), GREEDY),
        GOLDEN[converted.name],
        strict=True,
    ):
        tokens = [token for token in expected["tokens"] if token != end]
        assert list(found.target_ids) == tokens[: len(found.target_ids)]
        assert len(found.target_ids) in (len(tokens), converted.fp32.target.max_length)


def test_log_probs_are_the_toolkits(converted: Converted) -> None:
    end = converted.fp32.target.end
    for expected in GOLDEN[converted.name]:
        tokens = [token for token in expected["tokens"] if token != end]
        tokens = tokens[: converted.fp32.target.max_length - 1]
        found = scored(converted.fp32, tuple(expected["source"]), tokens)
        np.testing.assert_allclose(
            found[: len(tokens)], expected["log_probs"][: len(tokens)], atol=1e-4
        )


def test_the_reference_is_the_toolkits(converted: Converted) -> None:
    network, tokens = converted.checkpoint.network, converted.checkpoint.tokens
    for expected in GOLDEN[converted.name]:
        memory = reference.encode(network, expected["source"])
        prefix = [tokens.start, *expected["tokens"][:-1]]
        scores = reference.log_probs(network, memory, prefix)
        chosen = scores[range(len(scores)), expected["tokens"]]
        np.testing.assert_allclose(chosen, expected["log_probs"], atol=1e-4)


@pytest.mark.parametrize("options", [GREEDY, BEAM], ids=["greedy", "beam"])
def test_a_sentence_gets_the_same_alone_and_in_any_company(
    converted: Converted, options: DecodingOptions
) -> None:
    """To the last digit of its scores, whatever it is padded to."""
    sources = sources_of(converted.name)
    for model in converted.variants:
        alone = [best(model, [source], options)[0] for source in sources]
        assert best(model, sources, options) == alone
        assert best(model, sources[::-1], options) == alone[::-1]
        assert best(model, sources[:2] * 9 + sources[-1:], options) == alone[:2] * 9 + alone[-1:]


def test_sentences_that_join_and_leave_change_nothing(converted: Converted) -> None:
    """Seats are taken and given up, rows are reordered, states move along."""
    sources, model = sources_of(converted.name), converted.fp32
    alone = {source: best(model, [source], BEAM)[0] for source in sources}
    search = Search(model.begin(), model.target)
    waiting = [*sources, *sources[::-1], *sources[1:3]] * 3
    under_way: dict[int, tuple[int, ...]] = {}
    done = 0
    for step in range(400):
        if waiting and step % 2 == 0:
            some, waiting = waiting[: 1 + step % 4], waiting[1 + step % 4 :]
            under_way |= dict(zip(search.add(some, [BEAM] * len(some)), some, strict=True))
        if step in (5, 11):
            dropped = max(under_way)
            search.drop(dropped)
            del under_way[dropped]
        for number, result in search.step().items():
            assert result == alone[under_way.pop(number)]
            done += 1
        if not under_way and not waiting:
            break
    assert done == len(sources) * 6 + 6 - 2


def plain_beam(
    network: RecurrentNetwork,
    source: tuple[int, ...],
    tokens: tuple[int, int],
    size: int,
    most: int,
) -> list[tuple[tuple[int, ...], float]]:
    """Beam search that computes every prefix anew: there is no state to lose.

    Continuations that end are set aside, and the next best one that does not takes their place.
    """
    memory = reference.encode(network, source)
    start, end = tokens
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    finished: list[tuple[tuple[int, ...], float]] = []
    for step in range(most):
        every = []
        for prefix, total in live:
            scores = reference.log_probs(network, memory, [start, *prefix])[-1]
            if step == 0:
                scores[end] = -np.inf
                scores -= np.log(np.exp(scores).sum())
            every += [((*prefix, token), total + float(one)) for token, one in enumerate(scores)]
        every.sort(key=lambda one: -one[1])
        ended = [one for one in every[:size] if one[0][-1] == end or step == most - 1]
        finished += [(prefix, total / len(prefix)) for prefix, total in ended]
        live = [one for one in every[: 2 * size] if one[0][-1] != end][:size]
        if len(finished) >= size:
            break
    ranked = sorted(finished, key=lambda one: -one[1])[:size]
    return [(tuple(token for token in prefix if token != end), total) for prefix, total in ranked]


def test_beams_are_those_of_a_plain_beam_search(converted: Converted) -> None:
    network, target = converted.checkpoint.network, converted.fp32.target
    assert isinstance(network, RecurrentNetwork)
    sources = sources_of(converted.name)
    found = best(converted.fp32, sources, BEAM)
    for source, hypotheses in zip(sources, found, strict=True):
        expected = plain_beam(network, source, (target.start, target.end), 4, 10)
        assert [one.target_ids for one in hypotheses] == [tokens for tokens, _ in expected]
        np.testing.assert_allclose(
            [one.score for one in hypotheses], [score for _, score in expected], atol=1e-4
        )


def test_the_start_and_masked_padding_are_never_generated(converted: Converted) -> None:
    model, tokens = converted.fp32, converted.checkpoint.tokens
    options = DecodingOptions(
        beam_size=1,
        sampling_topk=0,
        sampling_seed=1,
        sampling_temperature=50,
        max_decoding_length=99,
    )
    for (found,) in best(model, sources_of(converted.name), options):
        assert tokens.start not in found.target_ids
        if converted.name in ("lstm", "recipe"):
            assert 0 not in found.target_ids


def test_options_that_need_more_of_a_step(converted: Converted) -> None:
    options = DecodingOptions(
        beam_size=3, repetition_penalty=1.3, no_repeat_ngram_size=2, max_decoding_length=9
    )
    sources = sources_of(converted.name)
    alone = [best(converted.fp32, [source], options)[0] for source in sources]
    assert best(converted.fp32, sources, options) == alone
    for (found,) in alone:
        pairs = list(zip(found.target_ids, found.target_ids[1:], strict=False))
        assert len(set(pairs)) == len(pairs)


def test_a_token_that_is_never_generated_may_be_penalised(converted: Converted) -> None:
    """Where a prefix has it."""
    network = converted.checkpoint.network
    assert isinstance(network, RecurrentNetwork)
    never = tuple(np.flatnonzero(np.isneginf(network.projection.bias)).tolist())
    penalised = DecodingOptions(
        beam_size=3, max_decoding_length=9, target_prefix=never, repetition_penalty=1.3
    )
    for source in sources_of(converted.name):
        ((found,),) = best(converted.fp32, [source], penalised)
        assert np.isfinite(found.score)
        assert not set(never) & set(found.target_ids[len(never) :])


def test_measured_ranges_keep_sentences_apart_too(converted: Converted, tmp_path: Path) -> None:
    network, target = converted.checkpoint.network, converted.fp32.target
    sources = sources_of(converted.name)
    ranges = calibration.observe_ids(network, sources, target)
    files = package.write_graphs(tmp_path, "int8", graph.build(network, "int8", ranges))
    encoder, decoder = (Graph(tmp_path / file, RuntimeSettings(threads=1)) for file in files)
    model = OnnxSeq2Seq(encoder, decoder, 0, target)
    alone = [best(model, [source], BEAM)[0] for source in sources]
    assert best(model, sources, BEAM) == alone


def test_attention_is_shown_where_there_is_any(converted: Converted) -> None:
    checkpoint = converted.checkpoint
    assert checkpoint.attention == (converted.name not in WITHOUT_ATTENTION)
    assert converted.fp32.target.attention == checkpoint.attention
    if not checkpoint.attention:
        return
    options = DecodingOptions(beam_size=2, return_attention=True, max_decoding_length=6)
    sources = sources_of(converted.name)
    for source, (found,) in zip(sources, best(converted.fp32, sources, options), strict=True):
        shares = np.array(found.attention)
        assert shares.shape == (len(found.target_ids), len(source))
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(shares, _attention(checkpoint, source, found), atol=1e-4)


def _attention(
    checkpoint: Checkpoint, source: tuple[int, ...], hypothesis: Hypothesis
) -> list[list[float]]:
    """The same from the reference: how much the context changes with each value, which are shares.

    Replaces the values that are mixed by unit vectors.
    """
    from dataclasses import replace

    from model_export.recurrent_spec import LAST_IDS
    from model_export.reference import recurrent

    network = checkpoint.network
    assert isinstance(network, RecurrentNetwork)
    node = network.attention
    assert node is not None
    place = network.decoder.index(node)
    unit = replace(node, inputs=(*node.inputs[:2], "unit"), outputs=("shares",))
    whole = replace(network, decoder=(*network.decoder[:place], unit, *network.decoder[place:]))
    memory = recurrent.encode(network, source)
    values = {**memory.values, "unit": np.eye(len(source), dtype=np.float32)}
    state = recurrent.first_state(network, memory)
    shares = []
    for token in (checkpoint.tokens.start, *hypothesis.target_ids[:-1]):
        known = {**values, **state, LAST_IDS: np.array(token)}
        recurrent.evaluate(whole.decoder, known)
        state = {one.name: known[one.following] for one in network.states}
        shares.append(known["shares"].tolist())
    return shares


@pytest.mark.parametrize("variant", list(graph.VARIANTS))
def test_the_graphs_satisfy_onnx_checker(converted: Converted, variant: str) -> None:
    graphs = graph.build(converted.checkpoint.network, variant)
    for model in (graphs.encoder, graphs.decoder):
        if all(node.domain == "" for node in model.graph.node):
            onnx.checker.check_model(model, full_check=True)


def test_the_summary_names_the_layers(converted: Converted) -> None:
    architecture = converted.checkpoint.architecture or ""
    assert architecture.startswith("encoder: ")
    assert ("attention" in architecture) == converted.checkpoint.attention
