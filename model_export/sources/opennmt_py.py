"""Transformers of OpenNMT-py.

    model_step_N.pt      (torch.save of model, generator, vocab, opt and optim)
    model_step_N.safetensors   beside it, if the weights were saved apart

What was trained is in opt, an argparse.Namespace with all options of the command line. The
vocabularies are lists of subwords; text is split by a SentencePiece model that the command line
names, or at spaces (see model_export.subwords). As for the toolkit, the encoder is given the
sentence alone, and the decoder begins with <s>.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model_export import pickled
from model_export.errors import UnsupportedCheckpoint
from model_export.huggingface.config import Config
from model_export.opennmt.layers import (
    OPENNMT_PY,
    OpenNmtWeights,
    Shape,
    Side,
    limits,
    stored_positions,
)
from model_export.opennmt.transforms import transform_problems
from model_export.spec import Activation, Array, Checkpoint
from model_export.subwords import Special, SubwordText, vocabulary_of
from model_export.tensors import Stored, Tensors
from model_export.vocabulary_files import TEXT, TextOptions
from service.package.directory import sha256_of
from service.package.manifest import LanguagePair, Tokens

KIND = "opennmt-py"
PARTS = {"opt", "vocab", "optim"}
ACTIVATIONS: Mapping[str, tuple[Activation, bool]] = {
    "relu": ("relu", False),
    "gelu": ("gelu", False),
    "silu": ("swish", True),
    "gated-gelu": ("gelu", True),
}
"""By name: the function, and whether there is a gate."""
POSITIONS = {"SinusoidalInterleaved": False, "SinusoidalConcat": True}
"""Whether all sines come before all cosines."""
PADDINGS = ("<blank>", "<pad>")


def recognises(path: Path) -> bool:
    """Whether it is a file of torch.save with OpenNMT-py's parts in it."""
    return path.is_file() and path.suffix == ".pt" and pickled.texts(path) >= PARTS


def load(path: Path, pairs: tuple[LanguagePair, ...], told: TextOptions) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it translates, which the checkpoint does not say.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    content = pickled.parts(path, [Namespace])
    options, lists = _parts(path, content)
    config = Config(options, "opt")
    text = _text(lists, told)
    shape = _shape(config, text)
    _check(config, lists)
    problems = config.problems + text.problems()
    problems += transform_problems(options, with_template=told.source_template is not None)
    if not pairs:
        problems.append("The languages are not in the checkpoint; give --pair fr-en.")
    if problems:
        raise UnsupportedCheckpoint(problems)
    tensors, weights = _tensors(path, content)
    network = OpenNmtWeights(shape, OPENNMT_PY, tensors).network(_positions(config, tensors, shape))
    tensors.finish(())
    source, target = text.tokenizers()
    ids = text.target.tokens.index
    return Checkpoint(
        kind=KIND,
        family="opennmt",
        network=network,
        source_tokenizer=source,
        target_tokenizer=target,
        pairs=pairs,
        tokens=Tokens(
            start=ids(text.special.start),
            end=ids("</s>"),
            unknown=ids("<unk>"),
            padding=text.padding,
        ),
        limits=limits(network),
        files={one.name: sha256_of(one) for one in (path, *weights, *text.files)},
        release=tensors.release,
    )


