"""The Transformer of OpenNMT-py and Eole: norms before each part, weights under two sets of names.

As in onmt/encoders/transformer.py, onmt/decoders/transformer.py and onmt/modules of OpenNMT-py
3.5.1, and in eole/decoders/transformer.py of Eole 0.6.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from model_export.huggingface.layers import fairseq_positions
from model_export.spec import (
    Activation,
    Array,
    Attention,
    DecoderLayer,
    Embedding,
    EncoderLayer,
    FeedForward,
    LayerNorm,
    Linear,
    Norm,
    RMSNorm,
    Transformer,
)
from model_export.tensors import Tensors
from service.package.manifest import Limits

LONGEST = 1024
"""Most tokens of a source and of a target. The toolkits make sinusoids for 5,000, which nobody
trains on."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a toolkit calls its weights."""

    tables: tuple[str, str]
    """Of the encoder and the decoder; so are the next two."""
    positions: tuple[str, str]
    layers: tuple[str, str]
    attention_norms: tuple[str, str]
    cross_attention_norm: str
    feed_forward_norm: str
    inner: str
    outer: str
    gate: str


OPENNMT_PY = Names(
    tables=(
        "encoder.embeddings.make_embedding.emb_luts.0.weight",
        "decoder.embeddings.make_embedding.emb_luts.0.weight",
    ),
    positions=(
        "encoder.embeddings.make_embedding.pe.pe",
        "decoder.embeddings.make_embedding.pe.pe",
    ),
    layers=("encoder.transformer", "decoder.transformer_layers"),
    attention_norms=("layer_norm", "layer_norm_1"),
    cross_attention_norm="layer_norm_2",
    feed_forward_norm="feed_forward.layer_norm",
    inner="feed_forward.w_1",
    outer="feed_forward.w_2",
    gate="feed_forward.w_3",
)
EOLE = Names(
    tables=("src_emb.embeddings.weight", "tgt_emb.embeddings.weight"),
    positions=("src_emb.pe", "tgt_emb.pe"),
    layers=("encoder.transformer_layers", "decoder.transformer_layers"),
    attention_norms=("input_layernorm", "input_layernorm"),
    cross_attention_norm="precontext_layernorm",
    feed_forward_norm="post_attention_layernorm",
    inner="mlp.gate_up_proj",
    outer="mlp.down_proj",
    gate="mlp.up_proj",
)


@dataclass(frozen=True, slots=True)
class Side:
    """The encoder's or the decoder's layers."""

    layers: int
    heads: int
    key_heads: int
    """Fewer than heads where several queries share keys and values (arXiv:1911.02150)."""
    head_width: int
    inner: int
    activation: Activation
    gated: bool
    rms: bool
    epsilon: float
    attention_bias: bool | None
    """Of queries and values; None: wherever the weights have them."""
    key_bias: bool | None
    output_bias: bool | None
    feed_forward_bias: bool | None


@dataclass(frozen=True, slots=True)
class Shape:
    """The whole network."""

    width: int
    vocabularies: tuple[int, int]
    sides: tuple[Side, Side]
    scale: float
    """Of the embeddings."""
    shared: bool = False
    """Whether the target's embeddings are the source's, if they have no tensor of their own."""
    tied: bool = False
    """Whether the output matrix is the target's embeddings, if it has no tensor of its own."""
    output_bias: bool | None = None
    """Of the output matrix, as in Side."""


