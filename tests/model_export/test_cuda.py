"""What can be known of the graphs for CUDA without a GPU."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from model_export import graph, package, pipeline, reference, sources
from model_export.errors import UnsupportedCheckpoint
from model_export.spec import Activation, Checkpoint, Transformer
from service.decoding.search import Target, decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.runtime.seq2seq import OnnxSeq2Seq
from service.runtime.session import Graph
from service.settings import RuntimeSettings
from tests.conftest import DATA, TINY_MARIAN, golden, load
from tests.random_networks import FEATURES
from tests.recurrent_models import NAMES, read

KERNELS = json.loads((DATA / "cuda_kernels.json").read_text(encoding="utf-8"))
FOR_CUDA = [name for name, kind in graph.VARIANTS.items() if kind.device == "cuda"]
FED_ON_THE_CPU = {"candidates", "extra"}
"""Inputs of the graphs that only such places read. ONNX Runtime copies one that is read inside of a
branch to the device and back, which is one number."""
CONTRIB: dict[str, list[str]] = {
    "FusedMatMul": ["T", "T"],
    "QuickGelu": ["T"],
    "SkipLayerNormalization": ["T", "T", "T", "T"],
}
"""Type variables of the inputs of com.microsoft operators; their first output has the type T."""


@pytest.fixture(scope="module")
def network() -> Transformer:
    network = sources.load(TINY_MARIAN).network
    assert isinstance(network, Transformer)
    return network


@pytest.fixture(params=FOR_CUDA)
def models(network: Transformer, request: pytest.FixtureRequest) -> list[onnx.ModelProto]:
    graphs = graph.build(network, request.param)
    return [graphs.encoder, graphs.decoder]


def with_activation(network: Transformer, activation: Activation) -> Transformer:
    first = network.decoder[0]
    changed = replace(first, feed_forward=replace(first.feed_forward, activation=activation))
    return replace(network, decoder=(changed, *network.decoder[1:]))


def name_of(data_type: int) -> str:
    """The type as kernels spell it: float16, int64, …"""
    return str(onnx.TensorProto.DataType.Name(data_type)).lower()


class Typed:
    """A node with the type of each type variable and each named input of its operator."""

    def __init__(self, node: onnx.NodeProto, version: int, types: dict[str, str]) -> None:
        self.node, self.version = node, version
        self.bound: dict[str, str] = {}
        formal: list[Any]
        if node.domain:
            formal = [(variable, variable) for variable in CONTRIB[node.op_type]]
            outputs = ["T"]
        else:
            schema = onnx.defs.get_schema(node.op_type, version)
            formal = [(one.type_str, one.name) for one in schema.inputs]
            outputs = [one.type_str for one in schema.outputs]
        for place, value in enumerate(node.input):
            variable, name = formal[min(place, len(formal) - 1)]  # the last one may be repeated
            if value:
                self.bound[name] = types[value]
                assert self.bound.setdefault(variable, types[value]) == types[value], node
        for place, value in enumerate(node.output):
            if not branches(node):
                types[value] = self._output_type(outputs[min(place, len(outputs) - 1)])

    def _output_type(self, variable: str) -> str:
        if variable in self.bound:
            return self.bound[variable]
        if self.node.op_type == "Cast":
            (to,) = (one.i for one in self.node.attribute if one.name == "to")
            self.bound[variable] = name_of(to)
            return self.bound[variable]
        schema = onnx.defs.get_schema(self.node.op_type, self.version)
        allowed = {one.type_param_str: one.allowed_type_strs for one in schema.type_constraints}
        (only,) = allowed.get(variable, [variable])  # such as tensor(int64)
        return only.removeprefix("tensor(").removesuffix(")")

    def has_kernel(self) -> bool:
        return any(
            (kernel["domain"], kernel["op"]) == (self.node.domain, self.node.op_type)
            and kernel["since"] <= self.version <= kernel["until"]
            and all(self.bound.get(name, of[0]) in of for name, of in kernel["types"].items())
            for kernel in KERNELS["kernels"]
        )


def branches(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs inside of an If or a Scan; nothing for other operators."""
    return [one.g for one in node.attribute if one.type == onnx.AttributeProto.GRAPH]


