"""Networks whose weights are named as in transformers' BART: M2M-100, mBART and Pegasus too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_export.huggingface.config import Config
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
    Transformer,
)
from model_export.tensors import Tensors

ACTIVATIONS: dict[str, Activation] = {
    "swish": "swish",
    "silu": "swish",
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
EPSILON = 1e-5
"""torch.nn.LayerNorm's default, which all of these models use."""
SIDES = ("encoder", "decoder")


@dataclass(frozen=True, slots=True)
class BartLike:
    """What config.json says of the network."""

    width: int
    vocabulary: int
    longest: int
    layers: tuple[int, int]
    """Of the encoder and the decoder; so are the next two."""
    heads: tuple[int, int]
    inner: tuple[int, int]
    activation: Activation
    scale: float
    """Of the embeddings."""
    tied: bool

    @classmethod
    def of(cls, config: Config, activation: str = "gelu", *, scaled: bool = False) -> BartLike:
        """Faults are noted in the config.

        activation, scaled: the family's defaults for what config.json need not say.
        """
        width = config.size("d_model")
        for side in SIDES:
            config.divides("d_model", f"{side}_attention_heads")
        config.require("is_decoder", False)
        config.require("add_cross_attention", False)
        config.require("tie_encoder_decoder", False)
        return cls(
            width=width,
            vocabulary=config.size("vocab_size"),
            longest=config.size("max_position_embeddings"),
            layers=(config.size("encoder_layers"), config.size("decoder_layers")),
            heads=(config.size("encoder_attention_heads"), config.size("decoder_attention_heads")),
            inner=(config.size("encoder_ffn_dim"), config.size("decoder_ffn_dim")),
            activation=config.choice("activation_function", ACTIVATIONS, activation),
            scale=float(np.sqrt(width)) if config.flag("scale_embedding", scaled) else 1.0,
            tied=config.flag("tie_word_embeddings", True),
        )


