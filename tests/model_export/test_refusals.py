"""Checkpoints that can't be converted: all that is wrong is said, and nothing is written."""

from __future__ import annotations

import importlib.util
import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model_export import package, pipeline, sources
from model_export.errors import UnsupportedCheckpoint
from model_export.sources import SOURCES
from model_export.spec import Transformer
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair
from tests.conftest import DATA, load

HAS_TORCH = importlib.util.find_spec("torch") is not None
PAIR = (LanguagePair(source="en", target="en"),)


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    """Copies a family's checkpoint, to be broken."""

    def copied(name: str) -> Path:
        return Path(shutil.copytree(DATA / "families" / name, tmp_path / "checkpoint"))

    return copied


def problems(source: Path, pairs: tuple[LanguagePair, ...] = ()) -> list[str]:
    """Why it is refused; nothing may be left of the attempt."""
    destination = source.parent / "out" / "model"
    options = pipeline.ExportOptions(name="x", pairs=pairs)
    with pytest.raises(UnsupportedCheckpoint) as caught:
        pipeline.convert(source, destination, options, lambda stage: None)
    assert list(destination.parent.iterdir()) == []
    return caught.value.problems


def network_of(source: Path) -> Transformer:
    network = sources.load(source).network
    assert isinstance(network, Transformer)
    return network


def change(file: Path, **changes: Any) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content | changes), encoding="utf-8")


@pytest.mark.parametrize("name", ["m2m100", "nllb", "mbart50", "bart", "pegasus"])
def test_what_a_configuration_says_wrongly_is_listed(
    copy: Callable[[str], Path], name: str
) -> None:
    source = copy(name)
    (source / "generation_config.json").unlink()  # whose tokens would count
    change(
        source / "config.json",
        activation_function="mish",
        encoder_attention_heads=3,
        decoder_layers=0,
        is_decoder=True,
        rotary_theta=10_000,
        eos_token_id=10**6,
        never_heard_of=None,
    )
    found = problems(source, PAIR if name in ("bart", "pegasus") else ())
    for word in (
        "config.json: activation_function is 'mish'; supported: 'swish'",
        "config.json: d_model 16 is not a multiple of encoder_attention_heads 3",
        "config.json: decoder_layers must be a positive whole number, not 0",
        "config.json: is_decoder is True",
        "config.json: rotary_theta 10000 is not known",
        "config.json: eos_token_id 1000000 is not the id of a token",
    ):
        assert any(word in problem for problem in found), word
    assert len(found) == 6


def test_what_a_t5_configuration_says_wrongly_is_listed(copy: Callable[[str], Path]) -> None:
    source = copy("flan-t5")
    change(
        source / "config.json",
        feed_forward_proj="gated-mish",
        d_kv=None,
        layer_norm_epsilon=-1,
        tie_word_embeddings="no",
        task_specific_params=None,
    )
    assert len(problems(source)) == 5
    assert "feed_forward_proj is 'gated-mish'; supported: 'relu'" in problems(source)[0]


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("mbart", {"normalize_before": False}, "normalize_before is False; supported: True"),
        ("mbart", {"decoder_start_token_id": 2}, "is not the token of a language"),
        ("bart", {"normalize_before": True}, "normalize_before is True; supported: False"),
        ("pegasus", {"static_position_embeddings": False}, "static_position_embeddings is False"),
    ],
)
def test_variants_of_a_family_that_transformers_does_not_have(
    copy: Callable[[str], Path], name: str, changes: dict[str, Any], problem: str
) -> None:
    source = copy(name)
    (source / "generation_config.json").unlink()  # whose tokens would count
    change(source / "config.json", **changes)
    (found,) = problems(source, (LanguagePair(source="en", target="en"),))
    assert problem in found


@pytest.mark.parametrize(
    ("name", "hint"),
    [("bart", "en-en"), ("pegasus", "en-en"), ("mt5", "en-de"), ("mbart", "en-ro")],
)
def test_languages_that_nobody_names_are_asked_for(name: str, hint: str) -> None:
    with pytest.raises(UnsupportedCheckpoint, match=f"give --pair {hint}"):
        sources.load(DATA / "families" / name)


def test_a_prompt_of_another_form(copy: Callable[[str], Path]) -> None:
    source = copy("t5")
    task = {"translation_en_to_fr": {"prefix": "en2fr: "}}
    change(source / "config.json", task_specific_params=task)
    (found,) = problems(source)
    assert found.startswith("config.json: translation_en_to_fr has the prompt 'en2fr: '; supported")


def test_a_language_that_the_model_lacks() -> None:
    with pytest.raises(UnsupportedCheckpoint, match="--pair en-tlh: tlh is not supported"):
        sources.load(DATA / "families" / "m2m100", (LanguagePair(source="en", target="tlh"),))


@pytest.mark.parametrize("name", ["bart", "nllb", "m2m100", "t5"])
def test_a_vocabulary_that_does_not_fit(copy: Callable[[str], Path], name: str) -> None:
    source = copy(name)
    tensors = load_file(source / "model.safetensors")
    table = "shared.weight" if name == "t5" else "model.shared.weight"
    for tensor in {table, "final_logits_bias"} & tensors.keys():
        tensors[tensor] = (
            tensors[tensor][..., :60] if tensors[tensor].ndim == 2 else tensors[tensor]
        )
    change(source / "config.json", vocab_size=60)
    (found,) = problems(source, PAIR)[:1]
    assert "config.json says vocab_size 60" in found


