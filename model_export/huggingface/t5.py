"""T5's network (arXiv:1910.10683) and that of its later versions (arXiv:2002.05202)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_export.huggingface.config import Config
from model_export.huggingface.layers import shared_table
from model_export.spec import (
    Activation,
    Array,
    Attention,
    DecoderLayer,
    Embedding,
    EncoderLayer,
    FeedForward,
    Linear,
    RelativePositions,
    RMSNorm,
    Transformer,
)
from model_export.tensors import Tensors

FEED_FORWARD: dict[str, tuple[Activation, bool]] = {
    "relu": ("relu", False),
    "gelu": ("gelu", False),
    "gelu_new": ("gelu_tanh", False),
    "silu": ("swish", False),
    "gated-relu": ("relu", True),
    "gated-gelu": ("gelu_tanh", True),
    "gated-gelu_new": ("gelu_tanh", True),
    "gated-silu": ("swish", True),
}
"""feed_forward_proj: the activation, and whether there is a gate. transformers takes gated-gelu for
the approximation by tanh."""
IGNORED_TENSORS = ("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",)
"""Early T5 checkpoints have it; nothing reads it."""


@dataclass(frozen=True, slots=True)
class T5Shape:
    """What config.json says of the network."""

    width: int
    vocabulary: int
    layers: tuple[int, int]
    """Of the encoder and the decoder."""
    heads: int
    head_width: int
    inner: int
    activation: Activation
    gated: bool
    epsilon: float
    buckets: int
    reach: int
    """Greatest distance that has a bucket of its own."""
    scale: float
    """Of the decoder's output before the projection."""

    @classmethod
    def of(cls, config: Config, *, always_unscaled: bool) -> T5Shape:
        """Faults are noted in the config.

        always_unscaled: as in mT5, whose outputs are not scaled whatever the fields say.
        """
        for name in ("dense_act_fn", "is_gated_act", "n_positions", "extra_ids"):
            config.get(name)  # follow from other fields, or change nothing
        config.get("scalable_attention")  # MADLAD's; transformers does not look at it
        config.require("is_decoder", False)
        activation, gated = config.choice("feed_forward_proj", FEED_FORWARD, "relu")
        width, layers = config.size("d_model"), config.size("num_layers")
        tied = config.flag("tie_word_embeddings", True)
        scaled = config.flag("scale_decoder_outputs", tied) and not always_unscaled
        decoder_layers = config.get("num_decoder_layers")
        buckets = config.number("relative_attention_num_buckets", 32)
        return cls(
            width=width,
            vocabulary=config.size("vocab_size"),
            layers=(
                layers,
                layers if decoder_layers is None else config.size("num_decoder_layers"),
            ),
            heads=config.size("num_heads"),
            head_width=config.size("d_kv"),
            inner=config.size("d_ff"),
            activation=activation,
            gated=gated,
            epsilon=config.number("layer_norm_epsilon", 1e-6),
            buckets=int(buckets),
            reach=int(config.number("relative_attention_max_distance", 128)),
            scale=float(width**-0.5) if scaled else 1.0,
        )


