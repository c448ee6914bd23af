"""Networks in plain numpy: no cache, no batch, no ONNX. The oracle of every export.

One file for each kind of network; this is the only place that tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from model_export.recurrent_spec import RecurrentNetwork
from model_export.reference import recurrent, transformer
from model_export.spec import Array, Network, Transformer

Memory = Any
"""What encode() made of a sentence, for log_probs() of the same network."""


@singledispatch
def encode(network: Network, source_ids: Sequence[int]) -> Memory:
    """What the encoder makes of one sentence."""
    raise NotImplementedError(type(network).__name__)


@singledispatch
def log_probs(network: Network, memory: Memory, target_ids: Sequence[int]) -> Array:
    """Log-probabilities of the token after each target token: [target, vocabulary].

    memory: encode()'s result. target_ids: begins with the start token.
    """
    raise NotImplementedError(type(network).__name__)


encode.register(Transformer)(transformer.encode)
encode.register(RecurrentNetwork)(recurrent.encode)
log_probs.register(Transformer)(transformer.log_probs)
log_probs.register(RecurrentNetwork)(recurrent.log_probs)


def greedy(
    network: Network, source_ids: Sequence[int], start: int, end: int, max_length: int
) -> list[int]:
    """The most likely next token, again and again; without start and end."""
    memory = encode(network, source_ids)
    target = [start]
    for step in range(max_length):
        scores = log_probs(network, memory, target)[-1]
        if step == 0:
            scores[end] = -np.inf  # min_decoding_length is 1
        target.append(int(scores.argmax()))
        if target[-1] == end:
            return target[1:-1]
    return target[1:]