class OpenNmtWeights:
    """Builds the parts of a network from its tensors."""

    def __init__(self, shape: Shape, names: Names, tensors: Tensors) -> None:
        self.shape = shape
        self.names = names
        self.tensors = tensors

    def network(self, positions: tuple[Array | None, Array | None]) -> Transformer:
        """positions: of the encoder and the decoder, row 0 for the first token."""
        source, target = (self._table(side) for side in (0, 1))
        if np.array_equal(source, target):
            target = source
        embeddings = [
            Embedding(table, self.shape.scale, own)
            for table, own in zip((source, target), positions, strict=True)
        ]
        first, second = self.shape.sides
        return Transformer(
            source_embedding=embeddings[0],
            encoder=tuple(self._encoder_layer(index) for index in range(first.layers)),
            target_embedding=embeddings[1],
            decoder=tuple(self._decoder_layer(index) for index in range(second.layers)),
            projection=self._projection(target),
            norm_first=True,
            encoder_norm=self._norm("encoder.layer_norm", first),
            decoder_norm=self._norm("decoder.layer_norm", second),
        )

    def _table(self, side: int) -> Array:
        name, size = self.names.tables[side], self.shape.vocabularies[side]
        if self.shape.shared and name not in self.tensors:
            name = self.names.tables[0]
        return self.tensors.take(name, (size, self.shape.width))

    def _projection(self, table: Array) -> Linear:
        size = self.shape.vocabularies[1]
        bias = self._bias("generator", size, self.shape.output_bias)
        if self.shape.tied and "generator.weight" not in self.tensors:
            return Linear(table.T, bias)
        weight = self.tensors.take("generator.weight", (size, self.shape.width))
        return Linear(table.T if np.array_equal(weight, table) else weight.T, bias)

    def _encoder_layer(self, index: int) -> EncoderLayer:
        side, prefix = self.shape.sides[0], f"{self.names.layers[0]}.{index}"
        return EncoderLayer(
            attention=self._attention(f"{prefix}.self_attn", side),
            attention_norm=self._norm(f"{prefix}.{self.names.attention_norms[0]}", side),
            feed_forward=self._feed_forward(prefix, side),
            feed_forward_norm=self._norm(f"{prefix}.{self.names.feed_forward_norm}", side),
        )

    def _decoder_layer(self, index: int) -> DecoderLayer:
        side, prefix = self.shape.sides[1], f"{self.names.layers[1]}.{index}"
        return DecoderLayer(
            self_attention=self._attention(f"{prefix}.self_attn", side),
            self_attention_norm=self._norm(f"{prefix}.{self.names.attention_norms[1]}", side),
            cross_attention=self._attention(f"{prefix}.context_attn", side),
            cross_attention_norm=self._norm(f"{prefix}.{self.names.cross_attention_norm}", side),
            feed_forward=self._feed_forward(prefix, side),
            feed_forward_norm=self._norm(f"{prefix}.{self.names.feed_forward_norm}", side),
        )

    def _attention(self, prefix: str, side: Side) -> Attention:
        width, wide = self.shape.width, side.heads * side.head_width
        narrow = side.key_heads * side.head_width
        query = self._linear(f"{prefix}.linear_query", width, wide, side.attention_bias)
        biases = {"linear_keys": side.key_bias, "linear_values": side.attention_bias}
        key, value = (
            _for_every_head(self._linear(f"{prefix}.{name}", width, narrow, bias), side)
            for name, bias in biases.items()
        )
        output = self._linear(f"{prefix}.final_linear", wide, width, side.output_bias)
        return Attention(query, key, value, output, side.heads)

    def _feed_forward(self, prefix: str, side: Side) -> FeedForward:
        width, bias = self.shape.width, side.feed_forward_bias
        inner, outer, gate = (
            f"{prefix}.{name}" for name in (self.names.inner, self.names.outer, self.names.gate)
        )
        return FeedForward(
            inner=self._linear(inner, width, side.inner, bias),
            outer=self._linear(outer, side.inner, width, bias),
            activation=side.activation,
            gate=self._linear(gate, width, side.inner, bias) if side.gated else None,
        )

    def _norm(self, prefix: str, side: Side) -> Norm:
        size = (self.shape.width,)
        scale = self.tensors.take(f"{prefix}.weight", size)
        if side.rms:
            return RMSNorm(scale, side.epsilon)
        return LayerNorm(scale, self.tensors.take(f"{prefix}.bias", size), side.epsilon)

    def _linear(self, prefix: str, inputs: int, outputs: int, bias: bool | None) -> Linear:
        weight = self.tensors.take(f"{prefix}.weight", (outputs, inputs))
        return Linear(weight.T, self._bias(prefix, outputs, bias))

    def _bias(self, prefix: str, outputs: int, wanted: bool | None) -> Array:
        name = f"{prefix}.bias"
        if wanted or (wanted is None and name in self.tensors):
            return self.tensors.take(name, (outputs,))
        return np.zeros(outputs, np.float32)


def _for_every_head(linear: Linear, side: Side) -> Linear:
    """Keys or values that several queries share, once for each of these."""
    if side.key_heads == side.heads:
        return linear
    times = side.heads // side.key_heads
    weight, bias = (
        np.repeat(array.reshape(*array.shape[:-1], side.key_heads, side.head_width), times, axis=-2)
        for array in (linear.weight, linear.bias)
    )
    return replace(linear, weight=weight.reshape(len(weight), -1), bias=bias.reshape(-1))


def limits(network: Transformer) -> Limits:
    """What a network can take."""
    source, target = (
        LONGEST if one.positions is None else len(one.positions)
        for one in (network.source_embedding, network.target_embedding)
    )
    return Limits(
        max_source_tokens=source,
        max_target_tokens=target,
        target_vocabulary=network.projection.bias.size,
    )


def stored_positions(tensors: Tensors, name: str, width: int, *, concatenated: bool) -> Array:
    """[LONGEST, width]: a table of sinusoids as it was stored, or made anew where it was not."""
    stored = tensors.shape(name)
    if stored is None:
        if concatenated:
            return fairseq_positions(LONGEST, width, first=0)
        return interleaved_positions(LONGEST, width)
    table = tensors.take(name, (stored[0], 1, width))
    return np.ascontiguousarray(table[:LONGEST, 0])


def interleaved_positions(length: int, width: int) -> Array:
    """Vaswani et al. (2017), section 3.5: sines in even columns, cosines in odd ones."""
    rates = np.exp(np.arange(0, width, 2, dtype=np.float32) * np.float32(-np.log(10000) / width))
    angles = np.arange(length, dtype=np.float32)[:, None] * rates
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(length, width)
