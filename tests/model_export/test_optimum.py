"""Graphs that optimum exported of the tiny models, taken as the checkpoints they were made from.

See tests/data/make_optimum.py.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from model_export import pipeline, sources
from model_export.errors import UnsupportedCheckpoint
from model_export.spec import Transformer
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from tests.conftest import DATA, TINY_MARIAN, load
from tests.model_export.test_families import FAMILIES, LONGEST, PAIRS, Family

Assembled = Callable[[str], Path]

HUGGING_FACE = [name for name in FAMILIES if (DATA / "families" / name / "config.json").is_file()]
"""The families that optimum knows."""


def assemble(name: str, path: Path, exported: Path = DATA / "optimum") -> Path:
    """The exported directory of a model: what it has besides weights, and the graphs."""
    family = name.removesuffix("-quantized")
    shutil.copytree(TINY_MARIAN if family == "marian" else DATA / "families" / family, path)
    (path / "model.safetensors").unlink()
    return Path(shutil.copytree(exported / name, path, dirs_exist_ok=True))


@pytest.fixture
def assembled(tmp_path: Path) -> Assembled:
    """An exported directory, to be broken."""
    return lambda name: assemble(name, tmp_path / "exported")


def convert(name: str, source: Path, destination: Path) -> ModelDirectory:
    options = pipeline.ExportOptions(
        name=name, pairs=PAIRS.get(name, ()), variants=["fp32", "int8", "fp16"]
    )
    pipeline.convert(source, destination, options, lambda stage: None)
    return ModelDirectory.open(destination)


@pytest.mark.parametrize("name", ["marian", *HUGGING_FACE])
def test_what_is_made_of_graphs_is_what_is_made_of_the_checkpoint(
    name: str, tmp_path: Path
) -> None:
    """Byte for byte."""
    checkpoint = TINY_MARIAN if name == "marian" else DATA / "families" / name
    expected = convert(name, checkpoint, tmp_path / "expected").manifest
    found = convert(name, assemble(name, tmp_path / "exported"), tmp_path / "found").manifest
    assert found.files == expected.files
    assert "encoder_model.onnx" in found.provenance.source_files


@pytest.mark.parametrize("name", ["m2m100", "mbart50", "bart", "t5"])
def test_translations_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    """In one batch, and alone."""
    directory = convert(name, assemble(name, tmp_path / "exported"), tmp_path / "model").path
    golden = json.loads((DATA / "families" / name / "golden.json").read_text(encoding="utf-8"))
    family, model = Family(name, directory, golden), load(directory, "fp32")
    starts = [family.text.start(pair) for pair in family.pairs]
    options = [
        DecodingOptions(
            beam_size=1, max_decoding_length=LONGEST, min_decoding_length=0, start=start
        )
        for start in starts
    ]
    together = decode(model, family.sources, options, model.target)
    for index, one in enumerate(golden["sentences"]):
        (alone,) = decode(model, family.sources[index : index + 1], [options[index]], model.target)
        assert alone == together[index]
        end = [model.target.end] if one["tokens"][-1] == model.target.end else []
        assert [*starts[index], *together[index][0].target_ids, *end] == one["tokens"]
        asked = DecodingOptions(scored_target=together[index][0].target_ids, start=starts[index])
        ((scored,),) = decode(model, [family.sources[index]], [asked], model.target)
        expected = one["log_probs"][len(starts[index]) :]
        assert scored.log_probs[: len(expected)] == pytest.approx(expected, abs=1e-4)


def network_of(source: Path) -> Transformer:
    network = sources.load(source).network
    assert isinstance(network, Transformer)
    return network


def test_quantised_weights_are_those_of_the_checkpoint_rounded(assembled: Assembled) -> None:
    """Half a step off at most, with a scale for each matrix (encoder) or column (decoder)."""
    exact, rounded = network_of(TINY_MARIAN), network_of(assembled("marian-quantized"))
    for whole, found, axis in (
        (exact.encoder[1].feed_forward.inner, rounded.encoder[1].feed_forward.inner, None),
        (exact.decoder[0].cross_attention.key, rounded.decoder[0].cross_attention.key, 0),
    ):
        steps = np.abs(whole.weight).max(axis=axis) / 127
        assert (np.abs(found.weight - whole.weight) <= 0.51 * steps).all()
        assert not np.array_equal(found.weight, whole.weight)
        np.testing.assert_array_equal(found.bias, whole.bias)
    table = exact.source_embedding.table
    assert np.abs(rounded.source_embedding.table - table).max() <= 0.51 * np.ptp(table) / 255


def test_a_folder_of_graphs(assembled: Assembled) -> None:
    """As in transformers.js' repositories."""
    source = assembled("bart")
    (source / "onnx").mkdir()
    for path in source.glob("*.onnx"):
        path.rename(source / "onnx" / path.name)
    checkpoint = sources.load(source, PAIRS["bart"])
    assert {"onnx/encoder_model.onnx", "onnx/decoder_model.onnx"} <= checkpoint.files.keys()


