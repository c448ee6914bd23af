"""Our names for what any source holds. Sources fill these in; the graphs are built from them.

Matrices are laid out [inputs, outputs], so that y = x @ weight + bias.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from service.package.manifest import Conditioning, Language, LanguagePair, Limits, Tokens

Array = npt.NDArray[np.float32]
Activation = Literal["relu", "swish", "gelu", "gelu_tanh", "gelu_sigmoid"]
"""gelu_tanh is the approximation by tanh, which transformers calls gelu_new. gelu_sigmoid is
x * sigmoid(1.702 * x) (arXiv:1606.08415, section 2), which older versions of Marian call gelu."""

NO_POSITIONS_LONGEST = 4096
"""Longest source of a graph whose network has no table of positions that would limit it."""


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x @ weight + bias."""

    weight: Array
    """[inputs, outputs]"""
    bias: Array
    """[outputs]; all zeros where there is none, which costs nothing."""


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """y = (x - mean) / sqrt(variance + epsilon) * scale + bias, over the last axis."""

    scale: Array
    bias: Array
    epsilon: float


@dataclass(frozen=True, slots=True)
class RMSNorm:
    """y = x / sqrt(mean of x²  + epsilon) * scale, over the last axis (arXiv:1910.07467)."""

    scale: Array
    epsilon: float


Norm = LayerNorm | RMSNorm


@dataclass(frozen=True, slots=True)
class Attention:
    """Multi-head attention (Vaswani et al. 2017, section 3.2).

    The width of a head is that of the query's outputs / heads, whatever d_model is.
    """

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    heads: int
    scale: float | None = None
    """What query @ keyᵀ is multiplied by; None stands for 1 / sqrt(width of a head)."""

    @property
    def head_width(self) -> int:
        """Outputs of the query, the key or the value for each head."""
        return self.key.bias.size // self.heads

    @property
    def score_scale(self) -> float:
        """What query @ keyᵀ is multiplied by."""
        return float(self.head_width**-0.5) if self.scale is None else self.scale


@dataclass(frozen=True, slots=True)
class SSRU:
    """A simpler simple recurrent unit: output(relu(c)) with c = f * before + (1 - f) * value(x) and
    f = sigmoid(forget(x)), where c before the first token is zero.

    In place of a decoder's self-attention (Kim et al. 2019, "From Research to Production and Back",
    section 2.3).
    """

    value: Linear
    forget: Linear
    output: Linear | None = None


@dataclass(frozen=True, slots=True)
class RelativePositions:
    """What the distance between two tokens adds to the score of their attention, by head.

    As in T5 (arXiv:1910.10683, section 2.1), the same for all layers.
    """

    before: Array
    """[reach + 1, heads], for keys that are 0, 1, … tokens before the query; the last one stands
    for all that are further away."""
    behind: Array | None
    """The same for keys behind the query; row 0 is not looked at. None in a decoder."""


@dataclass(frozen=True, slots=True)
class FeedForward:
    """outer(activation(inner(x))), or outer(activation(inner(x)) * gate(x)) (arXiv:2002.05202)."""

    inner: Linear
    outer: Linear
    activation: Activation
    gate: Linear | None = None


@dataclass(frozen=True, slots=True)
class Embedding:
    """x = norm(table[ids] * scale + positions[place in the sequence])."""

    table: Array
    """[vocabulary, d_model]"""
    scale: float
    positions: Array | None
    """[longest sequence, d_model], row 0 for the first token, whatever number a toolkit's own table
    gives to it."""
    norm: Norm | None = None


@dataclass(frozen=True, slots=True)
class EncoderLayer:
    """See Transformer.norm_first for where the norms are."""

    attention: Attention
    attention_norm: Norm
    feed_forward: FeedForward
    feed_forward_norm: Norm


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    """As EncoderLayer, with attention to the encoder's output in between."""

    self_attention: Attention | SSRU
    """What looks back at the translation so far. All layers have the same kind."""
    self_attention_norm: Norm
    cross_attention: Attention
    cross_attention_norm: Norm
    feed_forward: FeedForward
    feed_forward_norm: Norm


@dataclass(frozen=True, slots=True)
class Transformer:
    """An encoder-decoder Transformer. The two sides may share arrays, which are not copied."""

    source_embedding: Embedding
    encoder: tuple[EncoderLayer, ...]
    target_embedding: Embedding
    decoder: tuple[DecoderLayer, ...]
    projection: Linear
    """[d_model, vocabulary]; a bias of -inf means that the token is never generated. Tokens at the
    table's end that are never generated may be left out."""
    norm_first: bool = False
    """Where a layer's norms are: before each part, x + part(norm(x)) (pre-norm), or behind its
    residual sum, norm(x + part(x)) (post-norm)."""
    encoder_norm: Norm | None = None
    """Behind the last layer."""
    decoder_norm: Norm | None = None
    encoder_positions: RelativePositions | None = None
    decoder_positions: RelativePositions | None = None
    large_activations: bool = False
    """Whether the residual stream or what feed-forward layers compute may be beyond float16's
    range, as in T5: then they stay in float32 in every variant."""
    alignment_layer: int = -1
    """The decoder layer whose attention to the source is shown; the last one by default."""

    @property
    def longest_source(self) -> int:
        """Most source tokens that the network has positions for."""
        positions = self.source_embedding.positions
        return NO_POSITIONS_LONGEST if positions is None else len(positions)

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


def parameters(network: object) -> int:
    """How many weights a network has; arrays in several places count once."""
    return sum(array.size for array in {id(one): one for one in _arrays(network)}.values())


def _arrays(part: object) -> Iterator[Array]:
    if isinstance(part, np.ndarray):
        yield part
    elif isinstance(part, tuple):
        for one in part:
            yield from _arrays(one)
    elif is_dataclass(part):
        for one in fields(part):
            yield from _arrays(getattr(part, one.name))


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
    """What it translates, besides each of sources into each of targets."""
    tokens: Tokens
    limits: Limits
    files: dict[str, str]
    """Source file name → SHA-256."""
    attention: bool = True
    """Whether the decoder has attention that can be shown."""
    architecture: str | None = None
    """The network in a line, for people."""
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    languages: Mapping[str, Language] = field(default_factory=dict)
    conditioning: Conditioning = field(default_factory=Conditioning)
    """As in the manifest; so are languages."""
    release: Callable[[], None] = lambda: None
    """Gives back the memory of weights that were read from mapped files; they are read again."""
