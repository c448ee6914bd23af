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
from service.runtime.batch import (
    LEAST_ROWS,
    MIN_SOURCE,
    STEP_INPUTS,
    STEP_OUTPUTS,
    OnnxDecoding,
    names,
)
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
    least_rows: int = 1
    """As OnnxDecoding has it."""

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
        manifest = directory.manifest
        least_rows = LEAST_ROWS.get(variant.precision, 1)
        target = Target.of(manifest)
        return cls(encoder, decoder, manifest.tokens.padding, target, least_rows)

    @property
    def provider(self) -> str:
        """The execution provider that runs the graphs."""
        return self.decoder.provider

    def begin(self) -> OnnxDecoding:
        """A batch that sentences can join."""
        return OnnxDecoding(self.decoder, self.run_encoder, self.least_rows)

    def encode(self, source_ids: list[tuple[int, ...]]) -> OnnxDecoding:
        """A batch of these sentences, numbered 0, 1, …"""
        decoding = self.begin()
        decoding.join(source_ids)
        return decoding

    def run_encoder(self, source_ids: list[tuple[int, ...]]) -> dict[str, Array]:
        """Run the encoder on sentences, padded to the longest."""
        count = len(source_ids)
        if sum(map(len, source_ids)) < self.least_rows:  # its rows are tokens
            source_ids = source_ids * self.least_rows
        lengths = np.array([len(ids) for ids in source_ids], np.int64)
        padded = np.full((len(source_ids), max(MIN_SOURCE, lengths.max())), self.padding, np.int64)
        for row, ids in zip(padded, source_ids, strict=True):
            row[: len(ids)] = ids
        found = self.encoder.run({"source_ids": padded, "source_lengths": lengths})
        return {name: array[:count] for name, array in found.items()}
