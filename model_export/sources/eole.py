"""Transformers of Eole, OpenNMT-py's successor.

    config.json  model.00.safetensors  model.01.safetensors …  vocab.json

Text is split by the SentencePiece model that Eole copies beside them, or that the command line
names, or at spaces (see model_export.subwords). As for the toolkit, the encoder is given the
sentence alone, and the decoder begins with decoder_start_token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model_export.errors import UnsupportedCheckpoint
from model_export.huggingface.config import CONFIG, Config, read_json
from model_export.opennmt.layers import (
    EOLE,
    OpenNmtWeights,
    Shape,
    Side,
    limits,
    stored_positions,
)
from model_export.opennmt.transforms import transform_problems
from model_export.spec import Activation, Array, Checkpoint
from model_export.subwords import Special, SubwordText, vocabulary_of
from model_export.tensors import Tensors
from model_export.vocabulary_files import TEXT, TextOptions
from service.package.directory import sha256_of
from service.package.manifest import LanguagePair, Tokens

KIND = "eole"
VOCABULARY = "vocab.json"
WEIGHTS = "model*.safetensors"
ACTIVATIONS: Mapping[str, tuple[Activation, bool]] = {
    "relu": ("relu", False),
    "gelu": ("gelu", False),
    "gelu-tanh": ("gelu_tanh", False),
    "silu": ("swish", False),
    "gated-gelu": ("gelu", True),
    "gated-gelu-tanh": ("gelu_tanh", True),
    "gated-silu": ("swish", True),
}
"""By name: the function, and whether there is a gate."""
POSITIONS = {
    None: "",
    "SinusoidalInterleaved": "interleaved",
    "SinusoidalConcat": "concatenated",
    "Learned": "learned",
}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<blank>"}
"""Where vocab.json does not say them."""
WHOLE = """
    architecture decoder embeddings encoder eole_version huggingface_model input_feed left_pad
    share_decoder_embeddings share_embeddings word_vec_size src_word_vec_size tgt_word_vec_size
    position_encoding position_encoding_type n_positions generator_bias generator_function
    add_estimator estimator_type adapter_bias projector_activation_fn spatial_merge_size
"""
"""Fields of the whole model. Among them may stand those of one side, for both."""
HARMLESS = """
    alignment_heads alignment_layer context_gate coverage_attn decoder_type dim_per_head
    encoder_type first_k_dense_replace full_context_alignment global_attention
    global_attention_function interpolate_mode lambda_align lambda_coverage linear_conv_kernel_dim
    linear_key_head_dim linear_num_key_heads linear_num_value_heads linear_value_head_dim LM_type
    add_final_linear_bias max_position_embeddings moe_transformer_ff mtp_lambda num_experts_per_tok
    rope_config with_cross_attn
"""
"""Fields of a side that do not change what a supported network computes."""
NORMS = {"standard": False, "standardFP32": False, "rms": True}
"""Whether they are RMS norms."""


def recognises(path: Path) -> bool:
    """Whether config.json is Eole's."""
    try:
        content = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    model = content.get("model") if isinstance(content, dict) else None
    return isinstance(model, dict) and (path / VOCABULARY).is_file()


def load(path: Path, pairs: tuple[LanguagePair, ...], told: TextOptions) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it translates, which the checkpoint does not say.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    options = read_json(path / CONFIG)
    text = _text(path, options, told)
    shape, kind, problems = _network(options["model"], text)
    problems += text.problems()
    problems += transform_problems(options, with_template=told.source_template is not None)
    weights = sorted(path.glob(WEIGHTS))
    if not weights:
        problems.append(f"{WEIGHTS} is missing.")
    if not pairs:
        problems.append("The languages are not in the checkpoint; give --pair fr-en.")
    if problems:
        raise UnsupportedCheckpoint(problems)
    tensors = Tensors.of_files(weights)
    positions = _positions(options["model"], kind, tensors, shape)
    network = OpenNmtWeights(shape, EOLE, tensors).network(positions)
    _require_no_scaling(tensors, shape)
    tensors.finish(())
    source, target = text.tokenizers()
    ids, special = text.target.tokens.index, text.special
    files = (path / CONFIG, path / VOCABULARY, *weights, *text.files)
    return Checkpoint(
        kind=KIND,
        family="opennmt",
        network=network,
        source_tokenizer=source,
        target_tokenizer=target,
        pairs=pairs,
        tokens=Tokens(
            start=ids(special.start),
            end=ids(special.end),
            unknown=ids(special.unknown),
            padding=text.padding,
        ),
        limits=limits(network),
        files={one.name: sha256_of(one) for one in files},
        release=tensors.release,
    )


