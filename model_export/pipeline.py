"""The recipe: read, build, write, verify, publish."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

import service
from model_export import calibration, graph, package, sources, verify
from model_export.errors import InvalidName
from model_export.spec import Checkpoint, Network, Transformer, parameters
from model_export.vocabulary_files import TextOptions
from service.package.directory import ModelDirectory
from service.package.manifest import (
    LanguagePair,
    Limits,
    Manifest,
    ModelName,
    Parity,
    Provenance,
    Score,
    Variant,
    first_pair,
)
from service.text.tokenizer import Tokenizer

Progress = Callable[[str], None]
"""Told what begins now."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What to make of a checkpoint."""

    name: str
    variants: Sequence[str] = graph.DEFAULT_VARIANTS
    pairs: tuple[LanguagePair, ...] = ()
    """What the model translates; asked of the checkpoint when empty."""
    prompt: str | None = None
    """Text before every source, as in the manifest's conditioning; the checkpoint's own if None."""
    max_source_tokens: int | None = None
    """Longest source that the model translates well, if that is less than it can take."""
    calibration: Sequence[str] = ()
    """Source sentences on which the ranges of int8 activations are measured."""
    licence: str | None = None
    card: Path | None = None
    """A model card that becomes the directory's README.md."""
    scores: tuple[Score, ...] = ()
    replace: bool = False
    """Whether a model directory that is at the destination is replaced."""
    text: TextOptions = field(default_factory=TextOptions)
    """What the checkpoint does not say of its text."""


def convert(
    source: Path, destination: Path, options: ExportOptions, progress: Progress
) -> Manifest:
    """Convert a checkpoint into a model directory.

    Raises:
        InvalidName: options.name is none.
        UnsupportedCheckpoint: with every reason.
        DestinationExists: the destination is there and options.replace is False, or it is no model
            directory.
        VerificationFailed: a variant does not compute what the checkpoint computes.
        OSError: the card can't be read.
    """
    _require_name(options.name)
    package.require_free(destination, source, replace=options.replace)
    card = options.card.read_bytes() if options.card is not None else None
    with package.staged(destination) as staging:
        progress(f"Reading {source}")
        read = sources.load(source, options.pairs, options.text)
        checkpoint = _prompted(read, options.prompt)
        manifest = _write(staging, checkpoint, options, progress)
        parity = _verify(ModelDirectory(staging, manifest), checkpoint, progress)
        manifest = manifest.model_copy(update={"parity": parity})
        package.write_manifest(staging, manifest)
        if card is not None:
            (staging / "README.md").write_bytes(card)
    return manifest


def _require_name(name: str) -> None:
    try:
        TypeAdapter(ModelName).validate_python(name)
    except ValidationError as error:
        raise InvalidName(
            f"{name!r} can't be a model's name, which has letters, digits, dots, dashes and "
            "underscores, and begins with a letter or digit; --name gives it another one than "
            "the destination's."
        ) from error


def check(
    directory: ModelDirectory, source: Path, text: TextOptions, progress: Progress
) -> dict[str, Parity]:
    """Check a model directory's files and compare each variant with its checkpoint.

    text: as in ExportOptions.

    Raises:
        InvalidPackage: a file is missing or not the one that was written.
        UnsupportedCheckpoint, VerificationFailed: as convert().
    """
    progress("Checking hashes")
    directory.check()
    progress(f"Reading {source}")
    checkpoint = sources.load(source, tuple(directory.manifest.pairs), text)
    verify.require_vocabularies(directory, checkpoint)
    return _verify(directory, checkpoint, progress)


def _write(
    staging: Path, checkpoint: Checkpoint, options: ExportOptions, progress: Progress
) -> Manifest:
    tokenizers = package.write_tokenizers(staging, checkpoint)
    ranges = None
    if options.calibration:
        progress(f"Calibrating on {len(options.calibration)} sentences")
        written = Tokenizer.load(staging / tokenizers.source, staging / tokenizers.target)
        pair = first_pair(checkpoint.pairs, checkpoint.sources, checkpoint.targets)
        ranges = calibration.observe(checkpoint, written, pair, options.calibration)
    variants = {}
    for name in options.variants:
        progress(f"Building {name}")
        variants[name] = _write_variant(staging, checkpoint, name, ranges)
    return Manifest(
        format=1,
        name=options.name,
        family=checkpoint.family,
        pairs=list(checkpoint.pairs),
        sources=list(checkpoint.sources),
        targets=list(checkpoint.targets),
        languages=dict(checkpoint.languages),
        conditioning=checkpoint.conditioning,
        tokens=checkpoint.tokens,
        limits=_limits(checkpoint, options),
        tokenizers=tokenizers,
        variants=variants,
        files=package.hashes(staging),
        attention=checkpoint.attention,
        architecture=checkpoint.architecture or _architecture(checkpoint.network),
        licence=options.licence,
        provenance=_provenance(checkpoint),
        scores=list(options.scores),
    )


def _architecture(network: Network) -> str | None:
    """A Transformer in a line, for people."""
    if not isinstance(network, Transformer):
        return None
    first, millions = network.encoder[0], parameters(network) / 1e6
    return (
        f"Transformer of {len(network.encoder)} + {len(network.decoder)} layers, width "
        f"{network.source_embedding.table.shape[1]}, {first.attention.heads} heads, feed-forward "
        f"{first.feed_forward.inner.bias.size}, {millions:.3g} million weights"
    )


def _prompted(checkpoint: Checkpoint, prompt: str | None) -> Checkpoint:
    if prompt is None:
        return checkpoint
    conditioning = checkpoint.conditioning.model_copy(update={"prompt": prompt})
    return replace(checkpoint, conditioning=conditioning)


def _limits(checkpoint: Checkpoint, options: ExportOptions) -> Limits:
    limits = checkpoint.limits
    longest = options.max_source_tokens or limits.max_source_tokens
    return limits.model_copy(update={"max_source_tokens": min(longest, limits.max_source_tokens)})


def _write_variant(
    staging: Path, checkpoint: Checkpoint, name: str, ranges: graph.Ranges | None
) -> Variant:
    author = partial(graph.build, checkpoint.network, name, ranges)
    encoder, decoder, data = package.write_network(staging, name, checkpoint.network, author)
    checkpoint.release()
    return Variant.model_validate(
        {
            "precision": graph.VARIANTS[name].precision,
            "devices": [graph.VARIANTS[name].device],
            "encoder": encoder,
            "decoder": decoder,
            "data": data,
        }
    )


def _verify(
    directory: ModelDirectory, checkpoint: Checkpoint, progress: Progress
) -> dict[str, Parity]:
    progress("Translating probe sentences with the reference")
    expected = verify.probes(checkpoint)
    checkpoint.release()
    parity = {}
    for name in directory.manifest.variants:
        progress(f"Verifying {name}")
        parity[name] = verify.compare(directory, name, expected)
    return parity


def _provenance(checkpoint: Checkpoint) -> Provenance:
    return Provenance(
        source_kind=checkpoint.kind,
        source_files=checkpoint.files,
        exporter=f"seq2serve {service.__version__}",
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )
