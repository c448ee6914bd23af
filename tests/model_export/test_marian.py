"""Marian's own checkpoints: which files are taken, and what is refused, by its name.

What the models compute is compared with Marian in test_families.py.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from model_export import graph, pipeline, sources
from model_export.errors import UnsupportedCheckpoint
from model_export.marian.npz import MODEL_OPTIONS
from model_export.spec import SSRU, Checkpoint, RMSNorm, Transformer
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair, Place
from tests.conftest import DATA
from tests.model_export.test_refusals import problems as problems_of

PAIR = (LanguagePair(source="fr", target="en"),)
Copy = Callable[[str], Path]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Copies a checkpoint, to be broken."""

    def copied(name: str) -> Path:
        return Path(shutil.copytree(DATA / "families" / f"marian-{name}", tmp_path / "checkpoint"))

    return copied


def problems(source: Path) -> list[str]:
    """Why it is refused; nothing is left of the attempt."""
    return problems_of(source, PAIR)


def network_of(source: Path) -> Transformer:
    network = sources.load(source, PAIR).network
    assert isinstance(network, Transformer)
    return network


def arrays_of(source: Path) -> dict[str, Any]:
    with np.load(source / "model.npz") as file:
        return dict(file)


def write(source: Path, arrays: dict[str, Any]) -> None:
    np.savez(source / "model.npz", **arrays)


def set_options(source: Path, text: str) -> None:
    arrays = arrays_of(source)
    arrays[MODEL_OPTIONS] = np.frombuffer(text.encode() + b"\0", np.int8)
    write(source, arrays)


def change(source: Path, **changes: Any) -> None:
    """Set options of special:model.yml; None takes one away. _ stands for -."""
    options = yaml.safe_load(arrays_of(source)[MODEL_OPTIONS].tobytes().rstrip(b"\0"))
    options |= {name.replace("_", "-"): value for name, value in changes.items()}
    set_options(source, yaml.safe_dump({k: v for k, v in options.items() if v is not None}))


@pytest.mark.parametrize(
    ("option", "value", "supported"),
    [
        ("type", "s2s", "'transformer'"),
        ("transformer-ffn-activation", "mish", "'swish', 'relu', 'gelu'"),
        ("transformer-decoder-autoreg", "average-attention", "'self-attention', 'rnn'"),
        ("transformer-no-projection", True, "False"),
        ("transformer-pool", True, "False"),
        ("transformer-attention-mask", "alibi", "'default'"),
        ("transformer-no-affine", True, "False"),
        ("transformer-no-bias", True, "False"),
        ("transformer-ffn-depth", 3, "2"),
        ("transformer-decoder-ffn-depth", 1, "0, 2"),
        ("transformer-postprocess-top", "a", "'', 'n', 'r'"),
        ("transformer-postprocess-emb", "h", "'', 'n', 'r'"),
        ("transformer-guided-alignment-layer", "3", "'last', or a layer from 1 to 2"),
        ("input-types", ["sequence", "alignment"], "[], ['sequence', 'sequence']"),
        ("lemma-dim-emb", 16, "0"),
        ("lemma-dependency", "re-embedding", "''"),
        ("factors-combine", "concat", "'sum'"),
        ("factors-dim-emb", 8, "0"),
        ("right-left", True, "False"),
        ("transformer-train-positions", True, "False"),
        ("transformer-train-position-embeddings", True, "False"),
        ("ulr", True, "False"),
        ("special-vocab", [3], "[]"),
    ],
)
def test_options_that_change_the_computation_are_refused_by_their_names(
    copy: Copy, option: str, value: object, supported: str
) -> None:
    source = copy("opus")
    change(source, **{option: value})
    (found,) = problems(source)
    assert found.startswith(f"{MODEL_OPTIONS}: {option} is {value!r}")
    assert found.endswith(f"upported: {supported}.")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"transformer-preprocess": "n"}, "transformer-preprocess is 'n' and transformer-post"),
        ({"transformer-postprocess": "dhn"}, "transformer-postprocess 'hn' without dropout"),
        ({"transformer-heads": 3}, "dim-emb 16 is not a multiple of transformer-heads 3"),
        ({"enc-depth": 0}, "enc-depth must be a positive whole number, not 0"),
        ({"dim-vocabs": [163]}, "dim-vocabs must be the sizes of two vocabularies, not [163]"),
        ({"dim-vocabs": [163, 163, 163]}, "dim-vocabs must be the sizes of two vocabularies"),
        ({"transformer-tied-layers": [1, 5]}, "transformer-tied-layers [1, 5] does not name a"),
        ({"transformer-tied-layers": [[1], 2]}, "transformer-tied-layers [[1], 2] does not name"),
        ({"transformer-decoder-autoreg": "rnn"}, "dec-cell is 'gru'; supported: 'ssru'"),
        ({"tied-embeddings-all": "yes"}, "tied-embeddings-all must be true or false, not 'yes'"),
        ({"transformer-rotary": 64}, "transformer-rotary 64 is not known, and may change what"),
        ({"type": None}, "type is None; supported: 'transformer'"),
    ],
)
def test_other_faults_of_the_options(copy: Copy, changes: dict[str, Any], problem: str) -> None:
    source = copy("opus")
    change(source, **changes)
    (found,) = problems(source)
    assert problem in found


def test_layer_norm_inside_of_ssrus_is_refused(copy: Copy) -> None:
    source = copy("student")
    change(source, layer_normalization=True)
    (found,) = problems(source)
    assert "layer-normalization is True; supported in decoders of SSRUs: False" in found


def test_all_that_is_wrong_is_said_at_once(copy: Copy) -> None:
    source = copy("opus")
    change(source, transformer_pool=True, right_left=True, enc_depth=-1)
    assert len(problems(source)) == 3


@pytest.mark.parametrize("name", ["opus", "student"])
def test_options_that_change_nothing_are_taken(copy: Copy, name: str) -> None:
    source = copy(name)
    before = network_of(source)
    change(
        source,
        transformer_depth_scaling=True,
        transformer_dim_aan=64,
        transformer_aan_nogate=True,
        dim_rnn=7,
        never_heard_of=False,
        version="v1.7.2",
    )
    after = network_of(source)
    assert after.norm_first == before.norm_first
    np.testing.assert_array_equal(after.projection.weight, before.projection.weight)


def test_options_may_be_those_of_an_older_version(copy: Copy) -> None:
    """Newer ones have the values by which Marian came without them."""
    source = copy("opus")
    change(
        source,
        factors_combine=None,
        lemma_dim_emb=None,
        output_omit_bias=None,
        transformer_attention_mask=None,
        transformer_decoder_dim_ffn=None,
        transformer_postprocess_top=None,
        transformer_pool=None,
        transformer_train_positions=False,
        transformer_train_position_embeddings=None,
        input_types=None,
    )
    assert len(network_of(source).decoder) == 2


def test_tied_layers_are_the_same_arrays() -> None:
    first, second, third = network_of(DATA / "families" / "marian-untied").decoder
    assert isinstance(first.self_attention, SSRU)
    assert isinstance(second.self_attention, SSRU)
    assert isinstance(third.self_attention, SSRU)
    assert first.self_attention.forget.weight is second.self_attention.forget.weight
    assert first.self_attention.forget.weight is not third.self_attention.forget.weight
    assert isinstance(first.cross_attention_norm, RMSNorm)


def test_the_layer_of_the_guided_alignment_is_shown() -> None:
    assert network_of(DATA / "families" / "marian-student").alignment_layer == 0
    assert network_of(DATA / "families" / "marian-opus").alignment_layer == 1


def test_no_position_embeddings_means_no_scale_either(copy: Copy) -> None:
    source = copy("opus")
    change(source, transformer_disable_position_embeddings=True)
    embedding = network_of(source).source_embedding
    assert (embedding.positions, embedding.scale) == (None, 1.0)


@pytest.mark.parametrize(
    ("version", "activation"),
    [
        ("v1.9.0 ba94c5b9 2020-05-17", "gelu_sigmoid"),
        ("v1.12.2 65bf82f 2023-02-28", "gelu_sigmoid"),
        ("v1.12.3 d225c24d 2023-03-01", "gelu"),
        (None, "gelu"),
    ],
)
def test_gelu_is_what_the_version_computed(
    copy: Copy, version: str | None, activation: str
) -> None:
    source = copy("opus")
    change(source, version=version, transformer_ffn_activation="gelu")
    assert network_of(source).encoder[0].feed_forward.activation == activation


def test_tensors_of_a_wrong_shape_are_named(copy: Copy) -> None:
    source = copy("student")
    arrays = arrays_of(source)
    arrays["decoder_l1_rnn_Wf"] = np.zeros((16, 4), np.float32)
    arrays["encoder_l2_ffn_b1"] = np.full((1, 24), np.nan, np.float32)
    arrays["decoder_l2_rnn_W"] = arrays["decoder_l2_rnn_W"].astype(np.int8)
    arrays["decoder_l9_self_Wq"] = np.zeros((16, 16), np.float32)
    del arrays["decoder_ff_logit_out_b"]
    write(source, arrays)
    assert sorted(problems(source)) == [
        "decoder_ff_logit_out_b is missing.",
        f"decoder_l1_rnn_Wf has shape [16, 4]; {MODEL_OPTIONS} says [16, 16].",
        "decoder_l2_rnn_W has type int8; supported: F32, F16, BF16, F64.",
        "decoder_l9_self_Wq is not part of the architecture.",
        "encoder_l2_ffn_b1 holds values that are not finite.",
    ]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file(copy: Copy, share: float) -> None:
    source = copy("opus")
    file = source / "model.npz"
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    (found,) = problems(source)
    assert found.startswith("model.npz cannot be read: ")


def test_a_damaged_file(copy: Copy) -> None:
    source = copy("opus")
    file = source / "model.npz"
    content = bytearray(file.read_bytes())
    content[content.index(arrays_of(source)["Wemb"].tobytes()[:64])] ^= 1
    file.write_bytes(content)
    (found,) = problems(source)
    assert "the checksum of " in found


def test_a_header_that_lies(copy: Copy) -> None:
    source = copy("opus")
    with zipfile.ZipFile(source / "model.npz", "a") as archive:
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"
        length = len(header).to_bytes(2, "little")
        archive.writestr("Wpos.npy", b"\x93NUMPY\x01\x00" + length + header)
    (found,) = problems(source)
    assert "Wpos.npy does not hold what its header says" in found


