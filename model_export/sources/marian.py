"""Marian's own checkpoints: OPUS-MT's releases, and the small models that browsers translate with.

A directory with an .npz file and its vocabularies; see model_export.marian.release for the files.
Transformers, with self-attention or SSRUs in the decoder. The weights' names and what they are for
are those of Marian 1.12.
"""

from __future__ import annotations

from pathlib import Path

from model_export.errors import UnsupportedCheckpoint
from model_export.marian.languages import spoken
from model_export.marian.network import LONGEST, Weights
from model_export.marian.npz import NpzFile
from model_export.marian.options import Options
from model_export.marian.release import Release, holds_model
from model_export.marian.vocabularies import Vocabularies
from model_export.spec import Checkpoint
from service.package.directory import sha256_of
from service.package.manifest import LanguagePair, Limits

KIND = "marian"


def recognises(path: Path) -> bool:
    """Whether there is an .npz file, or a binary beside a vocabulary."""
    return holds_model(path)


def load(path: Path, pairs: tuple[LanguagePair, ...]) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it translates, which it does not say itself.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    release = Release.find(path)
    file = NpzFile.open(path / release.model)
    options, problems = Options.read(file.options_text())
    if not pairs:
        problems.append("The languages are not in the checkpoint; give --pair fr-en.")
    if problems:
        raise UnsupportedCheckpoint(problems)
    vocabularies = Vocabularies.read(release, options)
    told = spoken(vocabularies.source.file.name, vocabularies.source.ids, pairs)
    source, target = vocabularies.tokenizers()
    tensors = file.tensors()
    network = Weights(options, tensors).network()
    tensors.finish(())
    longest = min(network.longest_source, LONGEST)
    return Checkpoint(
        kind=KIND,
        family="marian",
        network=network,
        source_tokenizer=source,
        target_tokenizer=target,
        pairs=pairs,
        languages=told.languages,
        conditioning=told.conditioning,
        tokens=vocabularies.tokens(),
        limits=Limits(
            max_source_tokens=longest,
            max_target_tokens=longest,
            target_vocabulary=options.vocabularies[1],
        ),
        files={name: sha256_of(path / name) for name in release.files},
    )
