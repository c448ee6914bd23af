"""Small Transformers with random weights, one for each feature that a network may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from model_export.spec import (
    SSRU,
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
    RelativePositions,
    RMSNorm,
    Transformer,
)

WIDTH, INNER, HEADS, VOCABULARY, LONGEST = 16, 24, 2, 40, 48
START, END = 39, 0


class RandomNetwork:
    """Makes the parts. The same seed makes the same ones."""

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> Array:
        return self._random.normal(scale=scale, size=shape).astype(np.float32)

    def linear(self, inputs: int, outputs: int, bias: bool = True) -> Linear:
        added = self.normal(outputs, scale=0.2) if bias else np.zeros(outputs, np.float32)
        return Linear(self.normal(inputs, outputs, scale=1.5 * inputs**-0.5), added)

    def norm(self, rms: bool = False) -> Norm:
        scale = 1 + self.normal(WIDTH, scale=0.2)
        if rms:
            return RMSNorm(scale, 1e-6)
        return LayerNorm(scale, self.normal(WIDTH, scale=0.2), 1e-5)

    def attention(self, head_width: int = WIDTH // HEADS, scale: float | None = None) -> Attention:
        wide = HEADS * head_width
        query, key, value = (self.linear(WIDTH, wide) for _ in range(3))
        return Attention(query, key, value, self.linear(wide, WIDTH), HEADS, scale)

    def feed_forward(self, activation: Activation = "relu", gated: bool = False) -> FeedForward:
        gate = self.linear(WIDTH, INNER) if gated else None
        inner, outer = self.linear(WIDTH, INNER), self.linear(INNER, WIDTH)
        return FeedForward(inner, outer, activation, gate)

    def ssru(self, output: bool = False) -> SSRU:
        value = self.linear(WIDTH, WIDTH, bias=False)
        return SSRU(value, self.linear(WIDTH, WIDTH), self.linear(WIDTH, WIDTH) if output else None)

    def embedding(self, positions: bool = True, norm: bool = False) -> Embedding:
        return Embedding(
            self.normal(VOCABULARY, WIDTH),
            1.0,
            self.normal(LONGEST, WIDTH) if positions else None,
            self.norm() if norm else None,
        )

    def distances(self, reach: int, both: bool) -> RelativePositions:
        tables = [self.normal(reach + 1, HEADS) for _ in range(2)]
        return RelativePositions(tables[0], tables[1] if both else None)

    def network(
        self,
        *,
        rms: bool = False,
        head_width: int = WIDTH // HEADS,
        scale: float | None = None,
        activation: Activation = "relu",
        gated: bool = False,
        positions: bool = True,
        embedding_norm: bool = False,
    ) -> Transformer:
        """Two layers on each side, with embeddings of their own."""

        def attention() -> Attention:
            return self.attention(head_width, scale)

        return Transformer(
            source_embedding=self.embedding(positions, embedding_norm),
            encoder=tuple(
                EncoderLayer(
                    attention(),
                    self.norm(rms),
                    self.feed_forward(activation, gated),
                    self.norm(rms),
                )
                for _ in range(2)
            ),
            target_embedding=self.embedding(positions, embedding_norm),
            decoder=tuple(
                DecoderLayer(
                    attention(),
                    self.norm(rms),
                    attention(),
                    self.norm(rms),
                    self.feed_forward(activation, gated),
                    self.norm(rms),
                )
                for _ in range(2)
            ),
            projection=self.linear(WIDTH, VOCABULARY),
        )

    def norm_first(self, network: Transformer, rms: bool = False) -> Transformer:
        return replace(
            network,
            norm_first=True,
            encoder_norm=self.norm(rms),
            decoder_norm=self.norm(rms),
        )

    def recurrent(self, network: Transformer, output: bool = False) -> Transformer:
        """With recurrent units in place of the decoder's self-attention."""
        layers = (replace(one, self_attention=self.ssru(output)) for one in network.decoder)
        return replace(network, decoder=tuple(layers))

    def like_t5(self, activation: Activation = "gelu_tanh", gated: bool = True) -> Transformer:
        """RMS norms, distances instead of positions, wide heads, scores that are not scaled."""
        network = self.network(
            rms=True, head_width=12, scale=1.0, activation=activation, gated=gated, positions=False
        )
        return replace(
            self.norm_first(network, rms=True),
            encoder_positions=self.distances(7, both=True),
            decoder_positions=self.distances(5, both=False),
            large_activations=True,
        )


def _features() -> dict[str, Transformer]:
    one = RandomNetwork()
    return {
        "post-norm": one.network(),
        "pre-norm": one.norm_first(one.network()),
        "embedding norms": one.network(embedding_norm=True, activation="gelu"),
        "rms": one.norm_first(one.network(rms=True), rms=True),
        "rms behind": one.network(rms=True),
        "wide heads": one.network(head_width=12),
        "narrow heads, other scale": one.network(head_width=4, scale=0.7),
        "gated": one.network(gated=True, activation="swish"),
        "gelu by tanh": one.network(activation="gelu_tanh"),
        "no positions": one.network(positions=False),
        "like t5": one.like_t5(),
        "like t5 without gates": one.like_t5("relu", gated=False),
        "ssru": one.recurrent(one.network()),
        "ssru, pre-norm, projected": one.recurrent(one.norm_first(one.network()), output=True),
        "gelu by sigmoid": one.network(activation="gelu_sigmoid"),
        "pre-norm, rms, gated": one.norm_first(
            one.network(rms=True, gated=True, activation="swish"), rms=True
        ),
    }


FEATURES: Mapping[str, Transformer] = _features()
"""By a name for people."""
