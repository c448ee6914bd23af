from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from model_export import package, pipeline
from model_export.graph.builder import FLOAT, GraphBuilder
from model_export.graph.int4 import BLOCK, LEVELS, BlockInt4, quantize_blocks
from model_export.spec import Array, Linear
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.runtime import providers
from service.settings import RuntimeSettings
from tests import recurrent_models
from tests.conftest import TINY_MARIAN, golden, load

SHAPES = [(BLOCK, 3), (24, 5), (80, 7), (96, 300)]
"""Whole blocks, a part of one, an odd number of them."""


def matrix(shape: tuple[int, int]) -> Array:
    random = np.random.default_rng(shape[0])
    weight = random.standard_normal(shape).astype(np.float32)
    weight[:, 0] = 0
    weight[:, 1] = np.abs(weight[:, 1]) + 1  # zero is not among these, and stays a level
    return weight


def restored(weight: Array) -> tuple[Array, Array]:
    """The weights as they are rounded, and the step of each."""
    packed, scales, zero_points = quantize_blocks(weight)
    outputs, blocks = scales.shape
    integers = np.stack([packed & 15, packed >> 4], axis=-1).reshape(outputs, blocks, BLOCK)
    zeros = np.stack([zero_points & 15, zero_points >> 4], axis=-1).reshape(outputs, -1)
    values = (integers.astype(np.float32) - zeros[:, :blocks, None]) * scales[..., None]
    rows = values.reshape(outputs, -1)[:, : len(weight)]
    steps = np.repeat(scales, BLOCK, axis=1)[:, : len(weight)]
    return rows.T, steps.T


@pytest.mark.parametrize("shape", SHAPES)
def test_weights_are_rounded_to_the_nearest_of_sixteen_levels(shape: tuple[int, int]) -> None:
    weight = matrix(shape)
    found, steps = restored(weight)
    # The zero point is rounded too, so that the ends of a range may be half a step outside.
    assert (np.abs(found - weight) <= 1.01 * steps).all()
    assert (np.abs(found - weight) <= 0.501 * steps).mean() > 0.9
    assert (found[:, 0] == 0).all()
    most = np.ptp(np.append(weight, 0)) / LEVELS
    assert steps[:, 2:].max() <= most


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [1, 40])
def test_products_are_those_of_the_rounded_weights(shape: tuple[int, int], rows: int) -> None:
    """But for the activations, which are in 8 bits."""
    weight, bias = matrix(shape), np.arange(shape[1], dtype=np.float32)
    x = np.random.default_rng(rows).standard_normal((rows, 1, shape[0])).astype(np.float32)
    graph = GraphBuilder("product")
    given = graph.input("x", FLOAT, ["rows", 1, shape[0]])
    product = BlockInt4().product(graph, given, Linear(weight, bias))
    graph.output("y", product, FLOAT, ["rows", 1, shape[1]])
    model = graph.model().SerializeToString()
    options = providers.session_options(RuntimeSettings())
    session = onnxruntime.InferenceSession(model, options, providers=[providers.CPU])
    (found,) = session.run(["y"], {"x": x})
    expected = x @ restored(weight)[0] + bias
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected - bias).max()


def test_int4_is_made_on_request_and_served(tmp_path: Path) -> None:
    options = pipeline.ExportOptions(name="tiny", variants=["int8", "int4"])
    pipeline.convert(TINY_MARIAN, tmp_path / "tiny", options, lambda stage: None)
    directory = ModelDirectory.open(tmp_path / "tiny")
    assert directory.variant("int4").precision == "int4"
    assert directory.fastest("cpu") == "int8"
    model = load(tmp_path / "tiny", "int4")
    sources = [tuple(ids) for ids in golden("tiny")["source_ids"]]
    asked = DecodingOptions(beam_size=3, max_decoding_length=30)
    together = decode(model, sources, [asked] * len(sources), model.target)
    for source, expected in zip(sources, together, strict=True):
        assert decode(model, [source], [asked], model.target) == [expected]


def test_weights_in_4_bits_take_less_room(tmp_path: Path) -> None:
    """Of the products but for the logits, which these networks have few of."""
    for variant in ("int8", "int4"):
        options = pipeline.ExportOptions(name="x", variants=[variant])
        pipeline.convert(TINY_MARIAN, tmp_path / variant, options, lambda stage: None)
    sizes = [
        (tmp_path / variant / f"encoder.{variant}.onnx").stat().st_size
        for variant in ("int8", "int4")
    ]
    assert sizes[1] < sizes[0]


def test_recurrent_networks(tmp_path: Path) -> None:
    directory = recurrent_models.convert("dot_attention", tmp_path, variants=["int4"])
    model = load(directory, "int4")
    sources = recurrent_models.sources_of("dot_attention")
    asked = DecodingOptions(beam_size=2, max_decoding_length=12)
    together = decode(model, sources, [asked] * len(sources), model.target)
    for source, expected in zip(sources, together, strict=True):
        assert decode(model, [source], [asked], model.target) == [expected]


def test_weights_beside_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("inside", "beside"):
        options = pipeline.ExportOptions(name="x", variants=["int4"])
        pipeline.convert(TINY_MARIAN, tmp_path / folder, options, lambda stage: None)
        monkeypatch.setattr(package, "EXTERNAL_FROM", 0)
        monkeypatch.setattr("model_export.graph.builder.LARGE", 1000)
    inside, beside = (ModelDirectory.open(tmp_path / name) for name in ("inside", "beside"))
    assert "decoder.int4.onnx.data" in beside.manifest.files
    assert beside.manifest.parity == inside.manifest.parity
    shutil.rmtree(tmp_path / "inside")
    load(tmp_path / "beside", "int4")
