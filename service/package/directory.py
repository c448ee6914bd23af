"""Open a model directory: read its manifest, check its files, hand out their paths."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from service.errors import CorruptFile, InvalidPackage, MissingFile, UnsupportedFormat
from service.package.manifest import FORMAT, MANIFEST_NAME, File, Manifest, Variant

FASTEST_FIRST = {"cpu": ("int8", "int4", "fp32"), "cuda": ("fp16", "fp32")}
"""Precisions by device."""


@dataclass(frozen=True, slots=True)
class ModelDirectory:
    """A model directory whose manifest was read. Its files are checked by check()."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> ModelDirectory:
        """Read the manifest.

        Raises:
            MissingFile: there is no such directory or no manifest in it.
            UnsupportedFormat: the manifest's format number is not this version's.
            InvalidPackage: the manifest is not valid; every fault is listed.
        """
        return cls(path, parse_manifest(_read_manifest(path / MANIFEST_NAME)))

    def variant(self, name: str, device: str | None = None) -> Variant:
        """The variant of this name.

        Raises:
            InvalidPackage: there is none, or it is not for the device; those that exist are named.
        """
        variant = self.manifest.variants.get(name)
        if variant is None:
            raise InvalidPackage(f"{self.path} has no variant {name!r}; it has: {self._known()}.")
        if device is not None and device not in variant.devices:
            raise InvalidPackage(
                f"The variant {name!r} of {self.path} is not for the device {device}; it has: "
                f"{self._known()}."
            )
        return variant

    def fastest(self, device: str) -> str:
        """The name of the fastest variant for a device, cpu or cuda.

        Raises:
            InvalidPackage: there is none.
        """
        for precision in FASTEST_FIRST[device]:
            for name, variant in sorted(self.manifest.variants.items()):
                if device in variant.devices and variant.precision == precision:
                    return name
        raise InvalidPackage(
            f"{self.path} has no variant for the device {device}; it has: {self._known()}. "
            "`python -m model_export convert --variants` makes others."
        )

    def _known(self) -> str:
        variants = sorted(self.manifest.variants.items())
        return ", ".join(f"{name} for {' and '.join(one.devices)}" for name, one in variants)

    def file(self, name: str) -> Path:
        """The path of a file that the manifest names."""
        if name not in self.manifest.files:
            raise InvalidPackage(
                f"{self.path / MANIFEST_NAME} uses {name!r} but lists no such file."
            )
        return self.path / name

    def files_of(self, variant: Variant) -> tuple[str, ...]:
        """Names of the files that serving this variant needs."""
        tokenizers = self.manifest.tokenizers
        graphs = (variant.encoder, variant.decoder, *variant.data)
        names = (*graphs, tokenizers.source, tokenizers.target)
        return tuple(dict.fromkeys(names))

    def check(self, names: tuple[str, ...] | None = None) -> None:
        """Check size and SHA-256 of these files (of all, when None).

        Raises:
            MissingFile: a file is not there.
            CorruptFile: a file is not the one that the manifest describes.
        """
        for name in self.manifest.files if names is None else names:
            _check_file(self.file(name), self.manifest.files[name])


def parse_manifest(text: str) -> Manifest:
    """Parse manifest.json; the format number is looked at before anything else."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InvalidPackage(f"{MANIFEST_NAME} is not JSON: {error}.") from error
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise UnsupportedFormat(
            f"{MANIFEST_NAME} has format {found!r}; this version reads format {FORMAT}. "
            "Convert the model again with the model_export of this version."
        )
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        raise InvalidPackage(f"{MANIFEST_NAME} is not valid: {_faults(error)}.") from error


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors()
    )


def _read_manifest(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingFile(f"{path} does not exist; is {path.parent} a model directory?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidPackage(f"{path} cannot be read: {error}.") from error


def _check_file(path: Path, expected: File) -> None:
    if not path.is_file():
        raise MissingFile(f"{path} is missing; the manifest names it.")
    size = path.stat().st_size
    if size != expected.bytes:
        raise CorruptFile(f"{path} has {size} bytes; the manifest says {expected.bytes}.")
    if sha256_of(path) != expected.sha256:
        raise CorruptFile(f"{path} does not have the SHA-256 that the manifest says.")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
