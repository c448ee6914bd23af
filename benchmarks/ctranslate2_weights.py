"""Write a Transformer as a CTranslate2 model, so that both engines run the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import TransformerSpec, common_spec

from model_export.graph.layers import beside
from model_export.spec import (
    Attention,
    Embedding,
    FeedForward,
    LayerNorm,
    Linear,
    Norm,
    Transformer,
)

ACTIVATIONS = {
    "relu": common_spec.Activation.RELU,
    "swish": common_spec.Activation.SWISH,
    "gelu": common_spec.Activation.GELU,
}


def write(
    network: Transformer, directory: Path, compute_type: str, tokens: Sequence[str] = ()
) -> None:
    """Write the model.

    Args:
        compute_type: float32, float16 or int8.
        tokens: what the tokens are called; str(i) if this is left out. The last one, which only
            starts, is left out of the model.
    """
    first = network.encoder[0]
    spec = TransformerSpec.from_config(
        (len(network.encoder), len(network.decoder)),
        first.attention.heads,
        pre_norm=False,
        activation=ACTIVATIONS[first.feed_forward.activation],
    )
    spec.decoder.start_from_zero_embedding = True
    _encoder(spec.encoder, network)
    _decoder(spec.decoder, network)
    count = len(network.source_embedding.table) - 1
    called = list(tokens[:count]) or [str(token) for token in range(count)]
    spec.register_source_vocabulary(called)
    spec.register_target_vocabulary(called)
    spec.config.eos_token = spec.config.decoder_start_token = called[0]
    spec.config.unk_token = called[1]
    spec.validate()
    spec.optimize(quantization=None if compute_type == "float32" else compute_type)
    directory.mkdir()
    spec.save(str(directory))


def _encoder(spec: Any, network: Transformer) -> None:
    _embedding(spec, spec.embeddings[0], network.source_embedding)
    for layer_spec, layer in zip(spec.layer, network.encoder, strict=True):
        _self_attention(layer_spec.self_attention, layer.attention, layer.attention_norm)
        _feed_forward(layer_spec.ffn, layer.feed_forward, layer.feed_forward_norm)


def _decoder(spec: Any, network: Transformer) -> None:
    _embedding(spec, spec.embeddings, network.target_embedding)
    for layer_spec, layer in zip(spec.layer, network.decoder, strict=True):
        assert isinstance(layer.self_attention, Attention)
        _self_attention(layer_spec.self_attention, layer.self_attention, layer.self_attention_norm)
        attention = layer.cross_attention
        _norm(layer_spec.attention.layer_norm, layer.cross_attention_norm)
        _linear(layer_spec.attention.linear[0], attention.query)
        _linear(layer_spec.attention.linear[1], beside((attention.key, attention.value)))
        _linear(layer_spec.attention.linear[2], attention.output)
        _feed_forward(layer_spec.ffn, layer.feed_forward, layer.feed_forward_norm)
    _linear(spec.projection, network.projection)


def _embedding(spec: Any, table_spec: Any, embedding: Embedding) -> None:
    table_spec.weight = embedding.table[:-1].copy()
    spec.scale_embeddings = bool(embedding.scale != 1)
    assert embedding.positions is not None
    spec.position_encodings.encodings = embedding.positions.copy()


def _self_attention(spec: Any, attention: Attention, norm: Norm) -> None:
    _norm(spec.layer_norm, norm)
    _linear(spec.linear[0], beside((attention.query, attention.key, attention.value)))
    _linear(spec.linear[1], attention.output)


def _feed_forward(spec: Any, weights: FeedForward, norm: Norm) -> None:
    _norm(spec.layer_norm, norm)
    _linear(spec.linear_0, weights.inner)
    _linear(spec.linear_1, weights.outer)


def _norm(spec: Any, norm: Norm) -> None:
    assert isinstance(norm, LayerNorm)
    spec.gamma, spec.beta = norm.scale.copy(), norm.bias.copy()


def _linear(spec: Any, linear: Linear) -> None:
    # Copies: CTranslate2 scales some arrays in place when it saves them.
    spec.weight, spec.bias = np.array(linear.weight.T, order="C"), linear.bias.copy()
