"""Which files of a directory are a model and its vocabularies.

    decoder.yml     names them: models, vocabs       (or NAME.npz.decoder.yml)
    NAME.npz        the weights
    NAME.spm        a vocabulary, one for both languages or one for each
    NAME.yml        or a vocabulary as a list of tokens; then also
    source.spm  target.spm    how text is split into them

Without a decoder.yml there must be one .npz and one vocabulary, or two that begin with src and trg.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_export.errors import UnsupportedCheckpoint
from model_export.marian.yaml_files import mapping, read_text

DECODER = "decoder.yml"
LISTS = ("*vocab.yml", "*vocab.yaml", "*vocab.json", "*vocab.txt", "*.vocab")
SPLITTERS = ("source.spm", "target.spm")


@dataclass(frozen=True, slots=True)
class Release:
    """Names of files in a directory."""

    path: Path
    model: str
    vocabularies: tuple[str, str]
    """Of the source and the target; the same twice where they share one."""
    listing: str | None
    """The decoder.yml that says so."""

    @classmethod
    def find(cls, path: Path) -> Release:
        """Look for them.

        Raises:
            UnsupportedCheckpoint: files are missing, or several could be meant.
        """
        listing = _listing(path)
        said = {} if listing is None else mapping(read_text(path / listing), listing)
        model = _model(path, _names(said, "models", listing))
        vocabularies = _vocabularies(path, _names(said, "vocabs", listing))
        release = cls(path, model, vocabularies, listing)
        missing = [f"{name} is missing." for name in release.named if not (path / name).is_file()]
        if missing:
            raise UnsupportedCheckpoint(missing)
        return release

    @property
    def splitters(self) -> tuple[str, str] | None:
        """The SentencePiece models that vocabularies which are lists need."""
        if all(name.endswith(".spm") for name in self.vocabularies):
            return None
        return SPLITTERS

    @property
    def named(self) -> tuple[str, ...]:
        """All that is read but for splitters."""
        listing = () if self.listing is None else (self.listing,)
        return tuple(dict.fromkeys((*listing, self.model, *self.vocabularies)))

    @property
    def files(self) -> tuple[str, ...]:
        """All that is read."""
        return (*self.named, *(self.splitters or ()))


def holds_model(path: Path) -> bool:
    """Whether a directory looks like Marian's: an .npz, or a .bin beside a vocabulary."""
    if (path / "config.json").is_file():
        return False
    binary = any(path.glob("*.bin*")) and any(path.glob("*.spm"))
    return binary or any(path.glob("*.npz")) or (path / DECODER).is_file()


def _listing(path: Path) -> str | None:
    if (path / DECODER).is_file():
        return DECODER
    found = sorted(one.name for one in path.glob(f"*.{DECODER}"))
    if len(found) > 1:
        raise UnsupportedCheckpoint([f"Of {', '.join(found)} only one may be there: {DECODER}."])
    return found[0] if found else None


def _names(said: dict[str, Any], key: str, listing: str | None) -> list[str]:
    """Names of files beside the listing, whatever paths they were trained under."""
    found = said.get(key, [])
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise UnsupportedCheckpoint([f"{listing}: {key} must be a list of file names."])
    return [Path(name).name for name in found]


def _model(path: Path, names: Sequence[str]) -> str:
    names = names or _found(path, ("*.npz",))
    if not names:
        names = _found(path, ("*.bin", "*.bin.gz"))[:1]
    if not names:
        raise UnsupportedCheckpoint(["There is no .npz file."])
    if len(names) > 1:
        problem = f"{', '.join(names)} are several models; {DECODER} must name one of them"
        raise UnsupportedCheckpoint([f"{problem}, ensembles are not supported."])
    if not names[0].endswith(".npz"):
        raise UnsupportedCheckpoint(
            [
                f"{names[0]} is a binary for Marian's own kernels, whose weights may be rounded to "
                "8 bits; give the .npz that it was made from."
            ]
        )
    return names[0]


def _vocabularies(path: Path, names: Sequence[str]) -> tuple[str, str]:
    if len(names) == len(SPLITTERS):
        return names[0], names[1]
    if names:
        raise UnsupportedCheckpoint(
            [f"{DECODER} names {len(names)} vocabularies; supported: 2, of source and target."]
        )
    found = [name for name in _found(path, ("*.spm",)) if name not in SPLITTERS]
    found = found or _found(path, LISTS)
    if len(found) == 1:
        return found[0], found[0]
    pair = [name for start in ("src", "trg") for name in found if name.startswith(start)]
    if len(found) == len(pair) == len(SPLITTERS):
        return pair[0], pair[1]
    raise UnsupportedCheckpoint(
        [
            f"Which vocabulary is used is not clear ({', '.join(found) or 'none is there'}); write "
            f"a {DECODER} with models and vocabs, a list of file names each."
        ]
    )


def _found(path: Path, patterns: Sequence[str]) -> list[str]:
    names = {one.name for pattern in patterns for one in path.glob(pattern)}
    return sorted(name for name in names if not name.endswith(".optimizer.npz"))
