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

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from model_export.errors import UnsupportedCheckpoint
from model_export.huggingface.config import CONFIG
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
from model_export.tensors import Tensors
from model_export.texts import CheckpointText
from model_export.vocabulary_files import TEXT, TextOptions
from service.package.directory import sha256_of
from service.package.manifest import LanguagePair, Limits

KIND = "pytorch-tutorial"
SUFFIXES = (".safetensors", ".pt", ".pth")
MAX_LENGTH = 10
"""Of the tutorial: its sentences have fewer words, and no more are generated."""
START, END = "SOS", "EOS"
EMBEDDINGS = ("encoder.embedding.weight", "decoder.embedding.weight")
WITHOUT_TORCH = "save the weights with `safetensors.torch.save_file(model.state_dict(), …)`."


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
    files = {"": path}
    if path.is_dir():
        files = {f"{part}.": _file(path, part) for part in ("encoder", "decoder")}
    tensors = _open(files)
    network = _network(tensors)
    tensors.finish(())
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
        files={one.name: sha256_of(one) for one in (*files.values(), *told.files)},
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


def _open(files: Mapping[str, Path]) -> Tensors:
    """The weights under names that begin with encoder. and decoder."""
    tensors = Tensors.of_parts(files, "the rest of the model", WITHOUT_TORCH)
    beside = files[""].parent if "" in files else None
    if beside and EMBEDDINGS[0] not in tensors and (beside / CONFIG).is_file():
        raise UnsupportedCheckpoint(
            [f"{CONFIG} lies beside {files[''].name}: give the directory, {beside}."]
        )
    return tensors


def _table(tensors: Tensors, name: str) -> Array:
    """An embedding, whose size nothing else says."""
    shape = tensors.shape(name) or ()
    return tensors.take(name, (shape[0], shape[1]) if len(shape) == 2 else (1, 1))


def _linear(tensors: Tensors, name: str, inputs: int, outputs: int) -> Linear:
    """A torch.nn.Linear, which keeps [outputs, inputs]."""
    weight = tensors.take(f"{name}.weight", (outputs, inputs))
    return Linear(np.ascontiguousarray(weight.T), tensors.take(f"{name}.bias", (outputs,)))


def _network(tensors: Tensors) -> RecurrentNetwork:
    source, target = (_table(tensors, name) for name in EMBEDDINGS)
    units = source.shape[1]
    attends = any(f"decoder.attention.{part}.weight" in tensors for part in ("Wa", "Ua", "Va"))
    vocabulary = len(target)
    encoder = [
        Node(Embed(source), (SOURCE_IDS,), ("embedded",)),
        Node(Run(_gru(tensors, "encoder", units, units)), ("embedded",), ("memory", "last")),
    ]
    decoder = [Node(Embed(target), (LAST_IDS,), ("token",))]
    if attends:
        keys = _linear(tensors, "decoder.attention.Ua", units, units)
        encoder.append(Node(Dense(keys), ("memory",), ("keys",)))
        decoder += _attention(tensors, units)
    else:
        decoder.append(Node(Activate("relu"), ("token",), ("read",)))
    cell = _gru(tensors, "decoder", units * 2 if attends else units, units)
    decoder.append(Node(Advance(cell), ("read", "before"), ("state",)))
    return RecurrentNetwork(
        source_vocabulary=len(source),
        encoder=tuple(encoder),
        decoder=tuple(decoder),
        states=(State("before", units, "last", "state"),),
        output="state",
        projection=_linear(tensors, "decoder.out", units, vocabulary),
    )


def _attention(tensors: Tensors, units: int) -> list[Node]:
    """What the GRU reads: the token, and the mean of the memory for the state before."""
    scale = tensors.take("decoder.attention.Va.weight", (1, units))
    tensors.take("decoder.attention.Va.bias", (1,))  # adds the same to all scores
    query = _linear(tensors, "decoder.attention.Wa", units, units)
    attend = Attend("additive", scale=scale.reshape(-1))
    return [
        Node(Dense(query), ("before",), ("query",)),
        Node(attend, ("query", "keys", "memory"), ("context",)),
        Node(Join(), ("token", "context"), ("read",)),
    ]


def _gru(tensors: Tensors, half: str, inputs: int, units: int) -> Cell:
    """PyTorch orders the gates r, z, n."""
    linears = []
    for kind, width in (("ih", inputs), ("hh", units)):
        weight = tensors.take(f"{half}.gru.weight_{kind}_l0", (3 * units, width))
        bias = tensors.take(f"{half}.gru.bias_{kind}_l0", (3 * units,))
        linears.append(Linear(_ours(weight.T), _ours(bias)))
    return Cell("gru", linears[0], linears[1])


def _ours(array: Array) -> Array:
    r, z, n = np.split(array, 3, axis=-1)
    return np.concatenate([z, r, n], axis=-1)
