"""special:model.yml: what Marian's options say of the network.

What its Transformer (src/models/transformer.h) reads is read here, or refused by its name; so is
what nobody knows, unless its value can't turn anything on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from model_export.huggingface.config import Config
from model_export.marian.npz import MODEL_OPTIONS
from model_export.marian.yaml_files import mapping
from model_export.spec import Activation

ACTIVATIONS: dict[str, Activation] = {"swish": "swish", "relu": "relu", "gelu": "gelu"}
LAST_WITH_GELU_BY_SIGMOID = (1, 12, 2)
"""Later versions of Marian compute gelu by the error function."""
_OTHERS = """
    bert-train-type-embeddings bert-type-vocab-size dec-cell-base-depth dec-cell-high-depth dim-rnn
    embedding-fix-src embedding-fix-trg enc-cell enc-cell-depth enc-type separator-symbol skip
    transformer-aan-activation transformer-aan-depth transformer-aan-nogate
    transformer-alibi-shift transformer-alibi-trainable transformer-depth-scaling
    transformer-dim-aan ulr-dim-emb ulr-trainable-transformation
"""
HARMLESS = frozenset(_OTHERS.split())
"""Options of other networks and of training, which leave a Transformer without average attention as
it is. transformer-depth-scaling is about the weights that training begins with."""
SUPPORTED: dict[str, tuple[object, ...]] = {
    "factors-combine": ("sum",),
    "factors-dim-emb": (0,),
    "input-types": ([], ["sequence", "sequence"]),
    "lemma-dependency": ("",),
    "lemma-dim-emb": (0,),
    "right-left": (False,),
    "special-vocab": ([],),
    "transformer-attention-mask": ("default",),
    "transformer-decoder-ffn-depth": (0, 2),
    "transformer-ffn-depth": (2,),
    "transformer-no-affine": (False,),
    "transformer-no-bias": (False,),
    "transformer-no-projection": (False,),
    "transformer-pool": (False,),
    "transformer-train-position-embeddings": (False,),
    "transformer-train-positions": (False,),
    "ulr": (False,),
}
"""The only values of options that would change what is computed."""
NormLetter = Literal["", "n", "r"]
"""Layer norm, RMS norm or none, as in transformer-preprocess and the like."""
_LAYERS: dict[tuple[str, str], tuple[NormLetter, bool]] = {
    ("", "an"): ("n", False),
    ("", "ar"): ("r", False),
    ("n", "a"): ("n", True),
    ("r", "a"): ("r", True),
}
"""Operations before and behind a part of a layer, without dropout → its norm, and whether it comes
first."""


@dataclass(frozen=True, slots=True)
class Tied:
    """Which embeddings are the same."""

    sources: bool
    """Those of the source and of the target."""
    output: bool
    """Those of the target and the output matrix."""


@dataclass(frozen=True, slots=True)
class Options:
    """A network's shape."""

    vocabularies: tuple[int, int]
    """Tokens of the source and of the target."""
    width: int
    heads: int
    inner: tuple[int, int]
    """Of the feed-forward layers of the encoder and of the decoder."""
    activation: Activation
    encoder_layers: int
    decoder_layers: tuple[int, ...]
    """The number of each layer's weights, from 1; layers may share them."""
    recurrent: bool
    """Whether the decoder has SSRUs instead of self-attention."""
    recurrent_output: bool
    """Whether a matrix follows on them."""
    norm: NormLetter
    norm_first: bool
    embedding_norm: NormLetter
    final_norm: NormLetter
    tied: Tied
    output_bias: bool
    positions: bool
    alignment_layer: int

    @classmethod
    def read(cls, text: str) -> tuple[Options, list[str]]:
        """Options, and what is wrong with them.

        Raises:
            UnsupportedCheckpoint: text is no YAML of plain values.
        """
        config = Config(mapping(text, MODEL_OPTIONS), MODEL_OPTIONS, HARMLESS)
        options = _read(config)
        config.check_unknown()
        return options, config.problems


