"""Write a model directory: beside its destination first, then renamed into place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from model_export.errors import DestinationExists
from model_export.graph import IN_GRAPH, Graphs
from model_export.graph.weights import WeightFile, Weights
from model_export.spec import Checkpoint, Network, parameters
from service.package.directory import sha256_of
from service.package.manifest import MANIFEST_NAME, File, Manifest, Tokenizers

SOURCE_TOKENIZER = "source.json"
TARGET_TOKENIZER = "target.json"
EXTERNAL_FROM = 2**27
"""Bytes of float32 weights from which on they are written beside the graphs."""


def require_free(destination: Path, source: Path, *, replace: bool) -> None:
    """Check that a model directory made of a checkpoint may be put there.

    Raises:
        DestinationExists: something is there and replace is False, or it is anything but an empty
            directory or a model directory, or the checkpoint is in it.
    """
    if not os.path.lexists(destination):
        return
    if not replace:
        raise DestinationExists(f"{destination} exists already; --force replaces it.")
    if source.resolve().is_relative_to(destination.resolve()):
        raise DestinationExists(f"{destination} is not replaced, as it holds the checkpoint.")
    if not _is_replaceable(destination):
        raise DestinationExists(
            f"{destination} is no model directory, so --force does not replace it."
        )


def _is_replaceable(path: Path) -> bool:
    if path.is_symlink() or not path.is_dir():
        return False
    return (path / MANIFEST_NAME).is_file() or not any(path.iterdir())


@contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """A new directory that takes the place of whatever is at the destination, when the block ends
    without an error.

    Readers see all of the old directory or all of the new one.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    staging.chmod(0o755)  # mkdtemp's 0700 would shut out a service under another user
    try:
        yield staging
        _put_in_place(staging, destination)
    finally:
        shutil.rmtree(staging, ignore_errors=True)  # gone already after the rename


def _put_in_place(staging: Path, destination: Path) -> None:
    if not destination.exists():
        os.replace(staging, destination)
        return
    retired = staging.with_name(f"{staging.name}-old")
    os.replace(destination, retired)
    os.replace(staging, destination)
    shutil.rmtree(retired)


def write_tokenizers(directory: Path, checkpoint: Checkpoint) -> Tokenizers:
    """Write the tokenizer files, one when source and target share it."""
    checkpoint.source_tokenizer.save(str(directory / SOURCE_TOKENIZER))
    if checkpoint.target_tokenizer is checkpoint.source_tokenizer:
        return Tokenizers(source=SOURCE_TOKENIZER, target=SOURCE_TOKENIZER)
    checkpoint.target_tokenizer.save(str(directory / TARGET_TOKENIZER))
    return Tokenizers(source=SOURCE_TOKENIZER, target=TARGET_TOKENIZER)


def write_network(
    directory: Path, variant: str, network: Network, author: Callable[[Weights], Graphs]
) -> tuple[str, str, list[str]]:
    """Author a network's graphs and write them; the weights of a large one go into files beside.

    Returns the names of the encoder's and the decoder's file, and of those beside them.
    """
    if 4 * parameters(network) < EXTERNAL_FROM:
        return *write_graphs(directory, variant, author(IN_GRAPH)), []
    data = [f"{part}.{variant}.onnx.data" for part in ("encoder", "decoder")]
    encoder, decoder = (WeightFile.create(directory / name) for name in data)
    with encoder as encoder_weights, decoder as decoder_weights:
        graphs = author(Weights(encoder_weights, decoder_weights))
    return *write_graphs(directory, variant, graphs), data


def write_graphs(directory: Path, variant: str, graphs: Graphs) -> tuple[str, str]:
    """Write a variant's graphs; returns the names of the encoder's and the decoder's file."""
    encoder, decoder = f"encoder.{variant}.onnx", f"decoder.{variant}.onnx"
    (directory / encoder).write_bytes(graphs.encoder.SerializeToString())
    (directory / decoder).write_bytes(graphs.decoder.SerializeToString())
    return encoder, decoder


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write manifest.json."""
    text = manifest.model_dump_json(indent=2, exclude_none=True)
    (directory / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")


def hashes(directory: Path) -> dict[str, File]:
    """Size and hash of every file in the directory."""
    return {
        path.name: File(bytes=path.stat().st_size, sha256=sha256_of(path))
        for path in sorted(directory.iterdir())
    }
