"""Which values flow through a network: the range of every product's input on sample sentences.

Post-training static quantisation with the least and the greatest value of each channel that was
seen (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 3). The sentences are translated in fp32 as the service
translates them, with its text handling and its search.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from model_export import graph, package
from model_export.graph import Ranges
from model_export.graph.precision import Range
from model_export.spec import Checkpoint, Network
from service.decoding.model import Candidates, StepInput
from service.decoding.search import Target, decode
from service.domain import DecodingOptions
from service.package.manifest import LanguagePair
from service.runtime.batch import Encode, OnnxDecoding, names
from service.runtime.seq2seq import OnnxSeq2Seq
from service.runtime.session import Array, Graph
from service.settings import RuntimeSettings
from service.text.pipeline import TextPipeline
from service.text.tokenizer import Tokenizer

BATCH = 16
BEAM_SIZE = 4
"""What hypotheses that do not win compute must fit as well."""


def observe(
    checkpoint: Checkpoint, tokenizer: Tokenizer, pair: LanguagePair, sentences: Sequence[str]
) -> Ranges:
    """Translate sentences and return the ranges that were seen; longer ones are left out.

    tokenizer: the one that was written for the checkpoint; pair: what is translated.
    """
    tokens, limits = checkpoint.tokens, checkpoint.limits
    text = TextPipeline(
        tokenizer, limits.max_source_tokens, checkpoint.conditioning, checkpoint.languages
    )
    encoded = (text.encode_whole(sentence, pair) for sentence in sentences)
    target = Target(tokens.start, tokens.end, limits.target_vocabulary, limits.max_target_tokens)
    fitting = [ids for ids in encoded if ids]
    return observe_ids(checkpoint.network, fitting, target, text.start(pair))


def observe_ids(
    network: Network,
    source_ids: Sequence[tuple[int, ...]],
    target: Target,
    start: tuple[int, ...] = (),
) -> Ranges:
    """The same for sentences in token ids. start: what translations are made to begin with."""
    with tempfile.TemporaryDirectory() as folder:
        author = partial(graph.build_observed, network)
        written = package.write_network(Path(folder), "observed", network, author)
        settings = RuntimeSettings(replicas=1)
        encoder, decoder = (Graph(Path(folder) / file, settings) for file in written[:2])
    observed = _Observed(OnnxSeq2Seq(encoder, decoder, target.end, target))
    options = DecodingOptions(beam_size=BEAM_SIZE, start=start)
    by_length = sorted(source_ids, key=len)
    for first in range(0, len(by_length), BATCH):
        some = by_length[first : first + BATCH]
        decode(observed, some, [options] * len(some), target)
    return Ranges(observed.encoder.ranges, observed.decoder.ranges)


class _Widest:
    """The widest range of each channel of each of a graph's products."""

    def __init__(self, graph: Graph) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {
            name: tuple(graph.outputs[name].shape) for name in names(graph.outputs, "range.")
        }
        # Zero is in every range.
        self._bounds = {name: np.zeros(shape, np.float32) for name, shape in self.shapes.items()}

    def see(self, outputs: dict[str, Array]) -> None:
        """Take the outputs of a run in."""
        for name, bounds in self._bounds.items():
            np.minimum(bounds[0], outputs[name][0], out=bounds[0])
            np.maximum(bounds[1], outputs[name][1], out=bounds[1])

    @property
    def ranges(self) -> tuple[Range, ...]:
        return tuple((bounds[0], bounds[1]) for bounds in self._bounds.values())


class _Observed:
    """A model that is watched while it translates."""

    def __init__(self, model: OnnxSeq2Seq) -> None:
        self._model = model
        self.encoder = _Widest(model.encoder)
        self.decoder = _Widest(model.decoder)

    def begin(self) -> OnnxDecoding:
        return _ObservedDecoding(self._model.decoder, self._encode, self.decoder)

    def _encode(self, source_ids: list[tuple[int, ...]]) -> dict[str, Array]:
        outputs = self._model.run_encoder(source_ids)
        self.encoder.see(outputs)
        return outputs


class _ObservedDecoding(OnnxDecoding):
    def __init__(self, decoder: Graph, encode: Encode, widest: _Widest) -> None:
        super().__init__(decoder, encode)
        self._widest = widest

    def step(self, step: StepInput) -> Candidates:
        for name, shape in self._widest.shapes.items():
            self.binding.fetch(name, shape)
        found = super().step(step)
        self._widest.see(self.binding.fetched)
        return found
