"""The translation model of PyTorch's tutorial "NLP From Scratch: Translation with a Sequence to
Sequence Network and Attention": a GRU that reads, and a GRU that writes, with Bahdanau's attention
or without.

    encoder.safetensors  decoder.safetensors      (or .pt: torch.save(model.state_dict(), …))

Or one file with names that begin with `encoder.` and `decoder.`. The word lists are index2word of
the tutorial's Lang, named on the command line; 0 is SOS and 1 is EOS.

Attention asks with the state after the step before, and the GRU reads what it answered beside the
last token. Sources are not padded, as in the tutorial's evaluate().
"""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from model_export.errors import UnsupportedCheckpoint
from model_export.recurrent_spec import (
    LAST_IDS,
    SOURCE_IDS,
    Activate,
    Advance,
    Attend,
    Cell,
    Dense,
    Embed,
    Join,
    Node,
    RecurrentNetwork,
    Run,
    State,
)
from model_export.spec import Array, Checkpoint, Linear
from model_export.texts import CheckpointText
from model_export.vocabulary_files import TEXT, TextOptions
from service.package.directory import sha256_of
from service.package.manifest import LanguagePair, Limits

KIND = "pytorch-tutorial"
SUFFIXES = (".safetensors", ".pt", ".pth")
MAX_LENGTH = 10
"""Of the tutorial: its sentences have fewer words, and no more are generated."""
START, END = "SOS", "EOS"
FLOATS = ("float16", "float32", "float64")


def recognises(path: Path) -> bool:
    """Whether it is a file of weights, or a directory with those of an encoder and a decoder."""
    if path.is_file():
        return path.suffix in SUFFIXES
    return all(_files(path, part) for part in ("encoder", "decoder"))