def typed_nodes(
    some: onnx.GraphProto, versions: dict[str, int], types: dict[str, str]
) -> Iterator[Typed]:
    """The nodes of a graph and of its branches, in the order in which they run.

    types: of the values known so far; those of this graph are added.
    """
    values = [(one.name, one.type.tensor_type.elem_type) for one in some.input]
    values += [(one.name, one.data_type) for one in some.initializer]
    types |= {name: name_of(data_type) for name, data_type in values}
    for node in some.node:
        for branch in branches(node):
            yield from typed_nodes(branch, versions, types)
            outputs = (one.name for one in branch.output)
            types |= {name: types[inner] for name, inner in zip(node.output, outputs, strict=True)}
        yield Typed(node, versions[node.domain], types)
    for output in some.output:
        assert types[output.name] == name_of(output.type.tensor_type.elem_type), output.name


def typed(model: onnx.ModelProto) -> list[Typed]:
    versions = {opset.domain: opset.version for opset in model.opset_import}
    return list(typed_nodes(model.graph, versions, {}))


@pytest.mark.parametrize("variant", FOR_CUDA)
@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh", "gelu_sigmoid", "swish"])
def test_every_node_has_a_cuda_kernel_for_its_types(
    network: Transformer, variant: str, activation: Activation
) -> None:
    check_kernels(with_activation(network, activation), variant)


@pytest.mark.parametrize("variant", FOR_CUDA)
@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_has_cuda_kernels(feature: str, variant: str) -> None:
    check_kernels(FEATURES[feature], variant)
    graphs = graph.build(FEATURES[feature], variant)
    for model in (graphs.encoder, graphs.decoder):
        check_memory(model.graph, set(), FED_ON_THE_CPU)


def check_kernels(network: Transformer, variant: str) -> None:
    graphs = graph.build(network, variant)
    for model in (graphs.encoder, graphs.decoder):
        for one in typed(model):
            assert one.has_kernel(), (one.node.op_type, one.bound)


def test_a_node_without_a_kernel_would_be_noticed(network: Transformer) -> None:
    nodes = typed(graph.build(network, "fp16").decoder)
    for softmax in (one for one in nodes if one.node.op_type == "LogSoftmax"):
        assert softmax.bound["T"] == "float"
        softmax.bound["T"] = "bfloat16"
        assert not softmax.has_kernel()


def test_what_kernels_read_in_the_cpus_memory_is_there(models: list[onnx.ModelProto]) -> None:
    """Or else ONNX Runtime would copy between the two, or move operators to the CPU."""
    for model in models:
        check_memory(model.graph, set(), FED_ON_THE_CPU)


def check_memory(some: onnx.GraphProto, constants: set[str], on_cpu: set[str]) -> None:
    """constants and on_cpu: those of the graph around this one."""
    fed = {one.name for one in some.input}
    constants = constants | {one.name for one in some.initializer if one.name not in fed}
    on_cpu = on_cpu.copy()
    for node in some.node:
        read = KERNELS["inputs_on_cpu"].get(node.op_type, [])
        for place, value in enumerate(node.input):
            if value and place in read:
                assert value in constants | on_cpu, (node.op_type, value)
            else:
                assert value not in on_cpu, (node.op_type, value)
        if node.op_type in KERNELS["outputs_on_cpu"]:
            on_cpu |= set(node.output)
        for branch in branches(node):
            check_memory(branch, constants, on_cpu)


@pytest.fixture(params=NAMES)
def recurrent(request: pytest.FixtureRequest, tmp_path: Path) -> Checkpoint:
    return read(request.param, tmp_path)


@pytest.mark.parametrize("variant", FOR_CUDA)
def test_recurrent_networks_have_kernels_that_read_where_values_are(
    recurrent: Checkpoint, variant: str
) -> None:
    graphs = graph.build(recurrent.network, variant)
    for model in (graphs.encoder, graphs.decoder):
        for one in typed(model):
            assert one.has_kernel(), (one.node.op_type, one.bound)
        check_memory(model.graph, set(), FED_ON_THE_CPU)


