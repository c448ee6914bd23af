"""An encoder and a decoder graph as a Seq2SeqModel.

The graphs' inputs and outputs are described in model_export.graph.encoder and .decoder. What the
encoder calls memory.* and state.* is handed on by name; nothing here knows how many layers a model
has or of which kind they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.decoding.model import Target
from service.package.directory import ModelDirectory
from service.package.manifest import Variant
from service.runtime.batch import MIN_SOURCE, STEP_INPUTS, STEP_OUTPUTS, OnnxDecoding, names
from service.runtime.extras import EXTRA_INPUTS, EXTRA_OUTPUTS
from service.runtime.session import Array, Graph
from service.settings import RuntimeSettings

ENCODER_INPUTS = ("source_ids", "source_lengths")


@dataclass(frozen=True, slots=True)
class OnnxSeq2Seq:
    """The graphs of one variant. Any number of threads may begin batches, each its own."""

    encoder: Graph
    decoder: Graph
    padding: int
    target: Target
    """What a search with this model has to know."""

    @classmethod
    def load(
        cls, directory: ModelDirectory, variant: Variant, settings: RuntimeSettings
    ) -> OnnxSeq2Seq:
        """Load a variant of a model directory whose files were checked.

        Raises:
            ProviderUnavailable: the device that was asked for can't be used.
            InvalidPackage: a graph can't be loaded or breaks the contract.
        """
        encoder = Graph(directory.file(variant.encoder), settings)
        decoder = Graph(directory.file(variant.decoder), settings)
        encoder.require(ENCODER_INPUTS, [], directory.file(variant.encoder))
        handed_on = [*names(encoder.outputs, "memory."), *names(encoder.outputs, "state.")]
        kept = [*names(decoder.inputs, "cache."), *names(decoder.inputs, "state.")]
        decoder.require(
            [*STEP_INPUTS, *EXTRA_INPUTS, *handed_on],
            [*STEP_OUTPUTS, *EXTRA_OUTPUTS, *(f"new_{name}" for name in kept)],
            directory.file(variant.decoder),
        )
        tokens, limits = directory.manifest.tokens, directory.manifest.limits
        target = Target(
            tokens.start,
            tokens.end,
            limits.target_vocabulary,
            limits.max_target_tokens,
            tokens.unknown,
            directory.manifest.attention,
        )
        return cls(encoder, decoder, tokens.padding, target)

    @property
    def provider(self) -> str:
        """The execution provider that runs the graphs."""
        return self.decoder.provider

    def begin(self) -> OnnxDecoding:
        """A batch that sentences can join."""
        return OnnxDecoding(self.decoder, self.run_encoder)

    def encode(self, source_ids: list[tuple[int, ...]]) -> OnnxDecoding:
        """A batch of these sentences, numbered 0, 1, …"""
        decoding = self.begin()
        decoding.join(source_ids)
        return decoding

    def run_encoder(self, source_ids: list[tuple[int, ...]]) -> dict[str, Array]:
        """Run the encoder on sentences, padded to the longest."""
        lengths = np.array([len(ids) for ids in source_ids], np.int64)
        padded = np.full((len(source_ids), max(MIN_SOURCE, lengths.max())), self.padding, np.int64)
        for row, ids in zip(padded, source_ids, strict=True):
            row[: len(ids)] = ids
        return self.encoder.run({"source_ids": padded, "source_lengths": lengths})
