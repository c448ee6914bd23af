"""Our names for what any source holds. Sources fill these in; the graphs are built from them.

Matrices are laid out [inputs, outputs], so that y = x @ weight + bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from service.package.manifest import LanguagePair, Limits, Tokens

Array = npt.NDArray[np.float32]
Activation = Literal["relu", "swish", "gelu"]


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x @ weight + bias."""

    weight: Array
    """[inputs, outputs]"""
    bias: Array
    """[outputs]"""


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """y = (x - mean) / sqrt(variance + epsilon) * scale + bias, over the last axis."""

    scale: Array
    bias: Array
    epsilon: float


@dataclass(frozen=True, slots=True)
class Attention:
    """Multi-head attention (Vaswani et al. 2017, section 3.2)."""

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    heads: int


@dataclass(frozen=True, slots=True)
class FeedForward:
    """outer(activation(inner(x)))."""

    inner: Linear
    outer: Linear
    activation: Activation


@dataclass(frozen=True, slots=True)
class Embedding:
    """x = table[ids] * scale + positions[place in the sequence]."""

    table: Array
    """[vocabulary, d_model]"""
    scale: float
    positions: Array
    """[longest sequence, d_model]"""


@dataclass(frozen=True, slots=True)
class EncoderLayer:
    """Each norm follows the residual sum of the part before it (post-norm)."""

    attention: Attention
    attention_norm: LayerNorm
    feed_forward: FeedForward
    feed_forward_norm: LayerNorm


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    """As EncoderLayer, with attention to the encoder's output in between."""

    self_attention: Attention
    self_attention_norm: LayerNorm
    cross_attention: Attention
    cross_attention_norm: LayerNorm
    feed_forward: FeedForward
    feed_forward_norm: LayerNorm


@dataclass(frozen=True, slots=True)
class Transformer:
    """An encoder-decoder Transformer."""

    source_embedding: Embedding
    encoder: tuple[EncoderLayer, ...]
    target_embedding: Embedding
    decoder: tuple[DecoderLayer, ...]
    projection: Linear
    """[d_model, vocabulary]; a bias of -inf means that the token is never generated. Tokens at the
    table's end that are never generated may be left out."""

    @property
    def source_vocabulary(self) -> int:
        return len(self.source_embedding.table)


class Network(Protocol):
    """A Transformer or a model_export.recurrent_spec.RecurrentNetwork.

    model_export.graph and model_export.reference each have one place that asks which.
    """

    @property
    def source_vocabulary(self) -> int:
        """How many source tokens there are."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained model, whatever toolkit it came from."""

    kind: str
    """The source's name, such as huggingface-marian."""
    family: str
    network: Network
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    """The same object as source_tokenizer when they are shared."""
    pairs: tuple[LanguagePair, ...]
    tokens: Tokens
    limits: Limits
    files: dict[str, str]
    """Source file name → SHA-256."""
    attention: bool = True
    """Whether the decoder has attention that can be shown."""
    architecture: str | None = None
    """The network in a line, for people."""