def _parts(path: Path, content: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Options and vocabularies."""
    options, lists = (content.get(name) for name in ("opt", "vocab"))
    if not isinstance(options, Namespace):
        raise UnsupportedCheckpoint([f"{path.name} holds no options: opt is {type(options)}."])
    if not isinstance(lists, Mapping) or not {"src", "tgt"} <= lists.keys():
        raise UnsupportedCheckpoint(
            [
                f"{path.name} has no lists of tokens in vocab; checkpoints of OpenNMT-py before "
                "version 3 must be converted by its own tools/convertv2_v3.py first."
            ]
        )
    return vars(options), lists


def _text(lists: Mapping[str, Any], told: TextOptions) -> SubwordText:
    source, target = (vocabulary_of(f"vocab {side}", lists[side]) for side in ("src", "tgt"))
    start = lists.get("decoder_start_token") or "<s>"
    padding = source.one_of(PADDINGS) or PADDINGS[0]
    return SubwordText(source, target, Special(start, "</s>", "<unk>", padding), TEXT, told, KIND)


def _shape(config: Config, text: SubwordText) -> Shape:
    """Faults are noted in the config."""
    widths = [
        _general(config, name, "hidden_size", "rnn_size")
        for name in ("enc_hid_size", "dec_hid_size")
    ]
    words = [_general(config, f"{side}_word_vec_size", "word_vec_size") for side in ("src", "tgt")]
    if len({*widths, *words}) > 1:
        sizes = ", ".join(map(str, (*words, *widths)))
        config.problems.append(f"opt: embeddings and layers have different widths: {sizes}.")
    encoder, decoder = (_general(config, name, "layers") for name in ("enc_layers", "dec_layers"))
    side = _side(config, widths[0], encoder)
    return Shape(
        width=widths[0],
        vocabularies=(len(text.source.tokens), len(text.target.tokens)),
        sides=(side, replace(side, layers=decoder)),
        scale=float(np.sqrt(widths[0])) if config.flag("position_encoding", False) else 1.0,
    )


def _general(config: Config, name: str, *general: str) -> int:
    """A size, which one for both sides overrides."""
    for one in general:
        if isinstance(value := config.get(one), int) and value > 0:
            return value
    return config.size(name)


def _side(config: Config, width: int, layers: int) -> Side:
    heads = config.size("heads")
    if width % heads:
        config.problems.append(f"opt: the width {width} is not a multiple of heads {heads}.")
    key_heads = config.get("num_kv") or (1 if config.get("multiquery") else heads)
    if heads % key_heads:
        config.problems.append(f"opt: heads {heads} is not a multiple of num_kv {key_heads}.")
    activation, gated = config.choice("pos_ffn_activation_fn", ACTIVATIONS, "relu")
    bias = config.get("add_qkvbias")
    return Side(
        layers=layers,
        heads=heads,
        key_heads=key_heads,
        head_width=width // heads,
        inner=config.size("transformer_ff"),
        activation=activation,
        gated=gated,
        rms=config.choice("layer_norm", {"standard": False, "rms": True}, "standard"),
        epsilon=config.number("norm_eps", 1e-6),
        attention_bias=bias,
        key_bias=bias,
        output_bias=bias,
        feed_forward_bias=config.get("add_ffnbias"),
    )


def _check(config: Config, lists: Mapping[str, Any]) -> None:
    """Note options that change what is computed to what is not supported."""
    config.require("model_task", "seq2seq")
    config.require("model_type", "text")
    config.require("encoder_type", "transformer")
    config.require("decoder_type", "transformer")
    config.require("self_attn_type", "scaled-dot", "scaled-dot-flash")
    config.require("max_relative_positions", 0)
    config.require("relative_positions_buckets", 0)
    config.choice("position_encoding_type", POSITIONS, "SinusoidalInterleaved")
    config.require("generator_function", "softmax", "log_softmax")
    for name in ("sliding_window", "num_experts", "n_src_feats"):
        config.require(name, 0)
    for name in ("copy_attn", "parallel_residual", "aan_useffn", "lora_embedding"):
        config.require(name, False)
    for name in ("lora_layers", "quant_layers"):
        config.require(name, [])
    if lists.get("src_feats"):
        config.problems.append("vocab has src_feats: features beside words are not supported.")


def _tensors(path: Path, content: Mapping[str, Any]) -> tuple[Tensors, list[Path]]:
    """And the files that they are in, besides the checkpoint."""
    if "model" not in content:
        beside = path.with_suffix(".safetensors")
        if not beside.is_file():
            raise UnsupportedCheckpoint(
                [f"{path.name} holds no weights, and {beside.name} is not beside it."]
            )
        return Tensors.of_files([beside], "opt"), [beside]
    stored: dict[str, Stored] = {}
    for part, prefix in (("model", ""), ("generator", "generator.")):
        found = pickled.named_tensors(content.get(part))
        if found is None:
            raise UnsupportedCheckpoint([f"{path.name}: {part} holds no named tensors."])
        # Long ago the generator was a sequence of a Linear and a softmax.
        stored |= {f"{prefix}{name.removeprefix('0.')}": one for name, one in found.items()}
    return Tensors(stored, described_by="opt"), []


def _positions(config: Config, tensors: Tensors, shape: Shape) -> tuple[Array | None, Array | None]:
    """As they were stored, which is as they were computed with."""
    if not config.get("position_encoding"):
        return None, None
    concatenated = config.choice("position_encoding_type", POSITIONS, "SinusoidalInterleaved")
    source, target = (
        stored_positions(tensors, name, shape.width, concatenated=concatenated)
        for name in OPENNMT_PY.positions
    )
    return source, target
