"""MarianMT models in Hugging Face form (OPUS-MT and those trained with transformers).

    config.json  model.safetensors  source.spm  target.spm  vocab.json  tokenizer_config.json

Weight names are those of transformers' MarianMTModel. As CTranslate2, we leave out the padding
token, which Hugging Face added to Marian's vocabulary for the decoder to start from: it is never
generated and has no share of the probabilities. It is the last token, so its output is cut off;
where it is not, it has a bias of -inf.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from model_export.errors import UnsupportedCheckpoint
from model_export.spec import (
    Activation,
    Array,
    Attention,
    Checkpoint,
    DecoderLayer,
    Embedding,
    EncoderLayer,
    FeedForward,
    LayerNorm,
    Linear,
    Transformer,
)
from model_export.tensors import Tensors
from model_export.vocabulary import marian_tokenizer
from service.package.directory import sha256_of
from service.package.manifest import LanguagePair, Limits, Tokens

KIND = "huggingface-marian"
FILES = ("config.json", "model.safetensors", "source.spm", "target.spm", "vocab.json")
TOKENIZER_CONFIG = "tokenizer_config.json"
ACTIVATIONS: dict[str, Activation] = {
    "swish": "swish",
    "silu": "swish",
    "relu": "relu",
    "gelu": "gelu",
}
EPSILON = 1e-5
"""torch.nn.LayerNorm's default, which MarianMTModel uses."""
IGNORED_TENSORS = (
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "model.encoder.embed_positions.weight",
    "model.decoder.embed_positions.weight",
    "lm_head.weight",
)
"""Copies of model.shared.weight, and position tables that config.json determines."""


def recognises(path: Path) -> bool:
    """Whether the directory holds a config.json of a Marian model."""
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "marian"


def load(path: Path, pairs: tuple[LanguagePair, ...]) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it translates; when empty, tokenizer_config.json is asked.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    missing = [f"{name} is missing." for name in FILES if not (path / name).is_file()]
    if missing:
        raise UnsupportedCheckpoint(missing)
    config = _read_json(path / "config.json")
    vocabulary = _read_json(path / "vocab.json")
    pairs = pairs or _pairs(path)
    problems = _config_problems(config) + _vocabulary_problems(config, vocabulary)
    if not pairs:
        problems.append("The languages are not in tokenizer_config.json; give --pair fr-en.")
    if problems:
        raise UnsupportedCheckpoint(problems)
    tensors = Tensors.open(path)
    network = _network(config, tensors)
    tensors.finish(ignored=IGNORED_TENSORS)
    tokens = _tokens(config, vocabulary)
    source, target = _tokenizers(path, vocabulary)
    return Checkpoint(
        kind=KIND,
        family="marian",
        network=network,
        source_tokenizer=source,
        target_tokenizer=target,
        pairs=pairs,
        tokens=tokens,
        limits=_limits(config, network),
        files={name: sha256_of(path / name) for name in FILES},
    )


def _tokenizers(path: Path, vocabulary: Mapping[str, int]) -> tuple[Tokenizer, Tokenizer]:
    source = marian_tokenizer(path / "source.spm", vocabulary)
    if (path / "source.spm").read_bytes() == (path / "target.spm").read_bytes():
        return source, source
    return source, marian_tokenizer(path / "target.spm", vocabulary)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnsupportedCheckpoint([f"{path.name} is not JSON: {error}."]) from error
    if not isinstance(data, dict):
        raise UnsupportedCheckpoint([f"{path.name} is not a JSON object."])
    return data