def test_weights_beside_the_graphs(assembled: Assembled, tmp_path: Path) -> None:
    source = assembled("m2m100")
    expected = network_of(source)
    beside(source)
    checkpoint = sources.load(source)
    assert isinstance(checkpoint.network, Transformer)
    names = {"encoder_model.onnx_data", "decoder_model.onnx_data"}
    assert names <= checkpoint.files.keys()
    found = checkpoint.network.decoder[1].cross_attention.value.weight
    np.testing.assert_array_equal(found, expected.decoder[1].cross_attention.value.weight)
    convert("m2m100", source, tmp_path / "model")


def test_quantised_weights_beside_the_graphs(assembled: Assembled) -> None:
    """Scales of columns too."""
    source = assembled("marian-quantized")
    expected = network_of(source)
    beside(source)
    found = network_of(source)
    for ours, theirs in zip(found.decoder, expected.decoder, strict=True):
        np.testing.assert_array_equal(
            ours.cross_attention.key.weight, theirs.cross_attention.key.weight
        )
    np.testing.assert_array_equal(found.source_embedding.table, expected.source_embedding.table)


def test_float16_graphs(assembled: Assembled) -> None:
    source = assembled("bart")
    for path in source.glob("*.onnx"):
        model = onnx.load(path)
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                half = numpy_helper.to_array(tensor).astype(np.float16)
                tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
        path.unlink()
        onnx.save(model, path.with_stem(f"{path.stem}_fp16"))
    exact = sources.load(DATA / "families" / "bart", PAIRS["bart"]).network
    found = sources.load(source, PAIRS["bart"]).network
    assert isinstance(exact, Transformer)
    assert isinstance(found, Transformer)
    inner = exact.encoder[0].feed_forward.inner.weight.astype(np.float16)
    np.testing.assert_array_equal(found.encoder[0].feed_forward.inner.weight, inner)


def test_parameters_that_are_stored_once(assembled: Assembled) -> None:
    """torch's exporter keeps one of those that are equal, and names the others by Identity."""
    source = assembled("m2m100")
    model = onnx.load(source / "encoder_model.onnx")
    graph = model.graph
    (kept,) = (one for one in graph.initializer if one.name == "layers.0.fc1.bias")
    (other,) = (one for one in graph.initializer if one.name == "layers.1.fc1.bias")
    graph.initializer.remove(other)
    graph.node.insert(0, helper.make_node("Identity", [kept.name], [other.name], "Identity_7"))
    onnx.save(model, source / "encoder_model.onnx")
    first, second = network_of(source).encoder
    np.testing.assert_array_equal(first.feed_forward.inner.bias, second.feed_forward.inner.bias)


def problems(source: Path) -> list[str]:
    """Why it is refused; nothing may be left of the attempt."""
    destination = source.parent / "out" / "model"
    options = pipeline.ExportOptions(name="x")
    with pytest.raises(UnsupportedCheckpoint) as caught:
        pipeline.convert(source, destination, options, lambda stage: None)
    assert list(destination.parent.iterdir()) == []
    return caught.value.problems


@pytest.mark.parametrize(
    ("name", "gone", "problem"),
    [
        ("nllb", "encoder_model.onnx", "encoder_model.onnx is missing; decoder_model_merged.onnx"),
        ("nllb", "decoder_model_merged.onnx", "decoder_model.onnx or decoder_model_merged.onnx"),
        ("marian-quantized", "decoder_model_quantized.onnx", "decoder_model_quantized.onnx or"),
    ],
)
def test_a_missing_graph(assembled: Assembled, name: str, gone: str, problem: str) -> None:
    source = assembled(name)
    (source / gone).unlink()
    (found,) = problems(source)
    assert found.startswith(problem)


@pytest.mark.parametrize("keep", [0, 100, 30_000, -1])
@pytest.mark.parametrize("file", ["encoder_model.onnx", "decoder_model_merged.onnx"])
def test_a_truncated_graph(assembled: Assembled, file: str, keep: int) -> None:
    source = assembled("nllb")
    content = (source / file).read_bytes()
    (source / file).write_bytes(content[:keep])
    assert problems(source)


def beside(source: Path) -> None:
    """Write weights into files of their own, as those of large networks are."""
    for path in source.glob("*.onnx"):
        model = onnx.load(path)
        name = f"{path.name}_data"
        onnx.save(model, path, save_as_external_data=True, location=name, size_threshold=0)


