"""A Transformer with random weights: what it computes is of no use, but takes as long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_export.huggingface.layers import sinusoidal_positions
from model_export.spec import (
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


@dataclass(frozen=True, slots=True)
class Size:
    """How large a Transformer is."""

    encoder_layers: int
    decoder_layers: int
    width: int
    inner: int
    heads: int
    vocabulary: int
    """Token 0 ends a sentence; the last one only starts it."""
    longest: int = 512


NEVER = -1e4
"""Bias of the end token, so that every translation has the greatest length that is asked for."""

OPUS_MT = Size(6, 6, 512, 2048, 8, 32_001)
"""What most OPUS-MT models have."""


def make(size: Size, seed: int = 0) -> Transformer:
    """A Transformer of this size; the same one every time."""
    random = _Random(size, seed)
    embedding = Embedding(
        random.normal(size.vocabulary, size.width, scale=size.width**-0.5),
        float(np.sqrt(size.width)),
        sinusoidal_positions(size.longest, size.width),
    )
    embedding.table[-1] = 0
    bias = np.zeros(size.vocabulary - 1, np.float32)
    bias[0] = NEVER
    return Transformer(
        source_embedding=embedding,
        encoder=tuple(random.encoder_layer() for _ in range(size.encoder_layers)),
        target_embedding=embedding,
        decoder=tuple(random.decoder_layer() for _ in range(size.decoder_layers)),
        projection=Linear(np.ascontiguousarray(embedding.table[:-1].T), bias),
    )


class _Random:
    def __init__(self, size: Size, seed: int) -> None:
        self._size = size
        self._generator = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float) -> Array:
        return self._generator.normal(scale=scale, size=shape).astype(np.float32)

    def linear(self, inputs: int, outputs: int) -> Linear:
        return Linear(
            self.normal(inputs, outputs, scale=inputs**-0.5), self.normal(outputs, scale=0.1)
        )

    def norm(self) -> LayerNorm:
        width = self._size.width
        return LayerNorm(np.ones(width, np.float32), self.normal(width, scale=0.1), 1e-5)

    def attention(self) -> Attention:
        width = self._size.width
        query, key, value, output = (self.linear(width, width) for _ in range(4))
        return Attention(query, key, value, output, self._size.heads)

    def feed_forward(self) -> FeedForward:
        width, inner = self._size.width, self._size.inner
        return FeedForward(self.linear(width, inner), self.linear(inner, width), "swish")

    def encoder_layer(self) -> EncoderLayer:
        return EncoderLayer(self.attention(), self.norm(), self.feed_forward(), self.norm())

    def decoder_layer(self) -> DecoderLayer:
        return DecoderLayer(
            self.attention(),
            self.norm(),
            self.attention(),
            self.norm(),
            self.feed_forward(),
            self.norm(),
        )