def test_tensors_of_a_wrong_shape_are_named(copy: Callable[[str], Path]) -> None:
    source = copy("t5")
    tensors = load_file(source / "model.safetensors")
    tensors["encoder.block.0.layer.0.SelfAttention.q.weight"] = np.zeros((4, 16), np.float32)
    del tensors["decoder.final_layer_norm.weight"]
    save_file(tensors, source / "model.safetensors")
    assert problems(source) == [
        "decoder.final_layer_norm.weight is missing.",
        "encoder.block.0.layer.0.SelfAttention.q.weight has shape [4, 16]; config.json says "
        "[18, 16].",
    ]


@pytest.mark.parametrize("cut", [1, 5000])
def test_a_truncated_file(copy: Callable[[str], Path], cut: int) -> None:
    source = copy("nllb")
    file = source / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-cut])
    assert "model.safetensors cannot be read" in problems(source)[0]


def test_a_header_that_lies(copy: Callable[[str], Path]) -> None:
    source = copy("nllb")
    (source / "model.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    assert "model.safetensors cannot be read" in problems(source)[0]


def test_no_weights_at_all(copy: Callable[[str], Path]) -> None:
    source = copy("nllb")
    (source / "model.safetensors").unlink()
    assert problems(source) == ["model.safetensors is missing."]


def shard(source: Path, files: int) -> None:
    """Spread the weights over files, as large checkpoints are."""
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    index: dict[str, str] = {}
    for number in range(files):
        name = f"model-{number + 1:05}-of-{files:05}.safetensors"
        some = {key: tensors[key] for key in sorted(tensors)[number::files]}
        save_file(some, source / name)
        index |= dict.fromkeys(some, name)
    content = {"metadata": {}, "weight_map": index}
    (source / "model.safetensors.index.json").write_text(json.dumps(content))


def test_shards_are_one_checkpoint(copy: Callable[[str], Path]) -> None:
    source = copy("nllb")
    whole = network_of(source)
    shard(source, 3)
    checkpoint = sources.load(source)
    np.testing.assert_array_equal(
        network_of(source).source_embedding.table, whole.source_embedding.table
    )
    assert len(checkpoint.files) == 6


def test_a_missing_shard_is_named(copy: Callable[[str], Path]) -> None:
    source = copy("nllb")
    shard(source, 3)
    (source / "model-00002-of-00003.safetensors").unlink()
    assert problems(source) == [
        "model-00002-of-00003.safetensors is missing; model.safetensors.index.json names it."
    ]


@pytest.mark.parametrize("content", [{}, {"weight_map": {"a": "../secret"}}, {"weight_map": 3}])
def test_an_index_that_names_no_files_beside_it(
    copy: Callable[[str], Path], content: dict[str, Any]
) -> None:
    source = copy("nllb")
    (source / "model.safetensors").unlink()
    (source / "model.safetensors.index.json").write_text(json.dumps(content))
    assert "model.safetensors.index.json has no weight_map" in problems(source)[0]


class Code:
    """What a hostile pickle would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("/tmp/seq2serve-was-here").touch, ())


def test_a_pickle_is_never_run(copy: Callable[[str], Path]) -> None:
    source = copy("nllb")
    (source / "model.safetensors").unlink()
    (source / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Code()}, protocol=2))
    (found,) = problems(source)
    assert "pytorch_model.bin" in found
    assert (
        ("holds" in found or "tensors alone" in found)
        if HAS_TORCH
        else "pip install torch" in found
    )
    assert not Path("/tmp/seq2serve-was-here").exists()


@pytest.mark.skipif(not HAS_TORCH, reason="needs torch")
def test_a_pytorch_file_is_read_by_torch(copy: Callable[[str], Path]) -> None:
    import torch

    source = copy("nllb")
    whole = network_of(source)
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    content = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    torch.save(content, source / "pytorch_model.bin")
    found = network_of(source)
    np.testing.assert_array_equal(found.projection.weight, whole.projection.weight)


def test_bfloat16_weights_are_taken(copy: Callable[[str], Path]) -> None:
    """The upper halves of float32 numbers."""
    source = copy("nllb")
    whole = network_of(source).source_embedding.table.copy()  # the file is overwritten
    file = source / "model.safetensors"
    content = file.read_bytes()
    length = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:length])
    metadata = header.pop("__metadata__", None)
    for entry in header.values():
        entry["dtype"] = "BF16"
        entry["data_offsets"] = [offset // 2 for offset in entry["data_offsets"]]
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    halves = np.frombuffer(content[length:], "<u2")[1::2].tobytes()
    file.write_bytes(struct.pack("<Q", len(text)) + text + halves)
    found = network_of(source)
    np.testing.assert_allclose(found.source_embedding.table, whole, rtol=2**-7)


@pytest.mark.parametrize("variant", ["fp32", "int8", "fp16"])
def test_weights_beside_the_graphs_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    """As those of large networks are written."""
    for folder in ("inside", "beside"):
        options = pipeline.ExportOptions(name="x", variants=[variant])
        pipeline.convert(DATA / "families" / "nllb", tmp_path / folder, options, lambda stage: None)
        monkeypatch.setattr(package, "EXTERNAL_FROM", 0)
        monkeypatch.setattr("model_export.graph.builder.LARGE", 1000)
    found = ModelDirectory.open(tmp_path / "beside")
    files = found.files_of(found.variant(variant))
    assert {f"encoder.{variant}.onnx.data", f"decoder.{variant}.onnx.data"} <= set(files)
    found.check()
    size = found.manifest.files
    assert size[f"decoder.{variant}.onnx.data"].bytes > size[f"decoder.{variant}.onnx"].bytes
    assert found.manifest.parity == ModelDirectory.open(tmp_path / "inside").manifest.parity
    load(tmp_path / "beside", variant)


def test_every_kind_is_recognised_by_one_source_alone() -> None:
    for path in (DATA / "families").iterdir():
        assert sum(source.recognises(path) for source in SOURCES) == 1
