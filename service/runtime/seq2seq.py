"""An encoder and a decoder graph as a Seq2SeqModel.

The graphs' inputs and outputs are described in model_export.graph.encoder and .decoder. What the
encoder calls memory.* and state.* is handed on by name; nothing here knows how many layers a model
has or of which kind they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime

from service.decoding.model import Candidates, Ids, StepInput
from service.decoding.search import Target
from service.package.directory import ModelDirectory
from service.package.manifest import Variant
from service.runtime.session import Graph, Values
from service.settings import RuntimeSettings

ENCODER_INPUTS = ("source_ids", "source_lengths")
STEP_INPUTS = (
    "last_ids",
    "positions",
    "parents",
    "places",
    "row_places",
    "biased",
    "biases",
    "candidates",
)
STEP_OUTPUTS = ("log_probs", "ids")
NEW = "new_"
"""A decoder gives the next step's state.* as new_state.*."""

MIN_WIDTH = 2
"""Least places per sentence and least source length. ONNX Runtime multiplies matrices of one row
by another kernel, whose last digit differs; with two at least, a sentence's result can't depend
on how wide or long its company is."""


@dataclass(frozen=True, slots=True)
class OnnxSeq2Seq:
    """The graphs of one variant. Used by one thread."""

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
        handed_on = encoder.outputs
        state = [name for name in handed_on if name.startswith("state.")]
        encoder.require(ENCODER_INPUTS, [], directory.file(variant.encoder))
        decoder.require(
            [*STEP_INPUTS, *handed_on],
            [*STEP_OUTPUTS, *(NEW + name for name in state)],
            directory.file(variant.decoder),
        )
        tokens, limits = directory.manifest.tokens, directory.manifest.limits
        target = Target(
            tokens.start, tokens.end, limits.target_vocabulary, limits.max_target_tokens
        )
        return cls(encoder, decoder, tokens.padding, target)

    @property
    def provider(self) -> str:
        """The execution provider that runs the graphs."""
        return self.decoder.provider

    def encode(self, source_ids: list[tuple[int, ...]]) -> OnnxDecoding:
        """Encode a batch of sentences, padded to the longest."""
        lengths = np.array([len(ids) for ids in source_ids], np.int64)
        padded = np.full((len(source_ids), max(MIN_WIDTH, lengths.max())), self.padding, np.int64)
        for row, ids in zip(padded, source_ids, strict=True):
            row[: len(ids)] = ids
        values = self.encoder.run({"source_ids": padded, "source_lengths": lengths}, {})
        return OnnxDecoding(self.decoder, values, len(source_ids))


class OnnxDecoding:
    """A batch being decoded; its memory and state stay on the device."""

    def __init__(self, decoder: Graph, values: Values, sentences: int) -> None:
        self._decoder = decoder
        self._values = values
        self._sentences = sentences

    def step(self, step: StepInput) -> Candidates:
        """Advance the rows by one token."""
        places, row_places = _places(step.sentences, self._sentences)
        outputs = self._decoder.run(
            {
                "last_ids": step.last_ids,
                "positions": step.positions,
                "parents": step.parents,
                "places": places,
                "row_places": row_places,
                "biased": step.biased,
                "biases": step.biases,
                "candidates": np.array([step.candidates], np.int64),
            },
            self._values,
        )
        for name in outputs:
            if name.startswith(NEW):
                self._values[name.removeprefix(NEW)] = outputs[name]
        return Candidates(log_probs=outputs["log_probs"].numpy(), ids=outputs["ids"].numpy())

    def keep(self, sentences: Ids) -> None:
        """Forget the memory of all sentences but these."""
        for name, value in self._values.items():
            if name.startswith("memory."):
                kept = value.numpy()[sentences]
                self._values[name] = onnxruntime.OrtValue.ortvalue_from_numpy(
                    kept, value.device_name()
                )
        self._sentences = len(sentences)


def _places(sentences: Ids, count: int) -> tuple[Ids, Ids]:
    """Lay rows out as [sentence, place]; see model_export.graph.decoder.

    sentences: (rows,) ascending. Returns places, (count, width), and row_places, (rows,).
    """
    rows = np.arange(len(sentences))
    first = np.searchsorted(sentences, sentences)  # (rows,) first row of each row's sentence
    place = rows - first
    width = max(MIN_WIDTH, int(place.max()) + 1)
    places = np.zeros((count, width), np.int64)
    places[sentences, place] = rows
    return places, sentences * width + place