def test_recurrent_graphs_for_cuda_compute_what_the_reference_does(
    recurrent: Checkpoint, tmp_path: Path
) -> None:
    """The cells are those that are made of products; fp32 has the operators LSTM and GRU."""
    files = package.write_graphs(tmp_path, "x", graph.build(recurrent.network, "fp32-cuda"))
    encoder, decoder = (Graph(tmp_path / file, RuntimeSettings(threads=1)) for file in files)
    tokens, limits = recurrent.tokens, recurrent.limits
    target = Target(tokens.start, tokens.end, limits.target_vocabulary, 10)
    random = np.random.default_rng(0)
    source_ids = [tuple(random.integers(4, 13, size=n).tolist()) for n in (1, 5, 8, 2)]
    found = decode(
        OnnxSeq2Seq(encoder, decoder, 0, target),
        source_ids,
        [DecodingOptions(beam_size=1)] * 4,
        target,
    )
    for ids, (ours,) in zip(source_ids, found, strict=True):
        expected = reference.greedy(recurrent.network, ids, tokens.start, tokens.end, 10)
        assert ours.target_ids == tuple(expected)
        scores = reference.log_probs(
            recurrent.network,
            reference.encode(recurrent.network, ids),
            [tokens.start, *expected],
        )
        places = range(1, len(expected))
        later = float(sum(scores[place, expected[place]] for place in places))
        first = scores[0].copy()
        first[tokens.end] = -np.inf
        total = later + float(scores[0, expected[0]] - np.log(np.exp(first).sum()))
        if len(expected) < 10:
            total += float(scores[len(expected), tokens.end])
        assert ours.score * min(10, len(expected) + 1) == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        DecodingOptions(beam_size=4, num_hypotheses=4, max_decoding_length=40),
        DecodingOptions(beam_size=2, repetition_penalty=1.3, return_attention=True),
    ],
)
def test_the_graphs_for_cuda_compute_what_those_for_the_cpu_do(
    tiny_fp32: OnnxSeq2Seq, network: Transformer, tmp_path: Path, options: DecodingOptions
) -> None:
    """In float32: what is different is the operators."""
    files = package.write_graphs(tmp_path, "x", graph.build(network, "fp32-cuda"))
    encoder, decoder = (Graph(tmp_path / file, RuntimeSettings(threads=1)) for file in files)
    model = OnnxSeq2Seq(encoder, decoder, tiny_fp32.padding, tiny_fp32.target)
    source_ids = [tuple(ids) for ids in golden("tiny")["source_ids"]]
    expected = decode(tiny_fp32, source_ids, [options] * len(source_ids), tiny_fp32.target)
    found = decode(model, source_ids, [options] * len(source_ids), model.target)
    for ours, theirs in zip(sum(found, ()), sum(expected, ()), strict=True):
        assert ours.target_ids == theirs.target_ids
        assert ours.score == pytest.approx(theirs.score, abs=1e-4)
        np.testing.assert_allclose(ours.attention, theirs.attention, atol=1e-4)


@pytest.fixture(scope="module")
def fp16_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("models") / "tiny"
    options = pipeline.ExportOptions(name="tiny", variants=["fp16"])
    pipeline.convert(TINY_MARIAN, destination, options, lambda stage: None)
    return destination


def test_float16_is_close_to_float32(fp16_directory: Path) -> None:
    """ONNX Runtime casts to float32 and back where the CPU has no kernel for float16."""
    manifest = ModelDirectory.open(fp16_directory).manifest
    assert manifest.variants["fp16"].devices == ["cuda"]
    assert 1e-4 < manifest.parity["fp16"].max_log_prob_difference < 0.1


def test_float16_holds_the_state_in_half_of_the_room(fp16_directory: Path) -> None:
    model = load(fp16_directory, "fp16")
    kept = [one for name, one in model.decoder.inputs.items() if name.startswith("cache.")]
    assert {one.type for one in kept} == {"tensor(float16)"}
    assert model.decoder.outputs["log_probs"].type == "tensor(float)"


def test_float16_gives_all_that_some_rows_need(fp16_directory: Path) -> None:
    model = load(fp16_directory, "fp16")
    options = DecodingOptions(repetition_penalty=1.3, return_attention=True, max_decoding_length=9)
    ((best,),) = decode(model, [tuple(golden("tiny")["source_ids"][0])], [options], model.target)
    assert len(best.attention) == len(best.target_ids)


def test_a_weight_that_float16_cannot_hold_is_refused(network: Transformer) -> None:
    scale = network.encoder[0].attention_norm.scale.copy()
    scale[3] = 1e5
    norm = replace(network.encoder[0].attention_norm, scale=scale)
    encoder = (replace(network.encoder[0], attention_norm=norm), *network.encoder[1:])
    with pytest.raises(UnsupportedCheckpoint, match="weight of 100000 is too large for float16"):
        graph.build(replace(network, encoder=encoder), "fp16")
