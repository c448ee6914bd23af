"""The Transformer of fairseq, whose weights are named as in transformers' BART, which came from it.

As in fairseq/models/transformer and fairseq/modules/transformer_layer.py of fairseq 0.12.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from model_export.huggingface.layers import SIDES, BartLike, BartLikeWeights, fairseq_positions
from model_export.spec import Array, Embedding, Linear, Transformer
from model_export.tensors import Tensors

FIRST = 2
"""The first token's position: that behind the padding token's id."""
FAST_PATH = ("in_proj", "out_proj", "fc1", "fc2")
"""What fairseq 0.12 keeps copies of for PyTorch's own encoder layer."""


@dataclass(frozen=True, slots=True)
class FairseqShape:
    """What args or cfg say of the network."""

    bart_like: BartLike
    """But for its vocabulary and its longest sequence."""
    vocabularies: tuple[int, int]
    """Of the source and the target; so are the next two."""
    longest: tuple[int, int]
    learned: tuple[bool, bool]
    """Whether positions are a table of weights, and not sinusoids."""
    positions: bool
    norm_first: bool
    embedding_norm: bool
    final_norms: tuple[bool, bool]
    shared: bool
    """Whether both sides have the same table."""

    @property
    def ignored(self) -> set[str]:
        """Names of tensors that are no weights, or copies of some."""
        names = {f"{side}.version" for side in SIDES}
        names |= {
            f"{side}.embed_positions.{one}"
            for side in SIDES
            for one in ("weights", "_float_tensor")
        }
        return names | {
            f"encoder.layers.{index}.{one}_{kind}"
            for index in range(self.bart_like.layers[0])
            for one in FAST_PATH
            for kind in ("weight", "bias")
        }


class FairseqWeights(BartLikeWeights):
    """Builds the parts of a network from its tensors."""

    prefix = ""

    def __init__(self, shape: FairseqShape, tensors: Tensors) -> None:
        super().__init__(shape.bart_like, tensors)
        self._shape = shape

    def transformer(self) -> Transformer:
        """The whole network."""
        shape = self._shape
        found = self.network(
            (None, None),
            norm_first=shape.norm_first,
            embedding_norm=shape.embedding_norm,
            final_norm=False,
            logits_bias=False,
        )
        source, target = found.source_embedding, found.target_embedding
        norms = [
            self.norm(f"{side}.layer_norm") if wanted else None
            for side, wanted in zip(SIDES, shape.final_norms, strict=True)
        ]
        return replace(
            found,
            source_embedding=self._placed(source, 0),
            target_embedding=self._placed(target, 1),
            encoder_norm=norms[0],
            decoder_norm=norms[1],
        )

    def table(self, name: str) -> Array:
        """The source's or the target's."""
        shape, (source, target) = self._shape, (f"{side}.embed_tokens.weight" for side in SIDES)
        size = shape.vocabularies[0 if name == source else 1]
        if shape.shared and name == target and name not in self.tensors:
            name = source
        found = self.tensors.take(name, (size, shape.bart_like.width))
        if name == target and shape.shared:
            first = self.table(source)
            return first if np.array_equal(first, found) else found
        return found

    def projection(self, bias: bool) -> Linear:
        """Of the decoder's output to logits; fairseq has no bias."""
        name = "decoder.output_projection.weight"
        table, size = self.table("decoder.embed_tokens.weight"), self._shape.vocabularies[1]
        added = np.zeros(size, np.float32)
        if self._shape.bart_like.tied and name not in self.tensors:
            return Linear(table.T, added)
        own = self.tensors.take(name, (size, self._shape.bart_like.width))
        return Linear(table.T if np.array_equal(own, table) else own.T, added)

    def _placed(self, embedding: Embedding, side: int) -> Embedding:
        """With positions, if there are any."""
        shape = self._shape
        if not shape.positions:
            return embedding
        length, width = shape.longest[side], shape.bart_like.width
        if shape.learned[side]:
            name = f"{SIDES[side]}.embed_positions.weight"
            table = self.tensors.take(name, (length + FIRST, width))[FIRST:]
        else:
            table = fairseq_positions(length, width, FIRST)
        return replace(embedding, positions=table)
