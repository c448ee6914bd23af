"""Transformers from Marian's weights, by the names in its src/models/transformer.h.

Its matrices are [inputs, outputs], its vectors [1, outputs].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_export.huggingface.layers import SIDES, fairseq_positions
from model_export.marian.options import NormLetter, Options
from model_export.spec import (
    SSRU,
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

EPSILON = 1e-6
LONGEST = 512
"""Positions of a table that is computed, and would have no end."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Builds the parts of a network from its tensors; faults are noted in these."""

    options: Options
    tensors: Tensors

    def network(self) -> Transformer:
        """The decoder begins with the token behind the last one, whose embedding is zero."""
        options = self.options
        source, target = self.tables()
        encoder, decoder = self.embeddings(source, target)
        return Transformer(
            source_embedding=encoder,
            encoder=tuple(map(self.encoder_layer, range(1, options.encoder_layers + 1))),
            target_embedding=decoder,
            decoder=tuple(map(self.decoder_layer, options.decoder_layers)),
            projection=self.projection(target),
            norm_first=options.norm_first,
            encoder_norm=self.norm("encoder_top", options.final_norm),
            decoder_norm=self.norm("decoder_top", options.final_norm),
            alignment_layer=options.alignment_layer,
        )

    def tables(self) -> tuple[Array, Array]:
        """Embeddings of the source and of the target: the same array where they share it."""
        names = [f"{side}_Wemb" for side in SIDES]
        if self.options.tied.sources:
            names = ["Wemb", "Wemb"]
        source, target = (
            self.tensors.take(name, (size, self.options.width))
            for name, size in zip(names, self.options.vocabularies, strict=True)
        )
        return source, target

    def embeddings(self, source: Array, target: Array) -> tuple[Embedding, Embedding]:
        start = np.zeros((1, self.options.width), np.float32)
        begun = np.concatenate([target, start])
        scale, positions = self.positions()
        first, second = (
            Embedding(table, scale, positions, self.norm(f"{side}_emb", letter, "_pre"))
            for side, table, letter in zip(
                SIDES,
                (begun if source is target else source, begun),
                (self.options.embedding_norm, self.options.embedding_norm),
                strict=True,
            )
        )
        return first, second

    def positions(self) -> tuple[float, Array | None]:
        """What embeddings are multiplied by, and what is added to them.

        They are scaled where positions are added, and only there. transformers and CTranslate2
        compute positions a little differently: cf. SinusoidalPositionEmbeddings in Marian's
        src/tensors/cpu/tensor_operators.cpp, which is as in fairseq but begins at 0.
        """
        width = self.options.width
        if not self.options.positions:
            return 1.0, None
        return float(np.sqrt(width)), fairseq_positions(LONGEST, width, 0)

    def projection(self, target: Array) -> Linear:
        name, size = "decoder_ff_logit_out", self.options.vocabularies[1]
        width = self.options.width
        if self.options.tied.output:
            weight = target.T
        elif f"{name}_W" in self.tensors:  # older versions
            weight = self.tensors.take(f"{name}_W", (width, size))
        else:
            weight = self.tensors.take(f"{name}_Wt", (size, width)).T
        if not self.options.output_bias:
            return Linear(weight, np.zeros(size, np.float32))
        return Linear(weight, self.vector(f"{name}_b", size))

    def encoder_layer(self, number: int) -> EncoderLayer:
        prefix = f"encoder_l{number}"
        return EncoderLayer(
            attention=self.attention(f"{prefix}_self"),
            attention_norm=self.layer_norm(f"{prefix}_self_Wo"),
            feed_forward=self.feed_forward(prefix, 0),
            feed_forward_norm=self.layer_norm(f"{prefix}_ffn_ffn"),
        )

    def decoder_layer(self, number: int) -> DecoderLayer:
        prefix = f"decoder_l{number}"
        look_back: Attention | SSRU
        if self.options.recurrent:
            look_back = self.ssru(f"{prefix}_rnn")
            norm = self.layer_norm(f"{prefix}_rnn" + ("" if self.options.norm_first else "_ffn"))
        else:
            look_back = self.attention(f"{prefix}_self")
            norm = self.layer_norm(f"{prefix}_self_Wo")
        return DecoderLayer(
            self_attention=look_back,
            self_attention_norm=norm,
            cross_attention=self.attention(f"{prefix}_context"),
            cross_attention_norm=self.layer_norm(f"{prefix}_context_Wo"),
            feed_forward=self.feed_forward(prefix, 1),
            feed_forward_norm=self.layer_norm(f"{prefix}_ffn_ffn"),
        )

    def attention(self, prefix: str) -> Attention:
        width = self.options.width
        query, key, value, output = (self.linear(prefix, one, width, width) for one in "qkvo")
        return Attention(query, key, value, output, self.options.heads)

    def ssru(self, prefix: str) -> SSRU:
        """SSRU in Marian's src/rnn/cells.h, and DecoderLayerRNN around it."""
        width = self.options.width
        value = Linear(
            self.tensors.take(f"{prefix}_W", (width, width)), np.zeros(width, np.float32)
        )
        output = self.linear(prefix, "o", width, width) if self.options.recurrent_output else None
        return SSRU(value, self.linear(prefix, "f", width, width), output)

    def feed_forward(self, prefix: str, side: int) -> FeedForward:
        width, inner = self.options.width, self.options.inner[side]
        return FeedForward(
            inner=self.linear(f"{prefix}_ffn", "1", width, inner),
            outer=self.linear(f"{prefix}_ffn", "2", inner, width),
            activation=self.options.activation,
        )

    def linear(self, prefix: str, name: str, inputs: int, outputs: int) -> Linear:
        weight = self.tensors.take(f"{prefix}_W{name}", (inputs, outputs))
        return Linear(weight, self.vector(f"{prefix}_b{name}", outputs))

    def layer_norm(self, prefix: str) -> Norm:
        """The norm before or behind a part of a layer."""
        suffix = "_pre" if self.options.norm_first else ""
        norm = self.norm(prefix, self.options.norm, suffix)
        assert norm is not None
        return norm

    def norm(self, prefix: str, letter: NormLetter, suffix: str = "") -> Norm | None:
        width = self.options.width
        if letter == "n":
            scale, bias = (
                self.vector(f"{prefix}_ln_{name}{suffix}", width) for name in ("scale", "bias")
            )
            return LayerNorm(scale, bias, EPSILON)
        if letter == "r":
            return RMSNorm(self.vector(f"{prefix}_rms_scale{suffix}", width), EPSILON)
        return None

    def vector(self, name: str, size: int) -> Array:
        vector: Array = self.tensors.take(name, (1, size))[0]
        return vector
