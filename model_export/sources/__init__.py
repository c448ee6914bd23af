"""Readers of checkpoints, one file per kind. A new kind is a file here and a line below."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from model_export.errors import UnsupportedCheckpoint
from model_export.sources import huggingface_marian
from model_export.spec import Checkpoint
from service.package.manifest import LanguagePair


class Source(Protocol):
    """What a module here provides."""

    KIND: str

    def recognises(self, path: Path) -> bool:
        """Whether the directory holds a checkpoint of this kind."""

    def load(self, path: Path, pairs: tuple[LanguagePair, ...]) -> Checkpoint:
        """Read it; raises UnsupportedCheckpoint with every reason."""


SOURCES: tuple[Source, ...] = (huggingface_marian,)


def load(path: Path, pairs: tuple[LanguagePair, ...] = ()) -> Checkpoint:
    """Read a checkpoint with the first source that recognises it.

    Raises:
        UnsupportedCheckpoint: none does, or the one that does found faults.
    """
    if not path.is_dir():
        raise UnsupportedCheckpoint([f"{path} is not a directory."])
    for source in SOURCES:
        if source.recognises(path):
            return source.load(path, pairs)
    kinds = ", ".join(source.KIND for source in SOURCES)
    raise UnsupportedCheckpoint([f"{path} is none of the supported kinds: {kinds}."])
