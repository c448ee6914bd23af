from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from model_export import graph, reference, sources
from model_export.graph import layers
from model_export.graph.builder import FLOAT, OPSET, GraphBuilder
from model_export.graph.precision import CalibratedInt8, Precision, RowScaledInt8, quantize
from model_export.spec import Array, Checkpoint, Linear
from service.runtime import providers
from service.settings import RuntimeSettings
from tests.conftest import TINY_MARIAN, golden

GOLDEN = golden("tiny")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return sources.load(TINY_MARIAN)


@pytest.mark.parametrize("variant", list(graph.VARIANTS))
def test_the_graphs_satisfy_onnx_checker(checkpoint: Checkpoint, variant: str) -> None:
    graphs = graph.build(checkpoint.network, variant)
    for model in (graphs.encoder, graphs.decoder):
        known = onnx.ModelProto.FromString(model.SerializeToString())
        # The checker knows the standard operators only.
        kept = [node for node in known.graph.node if node.domain == ""]
        for node in kept:
            schema = onnx.defs.get_schema(node.op_type, OPSET)
            assert set(attribute.name for attribute in node.attribute) <= set(schema.attributes)
        if len(kept) == len(known.graph.node):
            onnx.checker.check_model(known, full_check=True)


def test_the_reference_is_transformers(checkpoint: Checkpoint) -> None:
    network, tokens = checkpoint.network, checkpoint.tokens
    for source, expected in zip(GOLDEN["source_ids"], GOLDEN["transformers"], strict=True):
        memory = reference.encode(network, source)
        scores = reference.log_probs(network, memory, [tokens.start, *expected["tokens"][:-1]])
        chosen = scores[range(len(scores)), expected["tokens"]]
        np.testing.assert_allclose(chosen[1:], expected["log_probs"][1:], atol=1e-4)
        found = reference.greedy(network, source, tokens.start, tokens.end, 40)
        assert found == [token for token in expected["tokens"] if token != tokens.end]


def test_quantizing_loses_at_most_half_a_step() -> None:
    matrix = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    matrix[:, 7] = 0
    integers, scale = quantize(matrix, axis=0)
    assert scale.shape == (1, 30)
    assert integers.dtype == np.int8
    assert np.abs(integers).max() == 127
    assert (np.abs(integers * scale - matrix) <= scale / 2 + 1e-7).all()


def _run_product(precision: Precision, linear: Linear, rows: Array) -> Array:
    builder = GraphBuilder("product")
    x = builder.input("x", FLOAT, ["rows", len(linear.weight)])
    y = layers.product(builder, precision, x, linear)
    builder.output("y", y, FLOAT, ["rows", len(linear.bias)])
    options = providers.session_options(RuntimeSettings())
    model = builder.model().SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=[providers.CPU])
    (found,) = session.run(None, {"x": rows})
    return np.asarray(found)


def test_calibrated_products_round_within_their_range_and_clip_outside() -> None:
    random = np.random.default_rng(1)
    linear = Linear(
        random.normal(size=(32, 16)).astype(np.float32), random.normal(size=16).astype(np.float32)
    )
    one = np.ones(32, np.float32)
    rows = random.uniform(-1, 3, size=(40, 32)).astype(np.float32)
    found = _run_product(CalibratedInt8([(-one, 3 * one)]), linear, rows)
    np.testing.assert_allclose(found, rows @ linear.weight + linear.bias, atol=0.3)
    clipped = _run_product(CalibratedInt8([(-one, one)]), linear, rows)
    assert np.abs(clipped - found).max() > 1
    within = np.clip(rows, -1, 1)
    same = _run_product(CalibratedInt8([(-one, one)]), linear, within)
    np.testing.assert_allclose(same, within @ linear.weight + linear.bias, atol=0.3)


def test_a_channel_that_is_much_larger_takes_no_precision_from_the_others() -> None:
    random = np.random.default_rng(2)
    linear = Linear(random.normal(size=(32, 16)).astype(np.float32), np.zeros(16, np.float32))
    rows = random.normal(size=(200, 32)).astype(np.float32)
    rows[:, 3] *= 100
    linear.weight[3] /= 100
    expected = rows @ linear.weight
    smooth = CalibratedInt8([(rows.min(axis=0), rows.max(axis=0))])
    found = _run_product(smooth, linear, rows)
    assert np.abs(found - expected).mean() < 0.1


def test_a_row_of_zeros_stays_zeros_in_int8() -> None:
    random = np.random.default_rng(1)
    linear = Linear(
        random.normal(size=(32, 16)).astype(np.float32), random.normal(size=16).astype(np.float32)
    )
    rows = random.normal(size=(40, 32)).astype(np.float32)
    rows[::3] = 0
    found = _run_product(RowScaledInt8(), linear, rows)
    np.testing.assert_array_equal(found[::3], np.broadcast_to(linear.bias, (14, 16)))
    np.testing.assert_allclose(found, rows @ linear.weight + linear.bias, atol=0.3)