def _text(path: Path, options: Mapping[str, Any], told: TextOptions) -> SubwordText:
    lists = read_json(path / VOCABULARY)
    source, target = (
        vocabulary_of(f"{VOCABULARY}: {side}", lists.get(side)) for side in ("src", "tgt")
    )
    said = lists.get("specials")
    names = SPECIAL | (said if isinstance(said, dict) else {})
    special = Special(
        start=lists.get("decoder_start_token") or SPECIAL["bos_token"],
        end=names["eos_token"],
        unknown=names["unk_token"],
        padding=names["pad_token"],
    )
    return SubwordText(source, target, special, TEXT, _with_models(path, options, told), KIND)


def _with_models(path: Path, options: Mapping[str, Any], told: TextOptions) -> TextOptions:
    """Name the SentencePiece models that stand in the directory, if the command line names none."""
    if told.source_vocabulary is not None or told.target_vocabulary is not None:
        return told
    configs = options.get("transforms_configs") or {}
    said = configs.get("sentencepiece") or {}
    source, target = (
        path / Path(str(said.get(f"{side}_subword_model") or "")).name for side in ("src", "tgt")
    )
    return replace(
        told,
        source_vocabulary=source if source.is_file() else None,
        target_vocabulary=target if target.is_file() else None,
    )


def _network(model: Mapping[str, Any], text: SubwordText) -> tuple[Shape, str, list[str]]:
    """And the kind of its positions, and what is wrong."""
    whole = Config(model, f"{CONFIG}: model")
    whole.require("generator_function", "softmax")
    for name in ("add_estimator", "left_pad"):
        whole.require(name, False)
    embeddings = Config(_part(model, "embeddings"), f"{CONFIG}: model.embeddings", ())
    kind, scale, widths = _embeddings(embeddings)
    sides = [_side(model, side) for side in ("encoder", "decoder")]
    problems = whole.problems + embeddings.problems
    for _, side_width, found in sides:
        problems += [one for one in found if one not in problems]
        widths.add(side_width)
    if len(widths) > 1:
        sizes = ", ".join(map(str, sorted(widths)))
        problems.append(f"{CONFIG}: embeddings and layers have different widths: {sizes}.")
    width = max(widths)
    shape = Shape(
        width=width,
        vocabularies=(len(text.source.tokens), len(text.target.tokens)),
        sides=(sides[0][0], sides[1][0]),
        scale=float(np.sqrt(width)) if scale else 1.0,
        shared=whole.get("share_embeddings") is True,
        tied=whole.get("share_decoder_embeddings") is True,
        output_bias=whole.flag("generator_bias", True),
    )
    return shape, kind, problems


def _embeddings(config: Config) -> tuple[str, bool, set[int]]:
    """The kind of positions, whether tables are scaled, and how wide they are."""
    config.require("embedding_type", "standard")
    config.require("embedding_layer_norm", False)
    for name in ("freeze_word_vecs_enc", "freeze_word_vecs_dec", "position_encoding"):
        config.get(name)
    for name in ("n_positions", "position_shift", "token_type_vocab_size"):
        config.get(name)
    kind = "interleaved"
    if config.has("position_encoding_type"):
        said = config.get("position_encoding_type")
        kind = POSITIONS.get(said, "")
        if said not in POSITIONS:
            config.require("position_encoding_type", *(one for one in POSITIONS if one))
    widths = {
        config.size(name if config.has(name) else "word_vec_size")
        for name in ("src_word_vec_size", "tgt_word_vec_size")
    }
    config.get("word_vec_size")
    scale = config.flag("normalize", False) or kind in ("interleaved", "concatenated")
    config.check_unknown()
    return kind, scale, widths


