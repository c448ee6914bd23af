"""The network of M2M-100, which NLLB shares."""

from __future__ import annotations

from model_export.huggingface.config import Config
from model_export.huggingface.layers import BartLike, BartLikeWeights, fairseq_positions
from model_export.spec import Transformer
from model_export.tensors import Tensors
from service.package.manifest import Tokens

IGNORED_TENSORS = (
    "model.encoder.embed_positions.weights",
    "model.decoder.embed_positions.weights",
)
"""Position tables that config.json determines."""


def shape_of(config: Config) -> BartLike:
    """What config.json says of the network; faults are noted in it."""
    return BartLike.of(config, "relu", scaled=True)


def network(shape: BartLike, tokens: Tokens, tensors: Tensors) -> Transformer:
    """Build it. The first token has the position behind that of padding."""
    table = fairseq_positions(shape.longest, shape.width, first=tokens.padding + 1)
    return BartLikeWeights(shape, tensors).network(
        (table, table), norm_first=True, embedding_norm=False, final_norm=True, logits_bias=False
    )
