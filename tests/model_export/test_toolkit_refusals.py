"""Checkpoints of OpenNMT-py, Eole and fairseq that can't be converted."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model_export import pipeline, sources
from model_export.errors import UnsupportedCheckpoint
from model_export.spec import Transformer
from model_export.vocabulary_files import TextOptions
from service.package.manifest import LanguagePair
from service.text.tokenizer import TokenizerFile
from tests.model_export.test_toolkits import BPE, PLAIN, TOOLKITS, UNIGRAM

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="a pickle needs torch"
)
PAIR = (LanguagePair(source="fr", target="en"),)
TOLD = TextOptions(UNIGRAM)


def problems(
    source: Path, told: TextOptions = TOLD, pairs: tuple[LanguagePair, ...] = PAIR
) -> list[str]:
    """Why it is refused; nothing may be left of the attempt."""
    destination = source.parent / "out" / "model"
    options = pipeline.ExportOptions(name="x", pairs=pairs, text=told)
    with pytest.raises(UnsupportedCheckpoint) as caught:
        pipeline.convert(source, destination, options, lambda stage: None)
    assert list(destination.parent.iterdir()) == []
    return caught.value.problems


def pickled(name: str, path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a checkpoint of torch.save, changed."""
    import torch

    with torch.serialization.safe_globals([Namespace]):
        content = torch.load(TOOLKITS / name, weights_only=True)
    change(content)
    torch.save(content, path / "changed.pt")
    return path / "changed.pt"


OPTIONS = {
    "max_relative_positions": 20,
    "relative_positions_buckets": 8,
    "copy_attn": True,
    "self_attn_type": "average",
    "parallel_residual": True,
    "num_experts": 4,
    "sliding_window": 3,
    "pos_ffn_activation_fn": "mish",
    "position_encoding_type": "Learned",
    "generator_function": "sparsemax",
    "encoder_type": "brnn",
    "model_task": "lm",
    "lora_layers": ["linear_query"],
    "n_src_feats": 1,
    "layer_norm": "batch",
    "norm_eps": -1,
    "heads": 0,
}