def _read(config: Config) -> Options:
    _kind(config)
    for name, values in SUPPORTED.items():
        config.require(name, *values)
    config.divides("dim-emb", "transformer-heads")
    depth = config.size("dec-depth")
    recurrent = _recurrent(config)
    norm, norm_first = _norms(config)
    every = config.flag("tied-embeddings-all", False)
    inner = config.size("transformer-dim-ffn")
    return Options(
        vocabularies=_vocabularies(config),
        width=config.size("dim-emb"),
        heads=config.size("transformer-heads"),
        inner=(inner, _whole(config, "transformer-decoder-dim-ffn") or inner),
        activation=_activation(config),
        encoder_layers=config.size("enc-depth"),
        decoder_layers=_decoder_layers(config, depth),
        recurrent=recurrent,
        recurrent_output=config.flag("transformer-rnn-projection", False),
        norm=norm,
        norm_first=norm_first,
        embedding_norm=_letter(config, "transformer-postprocess-emb"),
        final_norm=_letter(config, "transformer-postprocess-top"),
        tied=Tied(
            sources=config.flag("tied-embeddings-src", False) or every,
            output=config.flag("tied-embeddings", False) or every,
        ),
        output_bias=not config.flag("output-omit-bias", False),
        positions=not config.flag("transformer-disable-position-embeddings", False),
        alignment_layer=_alignment_layer(config, depth),
    )


def _kind(config: Config) -> None:
    if config.get("type") != "transformer":
        config.fault(f"type is {config.get('type')!r}; supported: 'transformer'")


def _activation(config: Config) -> Activation:
    """As the version of Marian that wrote the file computed it."""
    activation = config.choice("transformer-ffn-activation", ACTIVATIONS, "swish")
    version = re.match(r"v(\d+)\.(\d+)\.(\d+)", str(config.get("version")))
    old = version is not None and tuple(map(int, version.groups())) <= LAST_WITH_GELU_BY_SIGMOID
    return "gelu_sigmoid" if activation == "gelu" and old else activation


def _recurrent(config: Config) -> bool:
    kinds = {"self-attention": False, "rnn": True}
    recurrent = config.choice("transformer-decoder-autoreg", kinds, "self-attention")
    cell = config.get("dec-cell")
    normed = config.flag("layer-normalization", False)
    if recurrent and cell != "ssru":
        config.fault(f"dec-cell is {cell!r}; supported: 'ssru'")
    if recurrent and normed:
        config.fault("layer-normalization is True; supported in decoders of SSRUs: False")
    return recurrent


def _norms(config: Config) -> tuple[NormLetter, bool]:
    before = _operations(config, "transformer-preprocess", "")
    behind = _operations(config, "transformer-postprocess", "dan")
    found = _LAYERS.get((before, behind))
    if found is None:
        config.fault(
            f"transformer-preprocess is {before!r} and transformer-postprocess {behind!r} without "
            "dropout; supported: '' with 'an' or 'ar', 'n' or 'r' with 'a'"
        )
        return "n", False
    return found


def _letter(config: Config, name: str) -> NormLetter:
    letters: dict[str, NormLetter] = {"": "", "n": "n", "r": "r"}
    operations = _operations(config, name, "")
    if operations not in letters:
        config.fault(f"{name} is {operations!r} without dropout; supported: '', 'n', 'r'")
    return letters.get(operations, "")


def _operations(config: Config, name: str, default: str) -> str:
    """Without d, which is dropout."""
    value = config.get(name)
    return str(default if value is None else value).replace("d", "")


def _vocabularies(config: Config) -> tuple[int, int]:
    sizes = config.get("dim-vocabs")
    if isinstance(sizes, list) and [type(size) for size in sizes] == [int, int] and min(sizes) > 1:
        return sizes[0], sizes[1]
    config.fault(f"dim-vocabs must be the sizes of two vocabularies, not {sizes!r}")
    return 1, 1


def _whole(config: Config, name: str) -> int:
    value = config.get(name)
    return 0 if value in (None, 0) else config.size(name)


def _decoder_layers(config: Config, depth: int) -> tuple[int, ...]:
    own = tuple(range(1, depth + 1))
    tied = config.get("transformer-tied-layers")
    if tied in (None, []):
        return own
    if isinstance(tied, list) and len(tied) == depth and all(one in own for one in tied):
        return tuple(tied)
    config.fault(f"transformer-tied-layers {tied!r} does not name a layer for each of {depth}")
    return own


def _alignment_layer(config: Config, depth: int) -> int:
    """From 0."""
    layer = config.get("transformer-guided-alignment-layer")
    if layer in (None, "last"):
        return depth - 1
    if str(layer).isdecimal() and 1 <= int(layer) <= depth:
        return int(layer) - 1
    name = "transformer-guided-alignment-layer"
    config.fault(f"{name} is {layer!r}; supported: 'last', or a layer from 1 to {depth}")
    return depth - 1