def test_truncated_weights_beside_a_graph(assembled: Assembled) -> None:
    source = assembled("m2m100")
    beside(source)
    data = source / "decoder_model.onnx_data"
    data.write_bytes(data.read_bytes()[:-9])
    (found,) = problems(source)
    assert found.startswith("decoder_model.onnx: onnx::MatMul_")
    assert found.endswith(" cannot be read: decoder_model.onnx_data ends before it.")


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "gone", ""])
def test_weights_that_are_not_beside_their_graph(assembled: Assembled, location: str) -> None:
    source = assembled("m2m100")
    beside(source)
    model = onnx.load(source / "encoder_model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
    (source / "encoder_model.onnx").write_bytes(model.SerializeToString())
    (found,) = problems(source)
    assert f"its weights are in {location!r}, which is not beside it" in found


def test_weights_of_another_shape_and_others_that_are_missing(assembled: Assembled) -> None:
    source = assembled("m2m100")
    model = onnx.load(source / "encoder_model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "layers.0.fc1.bias":
            tensor.CopyFrom(numpy_helper.from_array(np.zeros(7, np.float32), tensor.name))
    for node in model.graph.node:
        node.name = node.name.replace("layers.1/fc2", "layers.1/fc3")
    onnx.save(model, source / "encoder_model.onnx")
    assert problems(source) == [
        "model.encoder.layers.0.fc1.bias has shape [7]; config.json says [24].",
        "model.encoder.layers.1.fc2.weight is missing.",
        "model.encoder.layers.1.fc3.weight is not part of the architecture.",
    ]


def test_a_weight_with_less_data_than_its_shape_says(assembled: Assembled) -> None:
    source = assembled("m2m100")
    model = onnx.load(source / "encoder_model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "layers.0.fc1.bias":
            tensor.raw_data = tensor.raw_data[:-4]
    (source / "encoder_model.onnx").write_bytes(model.SerializeToString())
    (found,) = problems(source)
    assert found.startswith("encoder_model.onnx: layers.0.fc1.bias cannot be read: ")


@pytest.mark.parametrize(
    ("key", "value"), [("offset", "-8"), ("offset", "x"), ("offset", "1" * 30)]
)
def test_places_that_are_nowhere(assembled: Assembled, key: str, value: str) -> None:
    source = assembled("m2m100")
    beside(source)
    model = onnx.load(source / "encoder_model.onnx", load_external_data=False)
    for entry in model.graph.initializer[3].external_data:
        entry.value = value if entry.key == key else entry.value
    (source / "encoder_model.onnx").write_bytes(model.SerializeToString())
    (found,) = problems(source)
    assert f"{model.graph.initializer[3].name} cannot be read: " in found


def test_constants_of_no_number(assembled: Assembled) -> None:
    source = assembled("m2m100")
    model = onnx.load(source / "encoder_model.onnx")
    (bias,) = (one for one in model.graph.initializer if one.name == "layers.0.fc1.bias")
    bias.CopyFrom(
        onnx.TensorProto(
            name=bias.name, data_type=onnx.TensorProto.STRING, dims=[24], string_data=[b"x"] * 24
        )
    )
    (source / "encoder_model.onnx").write_bytes(model.SerializeToString())
    (found,) = problems(source)
    assert "fc1.bias has type" in found


def test_operators_that_do_not_say_whose_they_are(assembled: Assembled) -> None:
    """Old versions of torch's exporter only numbered them."""
    source = assembled("m2m100")
    model = onnx.load(source / "decoder_model.onnx")
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
    onnx.save(model, source / "decoder_model.onnx")
    (found,) = problems(source)
    assert found.startswith("decoder_model.onnx: the operator 'MatMul_")
    assert "does not say whose weights it has" in found


def test_optimised_graphs_are_refused(assembled: Assembled) -> None:
    source = assembled("m2m100")
    model = onnx.load(source / "encoder_model.onnx")
    fused = helper.make_node("MatMulNBits", ["a"], ["b"], domain="com.microsoft")
    model.graph.node.append(fused)
    onnx.save(model, source / "encoder_model.onnx")
    (found,) = problems(source)
    assert found.startswith("encoder_model.onnx: MatMulNBits is an operator of optimised graphs")


def test_tokens_of_another_model(assembled: Assembled) -> None:
    source = assembled("m2m100")
    shutil.copyfile(DATA / "optimum" / "nllb" / "encoder_model.onnx", source / "encoder_model.onnx")
    assert any("model.encoder.embed_tokens.weight has shape" in one for one in problems(source))
