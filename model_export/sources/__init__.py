"""Readers of checkpoints, one file per kind. A new kind is a file here and a line below."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from model_export.errors import UnsupportedCheckpoint
from model_export.sources import (
    eole,
    fairseq,
    huggingface_bart,
    huggingface_m2m100,
    huggingface_marian,
    huggingface_mbart,
    huggingface_nllb,
    huggingface_pegasus,
    huggingface_t5,
    keras,
    marian,
    opennmt_py,
    pytorch_tutorial,
)
from model_export.spec import Checkpoint
from model_export.vocabulary_files import TextOptions
from service.package.manifest import LanguagePair


class Source(Protocol):
    """What a module here provides."""

    KIND: str

    def recognises(self, path: Path) -> bool:
        """Whether the directory holds a checkpoint of this kind."""

    def load(self, path: Path, pairs: tuple[LanguagePair, ...]) -> Checkpoint:
        """Read it; raises UnsupportedCheckpoint with every reason."""


class SourceWithoutText(Protocol):
    """The same for checkpoints that do not say all of their vocabularies."""

    KIND: str

    def recognises(self, path: Path) -> bool:
        """Whether the file or directory holds a checkpoint of this kind."""

    def load(self, path: Path, pairs: tuple[LanguagePair, ...], told: TextOptions) -> Checkpoint:
        """Read it; raises UnsupportedCheckpoint with every reason."""


SOURCES: tuple[Source, ...] = (
    huggingface_marian,
    huggingface_m2m100,
    huggingface_nllb,
    huggingface_mbart,
    huggingface_bart,
    huggingface_pegasus,
    huggingface_t5,
    marian,
)
SOURCES_WITHOUT_TEXT: tuple[SourceWithoutText, ...] = (
    keras,
    opennmt_py,
    eole,
    fairseq,
    pytorch_tutorial,
)


def load(
    path: Path, pairs: tuple[LanguagePair, ...] = (), told: TextOptions | None = None
) -> Checkpoint:
    """Read a checkpoint with the first source that recognises it.

    told: what the checkpoint does not say of its text.

    Raises:
        UnsupportedCheckpoint: none does, or the one that does found faults.
    """
    told = told or TextOptions()
    if not path.exists():
        raise UnsupportedCheckpoint([f"{path} is not a directory and no file."])
    for source in SOURCES:
        if path.is_dir() and source.recognises(path):
            if told != TextOptions():
                problem = f"{path} is {source.KIND}, which says its vocabulary and tokens itself."
                raise UnsupportedCheckpoint([problem])
            return source.load(path, pairs)
    for without in SOURCES_WITHOUT_TEXT:
        if without.recognises(path):
            return without.load(path, pairs, told)
    named: list[Source | SourceWithoutText] = [*SOURCES, *SOURCES_WITHOUT_TEXT]
    kinds = ", ".join(source.KIND for source in named)
    raise UnsupportedCheckpoint([f"{path} is none of the supported kinds: {kinds}."])