def _side(model: Mapping[str, Any], name: str) -> tuple[Side, int, list[str]]:
    """The encoder or the decoder, its width, and what is wrong with it."""
    own = {key: value for key, value in model.items() if key not in WHOLE.split()}
    part, harmless = _part(model, name), (WHOLE + HARMLESS).split()
    config = Config(own | part, f"{CONFIG}: model.{name}", harmless)
    config.require(f"{name}_type", "transformer")
    config.require("encoder_layer_style", "standard")
    config.require("final_encoder_layer_norm", True)
    config.require("attn_scaling", None)
    config.require("layer_types", None)
    config.require("relative_positions_buckets", 0)
    for field in ("sliding_window", "num_experts", "num_shared_experts", "num_mtp_heads"):
        config.require(field, 0)
    for field in ("parallel_residual", "ffn_layernorm", "query_norm", "key_norm", "value_norm"):
        config.require(field, False)
    width, heads = config.size("hidden_size"), config.size("heads")
    if config.get("head_dim") is None:
        config.divides("hidden_size", "heads")
    key_heads = config.size("heads_kv") if config.get("heads_kv") else heads
    if heads % key_heads:
        config.divides("heads", "heads_kv")
    activation, gated = config.choice("mlp_activation_fn", ACTIVATIONS, "relu")
    bias = config.flag("add_qkvbias", False)
    side = Side(
        layers=config.size("layers"),
        heads=heads,
        key_heads=key_heads,
        head_width=config.size("head_dim") if config.get("head_dim") else width // heads,
        inner=config.size("transformer_ff"),
        activation=activation,
        gated=gated,
        rms=config.choice("layer_norm", NORMS, "standard"),
        epsilon=config.number("norm_eps", 1e-5),
        attention_bias=bias,
        key_bias=config.flag("add_key_bias", bias),
        # add_qkvbias turns it on in the decoder and the whole model, while the encoder is built
        # without: what is not said of the side itself is seen in the weights.
        output_bias=part.get("add_final_linear_bias"),
        feed_forward_bias=config.flag("add_ffnbias", False),
    )
    config.check_unknown()
    return side, width, config.problems


def _part(model: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = model.get(name)
    if not isinstance(found, dict):
        raise UnsupportedCheckpoint([f"{CONFIG}: model has no {name}."])
    return found


def _require_no_scaling(tensors: Tensors, shape: Shape) -> None:
    """What each layer of the decoder gives is multiplied by a number of its own."""
    for index in range(shape.sides[1].layers):
        name = f"{EOLE.layers[1]}.{index}.layer_scalar"
        if name in tensors and tensors.take(name, (1,)).item() != 1:
            tensors.fault(f"{name} is {tensors.take(name, (1,)).item():g}; supported: 1.")


def _positions(
    model: Mapping[str, Any], kind: str, tensors: Tensors, shape: Shape
) -> tuple[Array | None, Array | None]:
    if not kind:
        return None, None
    if kind == "learned":
        shift = model["embeddings"].get("position_shift") or 0
        tables = [_learned(name, shift, tensors, shape) for name in EOLE.positions]
    else:
        tables = [
            stored_positions(
                tensors, f"{name}.pe", shape.width, concatenated=kind == "concatenated"
            )
            for name in EOLE.positions
        ]
    return tables[0], tables[1]


def _learned(name: str, shift: int, tensors: Tensors, shape: Shape) -> Array:
    """Eole scales the sum of both tables."""
    size = tensors.shape(f"{name}.weight") or (1, shape.width)
    table = tensors.take(f"{name}.weight", (size[0], shape.width))
    return table[shift:] * np.float32(shape.scale)