@needs_torch
@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_opennmt_py_are_refused_by_name(name: str, tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        setattr(content["opt"], name, OPTIONS[name])

    found = problems(pickled("opennmt-py/model_step_1.pt", tmp_path, change))
    assert len(found) == 1
    assert found[0].startswith(f"opt: {name} ")


@needs_torch
def test_weights_that_opennmt_py_s_options_do_not_describe(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        weights = content["model"]
        weights["encoder.layer_norm.weight"] = weights["encoder.layer_norm.weight"][:7]
        weights["encoder.transformer.0.feed_forward.w_1.weight"][0, 0] = float("nan")
        del weights["decoder.layer_norm.bias"]
        weights["decoder.gate.weight"] = weights["decoder.layer_norm.weight"]

    assert sorted(problems(pickled("opennmt-py/model_step_1.pt", tmp_path, change))) == [
        "decoder.gate.weight is not part of the architecture.",
        "decoder.layer_norm.bias is missing.",
        "encoder.layer_norm.weight has shape [7]; opt says [16].",
        "encoder.transformer.0.feed_forward.w_1.weight holds values that are not finite.",
    ]


@needs_torch
def test_transforms_that_change_text_are_refused(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["opt"].transforms = ["onmt_tokenize", "filtertoolong"]
        content["opt"].data = {"corpus": {"transforms": ["prefix", "sentencepiece"]}}

    source = pickled("opennmt-py/model_step_1.pt", tmp_path, change)
    assert problems(source) == [
        "The transform onmt_tokenize was used on text, which is not supported.",
        "The transform prefix was used on text; say what it puts around a sentence with "
        "--source-template, such as 'TAG $A'.",
    ]
    told = TextOptions(UNIGRAM, source_template="<s> $A")
    assert problems(source, told) == [
        "The transform onmt_tokenize was used on text, which is not supported."
    ]


@needs_torch
def test_vocabularies_that_do_not_fit_opennmt_py_s_weights(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["vocab"]["tgt"] = content["vocab"]["tgt"][:-2]

    found = problems(
        pickled("opennmt-py/model_step_1.pt", tmp_path, change), TextOptions(UNIGRAM, UNIGRAM)
    )
    assert [one.split(" has ")[0] for one in found] == [
        "decoder.embeddings.make_embedding.emb_luts.0.weight",
        "generator.bias",
        "generator.weight",
    ]


@needs_torch
@pytest.mark.parametrize("cut", [1, 5000, 90_000])
def test_a_truncated_pickle(tmp_path: Path, cut: int) -> None:
    content = (TOOLKITS / "opennmt-py" / "model_step_1.pt").read_bytes()
    (tmp_path / "model.pt").write_bytes(content[:-cut])
    assert "model.pt" in problems(tmp_path / "model.pt")[0]


class Code:
    """What a hostile pickle would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("/tmp/seq2serve-was-there",))


@needs_torch
@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_with_code_in_it_is_never_run(tmp_path: Path, legacy: bool) -> None:
    import torch

    content = {"opt": Code(), "vocab": {}, "optim": {}, "model": {}}
    path = tmp_path / "model.pt"
    torch.save(content, path, pickle_module=pickle, _use_new_zipfile_serialization=not legacy)
    (found,) = problems(path)
    assert found == "model.pt is no file of tensors alone, and is not read: it names posix.mkdir."
    assert not Path("/tmp/seq2serve-was-there").exists()


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is there")
def test_without_torch_a_pickle_is_refused() -> None:
    with pytest.raises(UnsupportedCheckpoint, match="only torch can read safely: `pip install"):
        sources.load(TOOLKITS / "opennmt-py" / "model_step_1.pt", PAIR, TOLD)


@needs_torch
@pytest.mark.parametrize("texts", [["opt", "vocab", "optim"], ["model", "optimizer_history"]])
def test_a_list_of_the_right_words(tmp_path: Path, texts: list[str]) -> None:
    import torch

    torch.save(texts, tmp_path / "model.pt")
    assert problems(tmp_path / "model.pt") == ["model.pt holds no parts by name."]


@needs_torch
def test_a_missing_file_of_weights(tmp_path: Path) -> None:
    shutil.copyfile(TOOLKITS / "opennmt-py-rms" / "model_step_1.pt", tmp_path / "model.pt")
    assert problems(tmp_path / "model.pt", TextOptions(UNIGRAM, BPE)) == [
        "model.pt holds no weights, and model.safetensors is not beside it."
    ]


@needs_torch
@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (TextOptions(), "vocab src has pieces of SentencePiece: give the model"),
        (TextOptions(BPE), "vocab src has 147 tokens, of which "),
        (TextOptions(TOOLKITS / "codes.bpe"), "codes.bpe is no SentencePiece model (.spm, .model)"),
        (TextOptions(UNIGRAM, start="<s>"), "--start-token is not for opennmt-py checkpoints"),
        (TextOptions(UNIGRAM, standardization="lower"), "--standardize is for lists of words"),
        (TextOptions(UNIGRAM, source_template="<de> $A"), "--source-template '<de> $A' must be"),
    ],
)
def test_text_options_that_do_not_fit(told: TextOptions, problem: str) -> None:
    with pytest.raises(UnsupportedCheckpoint) as caught:
        sources.load(TOOLKITS / "opennmt-py" / "model_step_1.pt", PAIR, told)
    (found,) = caught.value.problems
    assert found.startswith(problem)


@needs_torch
def test_languages_that_nobody_names_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    shutil.copyfile(TOOLKITS / "opennmt-py" / "model_step_1.pt", path)
    assert problems(path, pairs=()) == [
        "The languages are not in the checkpoint; give --pair fr-en."
    ]


@pytest.fixture
def eole(tmp_path: Path) -> Path:
    """A copy, to be broken."""
    return Path(shutil.copytree(TOOLKITS / "eole-learned", tmp_path / "eole"))


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


SIDE = {
    "mlp_activation_fn": "quick_gelu",
    "layer_norm": "gemma-rms",
    "norm_eps": 0,
    "parallel_residual": True,
    "ffn_layernorm": True,
    "num_experts": 4,
    "sliding_window": 3,
    "relative_positions_buckets": 8,
    "query_norm": True,
    "attn_scaling": 2.0,
    "decoder_type": "rnn",
    "layer_types": ["linear_attention"],
    "q_gating": True,
    "heads_kv": 3,
    "layers": 0,
    "never_heard_of": 1,
}


@pytest.mark.parametrize("name", SIDE)
def test_options_of_eole_s_layers_are_refused_by_name(eole: Path, name: str) -> None:
    rewrite(eole / "config.json", lambda c: c["model"]["decoder"].update({name: SIDE[name]}))
    (found,) = problems(eole, TextOptions())
    assert found.startswith("config.json: model.decoder: ")
    assert name in found


EMBEDDINGS = {
    "position_encoding_type": "Rotary",
    "embedding_type": "roberta",
    "embedding_layer_norm": True,
    "never_heard_of": 1,
}


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_options_of_eole_s_embeddings_are_refused_by_name(eole: Path, name: str) -> None:
    changed = {name: EMBEDDINGS[name]}
    rewrite(eole / "config.json", lambda c: c["model"]["embeddings"].update(changed))
    (found,) = problems(eole, TextOptions())
    assert found.startswith(f"config.json: model.embeddings: {name} ")


def test_models_of_eole_that_do_not_translate(eole: Path) -> None:
    rewrite(eole / "config.json", lambda content: content["model"].pop("encoder"))
    assert problems(eole, TextOptions()) == ["config.json: model has no encoder."]


def test_layers_of_eole_that_are_scaled(eole: Path) -> None:
    tensors = load_file(eole / "model.00.safetensors")
    tensors["decoder.transformer_layers.1.layer_scalar"] *= 3
    save_file(tensors, eole / "model.00.safetensors")
    assert problems(eole, TextOptions()) == [
        "decoder.transformer_layers.1.layer_scalar is 3; supported: 1."
    ]


def test_transforms_of_eole_that_change_text(eole: Path) -> None:
    rewrite(eole / "config.json", lambda c: c.update(transforms=["normalize", "clean"]))
    assert problems(eole, TextOptions()) == [
        "The transform normalize was used on text, which is not supported."
    ]


def test_eole_s_vocabularies_must_fit(eole: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["tgt"] = [*content["tgt"][1:], "<unk>", "more"]
        content["specials"]["eos_token"] = "<end>"

    rewrite(eole / "vocab.json", change)
    assert problems(eole, TextOptions()) == [
        "vocab.json: src has no <end>.",
        "vocab.json: tgt has no <end>.",
    ]
    rewrite(eole / "vocab.json", lambda content: content["specials"].update(eos_token="</s>"))
    assert problems(eole, TextOptions()) == [
        "tgt_emb.embeddings.weight has shape [144, 16]; config.json says [145, 16].",
        "generator.bias has shape [144]; config.json says [145].",
    ]


@pytest.mark.parametrize(
    "content", [{"src": [], "tgt": []}, {"src": "ab"}, {"src": ["a", "a"]}, {}]
)
def test_a_vocabulary_of_eole_that_is_no_list(eole: Path, content: dict[str, Any]) -> None:
    (eole / "vocab.json").write_text(json.dumps(content), encoding="utf-8")
    (found,) = problems(eole, TextOptions())
    assert "vocab.json: src" in found


@pytest.mark.parametrize("cut", [1, 5000])
def test_a_truncated_file_of_eole(eole: Path, cut: int) -> None:
    file = eole / "model.00.safetensors"
    file.write_bytes(file.read_bytes()[:-cut])
    assert "model.00.safetensors cannot be read" in problems(eole, TextOptions())[0]


def test_missing_weights_of_eole(eole: Path) -> None:
    (eole / "model.00.safetensors").unlink()
    assert problems(eole, TextOptions()) == ["model*.safetensors is missing."]


def test_weights_that_eole_s_configuration_does_not_describe(eole: Path) -> None:
    tensors = load_file(eole / "model.00.safetensors")
    tensors["decoder.transformer_layers.0.mlp.down_proj.weight"] = np.zeros((3, 3), np.float32)
    tensors["estimator.weight"] = tensors.pop("generator.bias")
    save_file(tensors, eole / "model.00.safetensors")
    assert sorted(problems(eole, TextOptions())) == [
        "decoder.transformer_layers.0.mlp.down_proj.weight has shape [3, 3]; config.json says "
        "[16, 24].",
        "estimator.weight is not part of the architecture.",
        "generator.bias is missing.",
    ]


def test_weights_of_eole_may_be_in_several_files(eole: Path) -> None:
    whole = sources.load(eole, PAIR)
    tensors = load_file(eole / "model.00.safetensors")
    for number in range(2):
        some = {name: tensors[name] for name in sorted(tensors)[number::2]}
        save_file(some, eole / f"model.{number:02}.safetensors")
    parts = sources.load(eole, PAIR)
    assert isinstance(whole.network, Transformer)
    assert isinstance(parts.network, Transformer)
    assert len(parts.files) == len(whole.files) + 1
    np.testing.assert_array_equal(
        parts.network.projection.weight, tensors["tgt_emb.embeddings.weight"].T
    )


FAIRSEQ = {
    "task": "translation_multi_simple_epoch",
    "arch": "fconv",
    "activation_fn": "relu_squared",
    "adaptive_softmax_cutoff": [10, 20],
    "adaptive_input": True,
    "char_inputs": True,
    "no_cross_attention": True,
    "cross_self_attention": True,
    "base_layers": 1,
    "quant_noise_scalar": 0.5,
    "decoder_layers_to_keep": "0",
    "decoder_normalize_before": False,
    "decoder_embed_dim": 24,
    "decoder_output_dim": 24,
    "encoder_layers": 0,
    "encoder_attention_heads": 3,
    "max_source_positions": "many",
    "layernorm_embedding": "yes",
}


@needs_torch
@pytest.mark.parametrize("name", FAIRSEQ)
def test_options_of_fairseq_are_refused_by_name(name: str, tmp_path: Path) -> None:
    source = dictionaries("fairseq-prenorm", tmp_path)
    changed = pickled(
        f"{source.name}/checkpoint_best.pt",
        source,
        lambda content: setattr(content["args"], name, FAIRSEQ[name]),
    )
    found = problems(changed, TextOptions(PLAIN, BPE))
    assert found[0].startswith(f"args: {name} ") or f" {name} " in found[0]
    assert len(found) == 1


@needs_torch
def test_options_of_newer_checkpoints_of_fairseq(tmp_path: Path) -> None:
    """cfg, in which every part says its name."""
    source = dictionaries("fairseq", tmp_path)

    def change(content: dict[str, Any]) -> None:
        content["cfg"]["task"]["_name"] = "denoising"
        model = vars(content["cfg"]["model"])
        nested = {"attention_heads": model.pop("encoder_attention_heads"), "layers": 3}
        del model["task"], model["encoder_layers"]
        content["cfg"]["model"] = {**model, "encoder": nested}

    found = problems(pickled("fairseq/checkpoint_best.pt", source, change), TextOptions(PLAIN))
    assert found == ["args: task is 'denoising'; supported: 'translation'."]

    def change_back(content: dict[str, Any]) -> None:
        change(content)
        content["cfg"]["task"]["_name"] = "translation"

    found = problems(pickled("fairseq/checkpoint_best.pt", source, change_back), TextOptions(PLAIN))
    assert found[0] == "encoder.layers.2.self_attn.q_proj.weight is missing."


@needs_torch
def test_dictionaries_of_fairseq_must_be_there_and_fit(tmp_path: Path) -> None:
    source = dictionaries("fairseq-prenorm", tmp_path)
    checkpoint = source / "checkpoint_best.pt"
    told = TextOptions(PLAIN, BPE)
    lines = (source / "dict.fr.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (source / "dict.fr.txt").write_text("".join(lines[:-1]), encoding="utf-8")
    assert problems(checkpoint, told) == [
        "encoder.embed_tokens.weight has shape [147, 16]; args says [146, 16]."
    ]
    (source / "dict.fr.txt").write_text("".join([*lines, "word\n"]), encoding="utf-8")
    assert problems(checkpoint, told) == [
        "dict.fr.txt is no dictionary of fairseq, with a token and its count a line."
    ]
    (source / "dict.fr.txt").write_text("".join([*lines, lines[0]]), encoding="utf-8")
    assert "dict.fr.txt has the token" in problems(checkpoint, told)[0]
    (source / "dict.fr.txt").unlink()
    assert problems(checkpoint, told) == [
        "dict.fr.txt is missing; it must be beside the checkpoint."
    ]


@needs_torch
def test_weights_that_fairseq_s_options_do_not_describe(tmp_path: Path) -> None:
    source = dictionaries("fairseq-prenorm", tmp_path)

    def change(content: dict[str, Any]) -> None:
        weights = content["model"]
        weights["encoder.layers.0.self_attn.in_proj_bias"] *= float("inf")
        weights["decoder.layers.1.fc1.weight"] = weights["decoder.layers.1.fc1.weight"][1:]
        weights["decoder.layers.1.gate.weight"] = weights.pop("decoder.layer_norm.bias")

    changed = pickled("fairseq-prenorm/checkpoint_best.pt", source, change)
    assert sorted(problems(changed, TextOptions(PLAIN, BPE))) == [
        "decoder.layer_norm.bias is missing.",
        "decoder.layers.1.fc1.weight has shape [23, 16]; args says [24, 16].",
        "decoder.layers.1.gate.weight is not part of the architecture.",
        *(
            f"encoder.layers.0.self_attn.{letter}_proj.bias holds values that are not finite."
            for letter in "kqv"
        ),
    ]


@needs_torch
@pytest.mark.parametrize("name", ["fairseq", "fairseq-prenorm"])
@pytest.mark.parametrize("cut", [1, 5000, 80_000])
def test_a_truncated_pickle_of_fairseq(tmp_path: Path, name: str, cut: int) -> None:
    source = dictionaries(name, tmp_path)
    checkpoint = source / "checkpoint_best.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-cut])
    assert "checkpoint_best.pt" in problems(checkpoint, TextOptions(PLAIN, BPE))[0]


@needs_torch
def test_meters_in_older_checkpoints_of_fairseq_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = dictionaries("fairseq-prenorm", tmp_path)
    module = ModuleType("fairseq.meters")
    meter = type("AverageMeter", (), {"__module__": module.__name__})
    module.AverageMeter = meter  # type: ignore[attr-defined]

    def change(content: dict[str, Any]) -> None:
        content["extra_state"]["train_meters"] = {"loss": meter()}
        content["extra_state"]["train_meters"]["loss"].sum = 1.5

    with monkeypatch.context() as toolkit:
        toolkit.setitem(sys.modules, "fairseq", ModuleType("fairseq"))
        toolkit.setitem(sys.modules, module.__name__, module)
        changed = pickled("fairseq-prenorm/checkpoint_best.pt", source, change)
    assert sources.load(changed, PAIR, TextOptions(PLAIN, BPE)).kind == "fairseq"


@needs_torch
def test_the_languages_of_fairseq_s_checkpoints_are_theirs(tmp_path: Path) -> None:
    path = TOOLKITS / "fairseq" / "checkpoint_best.pt"
    assert sources.load(path, (), TextOptions(PLAIN)).pairs == PAIR
    source = dictionaries("fairseq", tmp_path)

    def change(content: dict[str, Any]) -> None:
        content["cfg"]["model"].source_lang = "../fr"

    found = problems(pickled("fairseq/checkpoint_best.pt", source, change), TextOptions(PLAIN))
    assert found == ["args: source_lang and target_lang are no names."]


def dictionaries(name: str, folder: Path) -> Path:
    """A copy of a checkpoint with its dictionaries, to be broken."""
    return Path(shutil.copytree(TOOLKITS / name, folder / name))


@needs_torch
@pytest.mark.parametrize(("mark", "tool"), [("ab@@", "subword-nmt"), ("￭s", "pyonmttok")])
def test_subwords_of_other_tools_are_refused(tmp_path: Path, mark: str, tool: str) -> None:
    def change(content: dict[str, Any]) -> None:
        content["vocab"]["src"][20] = content["vocab"]["tgt"][20] = mark

    (found,) = problems(
        pickled("opennmt-py/model_step_1.pt", tmp_path, change), told=TextOptions()
    )[:1]
    assert tool in found


@needs_torch
def test_lists_of_words_are_split_at_spaces(tmp_path: Path) -> None:
    words: list[str] = []

    def change(content: dict[str, Any]) -> None:
        names = content["vocab"]["src"]
        words.extend([*names[:4], *(f"w{number}" for number in range(len(names) - 4))])
        content["vocab"] |= {"src": words, "tgt": words}

    source = pickled("opennmt-py/model_step_1.pt", tmp_path, change)
    found = sources.load(source, PAIR, TextOptions(source_template="<s> $A </s>"))
    assert found.source_tokenizer is found.target_tokenizer
    found.source_tokenizer.save(str(tmp_path / "tokenizer.json"))
    tokenizer = TokenizerFile(tmp_path / "tokenizer.json")
    assert tokenizer.encode("w0  w5 <s> W1") == (2, 4, 9, 0, 0, 3)
    assert tokenizer.decode([2, 4, 9, 3]) == "w0 w5"