class Code:
    """What a hostile pickle would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("/tmp/seq2serve-npz-was-here").touch, ())


@pytest.mark.parametrize("name", ["Wpos", MODEL_OPTIONS])
def test_pickled_objects_are_never_run(copy: Copy, name: str) -> None:
    source = copy("opus")
    write(source, arrays_of(source) | {name: np.array([Code()], object)})
    (found,) = problems(source)
    assert f"{name}.npy holds Python objects, which are not unpickled" in found
    assert not Path("/tmp/seq2serve-npz-was-here").exists()


TAG = '!!python/object/apply:os.system ["touch /tmp/seq2serve-yaml-was-here"]'


def test_yaml_with_tags_of_python_is_refused(copy: Copy) -> None:
    source = copy("opus")
    set_options(source, f"type: {TAG}\n")
    (found,) = problems(source)
    assert found.startswith(f"{MODEL_OPTIONS} is not plain YAML: could not determine a constructor")
    assert not Path("/tmp/seq2serve-yaml-was-here").exists()


@pytest.mark.parametrize("file", ["decoder.yml", "opus.vocab.yml"])
def test_files_with_tags_of_python_are_refused(copy: Copy, file: str) -> None:
    source = copy("opus")
    with (source / file).open("a") as text:
        text.write(f"more: {TAG}\n")
    (found,) = problems(source)
    assert found.startswith(f"{file} is not plain YAML: ")
    assert not Path("/tmp/seq2serve-yaml-was-here").exists()


@pytest.mark.parametrize("text", ["- a list", "{", "[" * 5000, "\tx: 1"])
def test_options_that_are_no_mapping(copy: Copy, text: str) -> None:
    source = copy("opus")
    set_options(source, text)
    (found,) = problems(source)
    assert found.startswith(f"{MODEL_OPTIONS} is not ")


def test_a_file_without_options(copy: Copy) -> None:
    source = copy("opus")
    arrays = arrays_of(source)
    del arrays[MODEL_OPTIONS]
    write(source, arrays)
    assert problems(source) == [
        f"model.npz has no {MODEL_OPTIONS}: Marian did not write it as a model."
    ]


def test_languages_have_to_be_given() -> None:
    with pytest.raises(UnsupportedCheckpoint, match="give --pair fr-en"):
        sources.load(DATA / "families" / "marian-opus")


@pytest.mark.parametrize("name", ["model.intgemm.alphas.bin", "model.bin.gz"])
def test_binaries_are_refused_with_what_to_give_instead(copy: Copy, name: str) -> None:
    source = copy("student")
    (source / "model.npz").rename(source / name)
    (found,) = problems(source)
    assert found.startswith(f"{name} is a binary for Marian's own kernels")
    assert found.endswith("give the .npz that it was made from.")


def test_a_decoder_yml_may_name_a_binary(copy: Copy) -> None:
    source = copy("opus")
    names = {"models": ["model.bin"], "vocabs": ["opus.vocab.yml"] * 2}
    (source / "decoder.yml").write_text(yaml.safe_dump(names))
    assert "give the .npz" in problems(source)[0]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"models": ["a.npz", "b.npz"]}, "a.npz, b.npz are several models; decoder.yml must name"),
        ({"models": ["gone.npz"]}, "gone.npz is missing."),
        ({"vocabs": ["opus.vocab.yml"]}, "decoder.yml names 1 vocabularies; supported: 2"),
        ({"vocabs": ["gone.spm"] * 2}, "gone.spm is missing."),
        ({"models": 3}, "decoder.yml: models must be a list of file names."),
    ],
)
def test_what_decoder_yml_says_wrongly(copy: Copy, said: dict[str, Any], problem: str) -> None:
    source = copy("opus")
    names = {"models": ["model.npz"], "vocabs": ["opus.vocab.yml"] * 2}
    (source / "decoder.yml").write_text(yaml.safe_dump(names | said))
    (found,) = problems(source)
    assert problem in found


def test_paths_of_where_a_model_was_trained_do_not_matter(copy: Copy) -> None:
    source = copy("opus")
    vocabulary = "/home/marian/opus.vocab.yml"
    names = {"models": ["../runs/model.npz"], "vocabs": [vocabulary, vocabulary]}
    (source / "decoder.yml").write_text(yaml.safe_dump(names))
    assert set(sources.load(source, PAIR).files) == {
        *("decoder.yml", "model.npz", "opus.vocab.yml", "source.spm", "target.spm")
    }


def test_optimiser_files_are_no_models(copy: Copy) -> None:
    source = copy("student")
    shutil.copyfile(source / "model.npz", source / "model.npz.optimizer.npz")
    assert set(sources.load(source, PAIR).files) == {"model.npz", "vocab.spm"}


def test_several_models_and_nothing_that_names_one(copy: Copy) -> None:
    source = copy("student")
    shutil.copyfile(source / "model.npz", source / "model.best-chrf.npz")
    assert "model.best-chrf.npz, model.npz are several models" in problems(source)[0]


@pytest.mark.parametrize(("first", "second"), [("srcvocab.spm", "trgvocab.spm")])
def test_vocabularies_for_each_language_by_their_names(copy: Copy, first: str, second: str) -> None:
    source = copy("pre-norm")
    (source / "model.npz.decoder.yml").unlink()
    assert "Which vocabulary is used is not clear" in problems(source)[0]
    (source / "vocab.fr.spm").rename(source / first)
    (source / "vocab.en.spm").rename(source / second)
    checkpoint = sources.load(source, PAIR)
    assert checkpoint.source_tokenizer.get_vocab_size() == checkpoint.network.source_vocabulary


def test_a_vocabulary_of_another_size(copy: Copy) -> None:
    source = copy("pre-norm")
    shutil.copyfile(source / "vocab.en.spm", source / "vocab.fr.spm")
    (found,) = problems(source)
    assert "vocab.fr.spm has " in found
    assert f"tokens; {MODEL_OPTIONS} says " in found


@pytest.mark.parametrize("text", ["a: 0\nb: 0\n", "a: 0\nb: 2\n", "a: x\n", "a: [1]\n"])
def test_a_list_that_is_no_vocabulary(copy: Copy, text: str) -> None:
    source = copy("opus")
    (source / "opus.vocab.yml").write_text(text)
    assert problems(source) == [
        "opus.vocab.yml is not a list of tokens with the ids 0, 1, 2, … each once."
    ]


def rewrite_tokens(source: Path, rename: Callable[[str], str]) -> list[str]:
    """Give tokens of the list other names; returns them by id."""
    ids = yaml.load((source / "opus.vocab.yml").read_text(), yaml.BaseLoader)
    tokens = [rename(token) for token in sorted(ids, key=lambda token: int(ids[token]))]
    lines = (f"{json.dumps(token)}: {number}\n" for number, token in enumerate(tokens))
    (source / "opus.vocab.yml").write_text("".join(lines))
    return tokens


def test_a_list_without_an_end(copy: Copy) -> None:
    source = copy("opus")
    rewrite_tokens(source, lambda token: token.replace("</s>", "eos").replace("<unk>", "UNK"))
    assert problems(source) == ["opus.vocab.yml has no </s>.", "opus.vocab.yml has no <unk>."]


def test_tokens_that_yaml_would_take_for_other_things(copy: Copy) -> None:
    """Unquoted, as yaml-cpp writes them."""
    source = copy("opus")
    odd = ["no", "~", "1.0", "<<", "null", "0x10", "2001-01-01", "="]
    replaced = iter(odd)
    tokens = rewrite_tokens(
        source, lambda token: token if token in ("</s>", "<unk>") else next(replaced, token)
    )
    written = (token if token in odd else json.dumps(token) for token in tokens)
    lines = (f"{token}: {number}\n" for number, token in enumerate(written))
    (source / "opus.vocab.yml").write_text("".join(lines))
    vocabulary = sources.load(source, PAIR).target_tokenizer.get_vocab()
    assert [vocabulary.get(t, vocabulary.get(f" {t}")) for t in odd] == list(range(2, 10))


def test_a_list_with_one_token_a_line(copy: Copy) -> None:
    source = copy("opus")
    ids = sources.load(source, PAIR).source_tokenizer.get_vocab()
    tokens = rewrite_tokens(source, str)
    (source / "opus.vocab").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    names = {"models": ["model.npz"], "vocabs": ["opus.vocab"] * 2}
    (source / "decoder.yml").write_text(yaml.safe_dump(names))
    assert sources.load(source, PAIR).source_tokenizer.get_vocab() == ids


def test_a_list_without_what_splits_text(copy: Copy) -> None:
    source = copy("opus")
    (source / "source.spm").unlink()
    (found,) = problems(source)
    assert found.startswith("source.spm is missing: opus.vocab.yml does not say how text is split")


def test_subword_nmt_is_refused_with_the_reason(copy: Copy) -> None:
    source = copy("opus")
    rewrite_tokens(source, lambda token: token if token[0] in "<▁" else f"{token}@@")
    (source / "source.spm").rename(source / "source.bpe")
    (found,) = problems(source)
    assert "opus.vocab.yml has tokens of subword-nmt's BPE, such as" in found
    assert "only vocabularies of SentencePiece are supported" in found


@pytest.fixture
def many_languages(copy: Copy) -> Path:
    """A model whose source begins with a token of the target language."""
    source = copy("opus")
    marks = iter([">>fra<<", ">>deu<<", ">>zho_Hant<<"])
    rewrite_tokens(
        source, lambda token: token if token in ("</s>", "<unk>") else next(marks, token)
    )
    return source


def test_the_source_is_given_the_target_language(many_languages: Path, tmp_path: Path) -> None:
    pairs = tuple(LanguagePair(source="en", target=target) for target in ("fr", "de"))
    destination = tmp_path / "model"
    options = pipeline.ExportOptions(name="x", pairs=pairs, variants=["fp32"])
    pipeline.convert(many_languages, destination, options, lambda stage: None)
    manifest = ModelDirectory.open(destination).manifest
    before: list[Place] = ["target"]
    assert manifest.conditioning.before == before
    assert {code: one.token for code, one in manifest.languages.items()} == {"fr": 2, "de": 3}


def test_a_target_language_that_the_model_lacks(many_languages: Path) -> None:
    assert problems(many_languages) == ["opus.vocab.yml has no token for en; it has: de, fr, zh."]


def test_symbols_that_are_kept_whole_are_text_in_a_text() -> None:
    tokenizer = loaded("student").source_tokenizer
    symbol = tokenizer.token_to_id(" __source__")
    assert symbol is not None
    assert symbol not in tokenizer.encode("Tom __source__ ici").ids


def test_both_sides_share_a_tokenizer_where_the_files_are_the_same() -> None:
    student, opus = loaded("student"), loaded("opus")
    assert student.source_tokenizer is student.target_tokenizer
    assert opus.source_tokenizer is not opus.target_tokenizer


def test_the_start_has_a_zero_embedding_and_is_never_generated() -> None:
    for name in ("opus", "student", "pre-norm", "untied"):
        checkpoint = loaded(name)
        network = checkpoint.network
        assert isinstance(network, Transformer)
        start = checkpoint.tokens.start
        assert not network.target_embedding.table[start].any()
        assert network.projection.bias.size == start == checkpoint.limits.target_vocabulary


def loaded(name: str) -> Checkpoint:
    return sources.load(DATA / "families" / f"marian-{name}", PAIR)


@pytest.mark.parametrize("name", ["opus", "student", "pre-norm", "untied"])
def test_every_variant_passes_its_checks(name: str, tmp_path: Path) -> None:
    options = pipeline.ExportOptions(name="x", pairs=PAIR, variants=list(graph.VARIANTS))
    source = DATA / "families" / f"marian-{name}"
    manifest = pipeline.convert(source, tmp_path / "model", options, lambda stage: None)
    differences = {
        variant: parity.max_log_prob_difference for variant, parity in manifest.parity.items()
    }
    assert max(differences["fp32"], differences["fp32-cuda"]) < 1e-4
    assert 1e-5 < differences["fp16"] < 0.1
    assert manifest.parity["fp32-cuda"].same_tokens == 1