def _config_problems(config: Mapping[str, Any]) -> list[str]:
    expected = {
        "model_type": ("marian",),
        "activation_function": tuple(ACTIVATIONS),
        "normalize_before": (None, False),
        "normalize_embedding": (None, False),
        "static_position_embeddings": (None, True),
        "share_encoder_decoder_embeddings": (None, True),
        "tie_word_embeddings": (None, True),
        "extra_pos_embeddings": (None, 0, config.get("pad_token_id", 0)),
    }
    problems = [
        f"config.json: {name} is {config.get(name)!r}; supported: "
        + ", ".join(repr(value) for value in values if value is not None)
        + "."
        for name, values in expected.items()
        if config.get(name) not in values
    ]
    return (
        problems
        + [
            f"config.json: {name} must be a positive whole number, not {config.get(name)!r}."
            for name in _SIZES
            if not _is_size(config.get(name))
        ]
        + _head_problems(config)
    )


_SIZES = (
    "d_model",
    "encoder_layers",
    "decoder_layers",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "encoder_ffn_dim",
    "decoder_ffn_dim",
    "vocab_size",
    "max_position_embeddings",
)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _head_problems(config: Mapping[str, Any]) -> list[str]:
    names = ("encoder_attention_heads", "decoder_attention_heads")
    return [
        f"config.json: d_model {config['d_model']} is not a multiple of {name} {config[name]}."
        for name in names
        if _is_size(config.get(name))
        and _is_size(config.get("d_model"))
        and config["d_model"] % config[name]
    ]


def _vocabulary_problems(config: Mapping[str, Any], vocabulary: Mapping[str, Any]) -> list[str]:
    problems = []
    size = config.get("vocab_size")
    ids = list(vocabulary.values())
    if not all(isinstance(value, int) for value in ids):
        problems.append("vocab.json: every value must be a whole number.")
    elif sorted(ids) != list(range(len(ids))):
        problems.append("vocab.json: the ids are not 0, 1, 2, … without gaps or repetition.")
    if len(ids) != size:
        problems.append(f"vocab.json has {len(ids)} tokens; config.json says vocab_size {size}.")
    problems += [
        f"config.json: {name} {config.get(name)!r} is not in vocab.json."
        for name in ("eos_token_id", "pad_token_id", "decoder_start_token_id")
        if config.get(name) not in ids
    ]
    problems += [
        f"vocab.json has no {token}." for token in ("</s>", "<unk>") if token not in vocabulary
    ]
    return problems


def _pairs(path: Path) -> tuple[LanguagePair, ...]:
    if not (path / TOKENIZER_CONFIG).is_file():
        return ()
    config = _read_json(path / TOKENIZER_CONFIG)
    source, target = config.get("source_lang"), config.get("target_lang")
    if not isinstance(source, str) or not isinstance(target, str):
        return ()
    try:
        return (LanguagePair(source=source, target=target),)
    except ValueError:
        return ()


def _tokens(config: Mapping[str, Any], vocabulary: Mapping[str, int]) -> Tokens:
    return Tokens(
        start=config["decoder_start_token_id"],
        end=config["eos_token_id"],
        unknown=vocabulary["<unk>"],
        padding=config["pad_token_id"],
    )


def _limits(config: Mapping[str, Any], network: Transformer) -> Limits:
    longest = config["max_position_embeddings"]
    return Limits(
        max_source_tokens=longest,
        max_target_tokens=longest,
        target_vocabulary=network.projection.bias.size,
    )


def _network(config: Mapping[str, Any], tensors: Tensors) -> Transformer:
    width, vocabulary = config["d_model"], config["vocab_size"]
    table = tensors.take("model.shared.weight", (vocabulary, width))
    embedding = Embedding(
        table=table,
        scale=float(np.sqrt(width)) if config.get("scale_embedding") else 1.0,
        positions=sinusoidal_positions(config["max_position_embeddings"], width),
    )
    return Transformer(
        source_embedding=embedding,
        encoder=tuple(
            _encoder_layer(config, tensors, f"model.encoder.layers.{index}")
            for index in range(config["encoder_layers"])
        ),
        target_embedding=embedding,
        decoder=tuple(
            _decoder_layer(config, tensors, f"model.decoder.layers.{index}")
            for index in range(config["decoder_layers"])
        ),
        projection=_projection(config, tensors, table),
    )