class BartLikeWeights:
    """Builds the parts of a network from its tensors."""

    prefix = "model."
    """What the names of the layers' weights begin with."""

    def __init__(self, shape: BartLike, tensors: Tensors) -> None:
        self.shape = shape
        self.tensors = tensors

    def network(
        self,
        positions: tuple[Array | None, Array | None],
        *,
        norm_first: bool,
        embedding_norm: bool,
        final_norm: bool,
        logits_bias: bool,
    ) -> Transformer:
        """positions: of the encoder and the decoder, row 0 for the first token."""
        source, target = (
            Embedding(
                table=self.table(f"{self.prefix}{side}.embed_tokens.weight"),
                scale=self.shape.scale,
                positions=table,
                norm=self.norm(f"{self.prefix}{side}.layernorm_embedding")
                if embedding_norm
                else None,
            )
            for side, table in zip(SIDES, positions, strict=True)
        )
        final = [
            self.norm(f"{self.prefix}{side}.layer_norm") if final_norm else None for side in SIDES
        ]
        return Transformer(
            source_embedding=source,
            encoder=tuple(map(self.encoder_layer, range(self.shape.layers[0]))),
            target_embedding=target,
            decoder=tuple(map(self.decoder_layer, range(self.shape.layers[1]))),
            projection=self.projection(logits_bias),
            norm_first=norm_first,
            encoder_norm=final[0],
            decoder_norm=final[1],
        )

    def table(self, name: str) -> Array:
        """An embedding table of its own, or else the shared one."""
        return shared_table(
            self.tensors, name, (self.shape.vocabulary, self.shape.width), tied=self.shape.tied
        )

    def projection(self, bias: bool) -> Linear:
        """Of the decoder's output to logits."""
        table, size = self.table("lm_head.weight"), self.shape.vocabulary
        added = np.zeros(size, np.float32)
        if bias and "final_logits_bias" in self.tensors:
            added = self.tensors.take("final_logits_bias", (1, size)).reshape(-1)
        return Linear(table.T, added)

    def encoder_layer(self, index: int) -> EncoderLayer:
        prefix = f"{self.prefix}encoder.layers.{index}"
        return EncoderLayer(
            attention=self.attention(f"{prefix}.self_attn", 0),
            attention_norm=self.norm(f"{prefix}.self_attn_layer_norm"),
            feed_forward=self.feed_forward(prefix, 0),
            feed_forward_norm=self.norm(f"{prefix}.final_layer_norm"),
        )

    def decoder_layer(self, index: int) -> DecoderLayer:
        prefix = f"{self.prefix}decoder.layers.{index}"
        return DecoderLayer(
            self_attention=self.attention(f"{prefix}.self_attn", 1),
            self_attention_norm=self.norm(f"{prefix}.self_attn_layer_norm"),
            cross_attention=self.attention(f"{prefix}.encoder_attn", 1),
            cross_attention_norm=self.norm(f"{prefix}.encoder_attn_layer_norm"),
            feed_forward=self.feed_forward(prefix, 1),
            feed_forward_norm=self.norm(f"{prefix}.final_layer_norm"),
        )

    def attention(self, prefix: str, side: int) -> Attention:
        width = self.shape.width
        query, key, value, output = (
            self.linear(f"{prefix}.{name}_proj", width, width) for name in ("q", "k", "v", "out")
        )
        return Attention(query, key, value, output, self.shape.heads[side])

    def feed_forward(self, prefix: str, side: int) -> FeedForward:
        width, inner = self.shape.width, self.shape.inner[side]
        return FeedForward(
            inner=self.linear(f"{prefix}.fc1", width, inner),
            outer=self.linear(f"{prefix}.fc2", inner, width),
            activation=self.shape.activation,
        )

    def linear(self, prefix: str, inputs: int, outputs: int) -> Linear:
        # torch.nn.Linear keeps [outputs, inputs].
        weight = self.tensors.take(f"{prefix}.weight", (outputs, inputs))
        return Linear(weight.T, self.tensors.take(f"{prefix}.bias", (outputs,)))

    def norm(self, prefix: str) -> LayerNorm:
        width = (self.shape.width,)
        scale, bias = (self.tensors.take(f"{prefix}.{name}", width) for name in ("weight", "bias"))
        return LayerNorm(scale, bias, EPSILON)

    def learned_positions(self, side: str, offset: int) -> Array:
        """A learned table, without the rows before the first token's."""
        shape = (self.shape.longest + offset, self.shape.width)
        return self.tensors.take(f"{self.prefix}{side}.embed_positions.weight", shape)[offset:]


def shared_table(
    tensors: Tensors, name: str, shape: tuple[int, int], *, tied: bool, shared: str = ""
) -> Array:
    """The table of this name, or the shared one: the same array for all that share it.

    Files hold copies of a shared table, none at all, or tables of their own where they are not
    tied. What says that it is tied and is not is a fault, unless copies were rounded.
    """
    shared = shared or "model.shared.weight"
    if shared not in tensors:
        return tensors.take(name, shape)
    table = tensors.take(shared, shape)
    if name not in tensors:
        return table
    own = tensors.take(name, shape)
    if np.array_equal(own, table):
        return table
    if tied and not tensors.rounded:
        tensors.fault(f"{name} differs from {shared}; config.json says that they are tied.")
    return own


def sinusoidal_positions(length: int, width: int) -> Array:
    """Marian's and Pegasus' position embeddings, [length, width]: all sines, then all cosines.

    angle = position / 10000 ** (2 * (j // 2) / width) for column j; even columns of the interleaved
    original (Vaswani et al. 2017, section 3.5) come first, as in transformers'
    MarianSinusoidalPositionalEmbedding.
    """
    columns = np.arange(width)
    angles = np.arange(length)[:, None] / np.power(10000, 2 * (columns // 2) / width)
    return np.concatenate([np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])], axis=1).astype(
        np.float32
    )


def fairseq_positions(length: int, width: int, first: int) -> Array:
    """fairseq's position embeddings, [length, width]: all sines, then all cosines.

    angle = (first + position) / 10000 ** (j / (width / 2 - 1)) for sine j, as in tensor2tensor and
    in transformers' M2M100SinusoidalPositionalEmbedding; the width is even.
    """
    half = width // 2
    rates = np.exp(np.arange(half, dtype=np.float32) * np.float32(-np.log(10000) / (half - 1)))
    angles = np.arange(first, first + length, dtype=np.float32)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