class T5Weights:
    """Builds the network from its tensors."""

    def __init__(self, shape: T5Shape) -> None:
        self.shape = shape

    def network(self, tensors: Tensors) -> Transformer:
        """Activations leave float16's range in published models."""
        shape = self.shape
        source, target = (
            Embedding(self._table(tensors, f"{side}.embed_tokens.weight"), 1.0, None)
            for side in ("encoder", "decoder")
        )
        head = self._table(tensors, "lm_head.weight")
        last = self._norm(tensors, "decoder.final_layer_norm")
        return Transformer(
            source_embedding=source,
            encoder=tuple(self._encoder_layer(tensors, index) for index in range(shape.layers[0])),
            target_embedding=target,
            decoder=tuple(self._decoder_layer(tensors, index) for index in range(shape.layers[1])),
            projection=Linear(head.T, np.zeros(shape.vocabulary, np.float32)),
            norm_first=True,
            encoder_norm=self._norm(tensors, "encoder.final_layer_norm"),
            # What scales the output of a norm may as well scale its scale.
            decoder_norm=RMSNorm(last.scale * np.float32(shape.scale), last.epsilon),
            encoder_positions=self._distances(tensors, "encoder"),
            decoder_positions=self._distances(tensors, "decoder"),
            large_activations=True,
        )

    def _table(self, tensors: Tensors, name: str) -> Array:
        # Newer versions call the head tied and have one of its own all the same.
        size = (self.shape.vocabulary, self.shape.width)
        return shared_table(tensors, name, size, tied=False, shared="shared.weight")

    def _distances(self, tensors: Tensors, side: str) -> RelativePositions:
        name = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        table = tensors.take(name, (self.shape.buckets, self.shape.heads))
        distances, half = np.arange(self.shape.reach + 1), self.shape.buckets // 2
        if side == "decoder":
            return RelativePositions(
                table[buckets(distances, self.shape.buckets, self.shape.reach)], None
            )
        near = buckets(distances, half, self.shape.reach)
        return RelativePositions(table[near], table[half + near])

    def _encoder_layer(self, tensors: Tensors, index: int) -> EncoderLayer:
        prefix = f"encoder.block.{index}.layer"
        return EncoderLayer(
            attention=self._attention(tensors, f"{prefix}.0.SelfAttention"),
            attention_norm=self._norm(tensors, f"{prefix}.0.layer_norm"),
            feed_forward=self._feed_forward(tensors, f"{prefix}.1.DenseReluDense"),
            feed_forward_norm=self._norm(tensors, f"{prefix}.1.layer_norm"),
        )

    def _decoder_layer(self, tensors: Tensors, index: int) -> DecoderLayer:
        prefix = f"decoder.block.{index}.layer"
        return DecoderLayer(
            self_attention=self._attention(tensors, f"{prefix}.0.SelfAttention"),
            self_attention_norm=self._norm(tensors, f"{prefix}.0.layer_norm"),
            cross_attention=self._attention(tensors, f"{prefix}.1.EncDecAttention"),
            cross_attention_norm=self._norm(tensors, f"{prefix}.1.layer_norm"),
            feed_forward=self._feed_forward(tensors, f"{prefix}.2.DenseReluDense"),
            feed_forward_norm=self._norm(tensors, f"{prefix}.2.layer_norm"),
        )

    def _attention(self, tensors: Tensors, prefix: str) -> Attention:
        width, wide = self.shape.width, self.shape.heads * self.shape.head_width
        query, key, value = (
            self._linear(tensors, f"{prefix}.{name}", width, wide) for name in ("q", "k", "v")
        )
        output = self._linear(tensors, f"{prefix}.o", wide, width)
        return Attention(query, key, value, output, self.shape.heads, scale=1.0)

    def _feed_forward(self, tensors: Tensors, prefix: str) -> FeedForward:
        width, inner = self.shape.width, self.shape.inner
        names = ("wi_0", "wi_1") if self.shape.gated else ("wi",)
        first, *gate = (self._linear(tensors, f"{prefix}.{name}", width, inner) for name in names)
        outer = self._linear(tensors, f"{prefix}.wo", inner, width)
        return FeedForward(first, outer, self.shape.activation, gate[0] if gate else None)

    def _linear(self, tensors: Tensors, name: str, inputs: int, outputs: int) -> Linear:
        # torch.nn.Linear keeps [outputs, inputs].
        weight = tensors.take(f"{name}.weight", (outputs, inputs))
        return Linear(weight.T, np.zeros(outputs, np.float32))

    def _norm(self, tensors: Tensors, name: str) -> RMSNorm:
        scale = tensors.take(f"{name}.weight", (self.shape.width,))
        return RMSNorm(scale, self.shape.epsilon)


def buckets(distances: npt.NDArray[np.int64], count: int, reach: int) -> npt.NDArray[np.int64]:
    """The bucket of each distance, 0 … reach, in one direction.

    The first half of the buckets are for one distance each, the others for ranges that grow
    logarithmically up to reach, as in transformers' T5Attention._relative_position_bucket, which
    computes in float32.
    """
    exact = count // 2
    ratios = np.maximum(distances, 1).astype(np.float32) / np.float32(exact)
    steps = np.log(ratios) / np.float32(math.log(reach / exact)) * np.float32(count - exact)
    far = np.minimum(exact + steps.astype(np.int64), count - 1)
    return np.where(distances < exact, distances, far)