def _projection(config: Mapping[str, Any], tensors: Tensors, table: Array) -> Linear:
    vocabulary, padding = config["vocab_size"], config["pad_token_id"]
    bias = tensors.take("final_logits_bias", (1, vocabulary)).reshape(-1).copy()
    if padding == vocabulary - 1:
        return Linear(weight=np.ascontiguousarray(table[:-1].T), bias=bias[:-1])
    bias[padding] = -np.inf
    return Linear(weight=np.ascontiguousarray(table.T), bias=bias)


def _encoder_layer(config: Mapping[str, Any], tensors: Tensors, prefix: str) -> EncoderLayer:
    width, heads = config["d_model"], config["encoder_attention_heads"]
    activation = ACTIVATIONS[config["activation_function"]]
    return EncoderLayer(
        attention=_attention(tensors, f"{prefix}.self_attn", width, heads),
        attention_norm=_norm(tensors, f"{prefix}.self_attn_layer_norm", width),
        feed_forward=_feed_forward(tensors, prefix, width, config["encoder_ffn_dim"], activation),
        feed_forward_norm=_norm(tensors, f"{prefix}.final_layer_norm", width),
    )


def _decoder_layer(config: Mapping[str, Any], tensors: Tensors, prefix: str) -> DecoderLayer:
    width, heads = config["d_model"], config["decoder_attention_heads"]
    activation = ACTIVATIONS[config["activation_function"]]
    return DecoderLayer(
        self_attention=_attention(tensors, f"{prefix}.self_attn", width, heads),
        self_attention_norm=_norm(tensors, f"{prefix}.self_attn_layer_norm", width),
        cross_attention=_attention(tensors, f"{prefix}.encoder_attn", width, heads),
        cross_attention_norm=_norm(tensors, f"{prefix}.encoder_attn_layer_norm", width),
        feed_forward=_feed_forward(tensors, prefix, width, config["decoder_ffn_dim"], activation),
        feed_forward_norm=_norm(tensors, f"{prefix}.final_layer_norm", width),
    )


def _attention(tensors: Tensors, prefix: str, width: int, heads: int) -> Attention:
    return Attention(
        query=_linear(tensors, f"{prefix}.q_proj", width, width),
        key=_linear(tensors, f"{prefix}.k_proj", width, width),
        value=_linear(tensors, f"{prefix}.v_proj", width, width),
        output=_linear(tensors, f"{prefix}.out_proj", width, width),
        heads=heads,
    )


def _feed_forward(
    tensors: Tensors, prefix: str, width: int, inner: int, activation: Activation
) -> FeedForward:
    return FeedForward(
        inner=_linear(tensors, f"{prefix}.fc1", width, inner),
        outer=_linear(tensors, f"{prefix}.fc2", inner, width),
        activation=activation,
    )


def _linear(tensors: Tensors, prefix: str, inputs: int, outputs: int) -> Linear:
    # torch.nn.Linear keeps [outputs, inputs].
    weight = tensors.take(f"{prefix}.weight", (outputs, inputs))
    return Linear(
        weight=np.ascontiguousarray(weight.T), bias=tensors.take(f"{prefix}.bias", (outputs,))
    )


def _norm(tensors: Tensors, prefix: str, width: int) -> LayerNorm:
    return LayerNorm(
        scale=tensors.take(f"{prefix}.weight", (width,)),
        bias=tensors.take(f"{prefix}.bias", (width,)),
        epsilon=EPSILON,
    )


def sinusoidal_positions(length: int, width: int) -> Array:
    """Marian's position embeddings, [length, width]: all sines, then all cosines.

    angle = position / 10000 ** (2 * (j // 2) / width) for column j; even columns of the interleaved
    original (Vaswani et al. 2017, section 3.5) come first, as in transformers'
    MarianSinusoidalPositionalEmbedding.
    """
    columns = np.arange(width)
    angles = np.arange(length)[:, None] / np.power(10000, 2 * (columns // 2) / width)
    return np.concatenate([np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])], axis=1).astype(
        np.float32
    )