def load(path: Path, pairs: tuple[LanguagePair, ...], told: TextOptions) -> Checkpoint:
    """Read the weights.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    files = [path] if path.is_file() else [_file(path, part) for part in ("encoder", "decoder")]
    weights = _Weights({})
    for file in files:
        prefix = "" if path.is_file() else f"{file.stem}."
        weights.tensors |= {f"{prefix}{name}": one for name, one in _read(file).items()}
    network = _network(weights)
    weights.finish()
    told = replace(
        told,
        start=told.start or START,
        end=told.end or END,
        source_template=told.source_template or f"{TEXT} {told.end or END}",
        standardization=told.standardization or "pytorch-tutorial",
    )
    sizes = network.source_vocabulary, network.projection.bias.size
    text = CheckpointText.read(sizes, {}, told)
    text.check(pairs)
    source, target = text.tokenizers()
    return Checkpoint(
        kind=KIND,
        family="recurrent",
        network=network.never(text.never()),
        source_tokenizer=source,
        target_tokenizer=target,
        pairs=pairs,
        tokens=text.tokens(),
        limits=Limits(
            max_source_tokens=MAX_LENGTH, max_target_tokens=MAX_LENGTH, target_vocabulary=sizes[1]
        ),
        files={one.name: sha256_of(one) for one in (*files, *told.files)},
        attention=network.attention is not None,
        architecture=network.summary(),
    )


def _files(path: Path, part: str) -> list[Path]:
    return [one for suffix in SUFFIXES if (one := path / f"{part}{suffix}").is_file()]


def _file(path: Path, part: str) -> Path:
    found = _files(path, part)
    if len(found) > 1:
        names = " and ".join(one.name for one in found)
        raise UnsupportedCheckpoint([f"{path} holds {names}; leave one of them there."])
    return found[0]


def _read(file: Path) -> dict[str, Array]:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        return _read_torch(file)
    except (SafetensorError, OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        raise UnsupportedCheckpoint([f"{file.name} can't be read: {error}."]) from error


def _read_torch(file: Path) -> dict[str, Array]:
    if importlib.util.find_spec("torch") is None:
        raise UnsupportedCheckpoint(
            [
                f"{file.name} needs torch, which is not installed. Save the weights with "
                "safetensors.torch.save_file(model.state_dict(), …) instead."
            ]
        )
    import torch

    content: Any = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping) or not all(map(torch.is_tensor, content.values())):
        raise UnsupportedCheckpoint([f"{file.name} is no state dict: names and tensors."])
    return {name: tensor.numpy() for name, tensor in content.items()}


class _Weights:
    """Hands out tensors by name. A fault gives zeros and is remembered until finish()."""

    def __init__(self, tensors: dict[str, Array]) -> None:
        self.tensors = tensors
        self._taken: set[str] = set()
        self._problems: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def table(self, name: str) -> Array:
        """An embedding, whose size nothing else says."""
        shape = self.tensors[name].shape if name in self.tensors else (1, 1)
        return self.take(name, shape if len(shape) == 2 else (1, 1))

    def take(self, name: str, shape: tuple[int, ...]) -> Array:
        """The tensor of this name in float32."""
        self._taken.add(name)
        found = self.tensors.get(name)
        if found is None:
            self._problems.append(f"{name} is missing.")
        elif found.shape != shape:
            self._problems.append(f"{name} has shape {list(found.shape)} and not {list(shape)}.")
        elif found.dtype.name not in FLOATS or not np.isfinite(found).all():
            self._problems.append(f"{name} must hold finite numbers of {', '.join(FLOATS)}.")
        else:
            return found.astype(np.float32)
        return np.zeros(shape, np.float32)

    def linear(self, name: str, inputs: int, outputs: int) -> Linear:
        """A torch.nn.Linear, which keeps [outputs, inputs]."""
        weight = self.take(f"{name}.weight", (outputs, inputs))
        return Linear(np.ascontiguousarray(weight.T), self.take(f"{name}.bias", (outputs,)))

    def finish(self) -> None:
        """Raises UnsupportedCheckpoint: something was wrong, or is left over."""
        left = sorted(set(self.tensors) - self._taken)
        problems = self._problems + [
            f"{name} is not part of the tutorial's model." for name in left
        ]
        if problems:
            raise UnsupportedCheckpoint(problems)


def _network(weights: _Weights) -> RecurrentNetwork:
    source, target = (weights.table(f"{half}.embedding.weight") for half in ("encoder", "decoder"))
    units = source.shape[1]
    attends = any(name.startswith("decoder.attention.") for name in weights.tensors)
    vocabulary = len(target)
    encoder = [
        Node(Embed(source), (SOURCE_IDS,), ("embedded",)),
        Node(Run(_gru(weights, "encoder", units, units)), ("embedded",), ("memory", "last")),
    ]
    decoder = [Node(Embed(target), (LAST_IDS,), ("token",))]
    if attends:
        keys = weights.linear("decoder.attention.Ua", units, units)
        encoder.append(Node(Dense(keys), ("memory",), ("keys",)))
        decoder += _attention(weights, units)
    else:
        decoder.append(Node(Activate("relu"), ("token",), ("read",)))
    cell = _gru(weights, "decoder", units * 2 if attends else units, units)
    decoder.append(Node(Advance(cell), ("read", "before"), ("state",)))
    return RecurrentNetwork(
        source_vocabulary=len(source),
        encoder=tuple(encoder),
        decoder=tuple(decoder),
        states=(State("before", units, "last", "state"),),
        output="state",
        projection=weights.linear("decoder.out", units, vocabulary),
    )


def _attention(weights: _Weights, units: int) -> list[Node]:
    """What the GRU reads: the token, and the mean of the memory for the state before."""
    scale = weights.take("decoder.attention.Va.weight", (1, units))
    weights.take("decoder.attention.Va.bias", (1,))  # adds the same to all scores
    query = weights.linear("decoder.attention.Wa", units, units)
    attend = Attend("additive", scale=scale.reshape(-1))
    return [
        Node(Dense(query), ("before",), ("query",)),
        Node(attend, ("query", "keys", "memory"), ("context",)),
        Node(Join(), ("token", "context"), ("read",)),
    ]


def _gru(weights: _Weights, half: str, inputs: int, units: int) -> Cell:
    """PyTorch orders the gates r, z, n."""
    linears = []
    for kind, width in (("ih", inputs), ("hh", units)):
        weight = weights.take(f"{half}.gru.weight_{kind}_l0", (3 * units, width))
        bias = weights.take(f"{half}.gru.bias_{kind}_l0", (3 * units,))
        linears.append(Linear(_ours(weight.T), _ours(bias)))
    return Cell("gru", linears[0], linears[1])


def _ours(array: Array) -> Array:
    r, z, n = np.split(array, 3, axis=-1)
    return np.concatenate([z, r, n], axis=-1)
