"""What the translation of a sentence attended to: as values, and as a picture."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from model_export.errors import CannotDraw
from model_export.evaluation import LoadedVariant
from service.decoding.search import decode
from service.domain import DecodingOptions
from service.package.directory import ModelDirectory
from service.package.manifest import LanguagePair

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = (".png", ".svg", ".pdf")
DPI = 80


@dataclass(frozen=True, slots=True)
class Attended:
    """A sentence's translation and what it attended to."""

    source: tuple[str, ...]
    """Tokens, special ones included."""
    target: tuple[str, ...]
    attention: npt.NDArray[np.float64]
    """[target, source]; each row sums to one."""
    translation: str


def attend(
    directory: ModelDirectory, variant: str, sentence: str, pair: LanguagePair | None = None
) -> Attended:
    """Translate a sentence with a beam of four.

    pair: the model's first one by default.

    Raises:
        CannotDraw: the model has no attention, or the sentence is too long or empty.
        InvalidPackage, UnsupportedLanguage: as LoadedVariant.load().
    """
    if not directory.manifest.attention:
        raise CannotDraw(f"{directory.manifest.name} has no attention to the source to show.")
    loaded = LoadedVariant.load(directory, variant, pair)
    text, longest = loaded.text, directory.manifest.limits.max_source_tokens
    ids = text.encode_whole(sentence, loaded.pair)
    if not ids or not sentence.strip():
        raise CannotDraw(f"The sentence must have from 1 to {longest} tokens.")
    options = DecodingOptions(beam_size=4, start=text.start(loaded.pair), return_attention=True)
    ((best,),) = decode(loaded.model, [ids], [options], loaded.model.target)
    return Attended(
        source=tuple(text.source_tokens(sentence, loaded.pair)),
        target=tuple(text.target_tokens(best.target_ids)),
        attention=np.array(best.attention).reshape(len(best.target_ids), -1),
        translation=text.decode([best.target_ids])[0],
    )


def require_picture(path: Path, sentence: str | None) -> None:
    """Check that a sentence's picture can be drawn into this file.

    Raises:
        CannotDraw: there is no sentence, matplotlib is not installed, or it is no kind of picture.
    """
    if sentence is None:
        raise CannotDraw("--picture draws the attention of a --sentence; give one.")
    if path.suffix not in PICTURES:
        raise CannotDraw(f"{path} is no picture: its name must end with {', '.join(PICTURES)}.")
    if importlib.util.find_spec("matplotlib") is None:
        raise CannotDraw(
            "Pictures are drawn by matplotlib, which is not installed: `pip install matplotlib`, "
            "or run this where the extra `train` is."
        )


def draw(found: Attended, path: Path) -> None:
    """Write the picture."""
    picture_of(found.attention, found.source, found.target).savefig(path, dpi=DPI)


def picture_of(
    attention: npt.NDArray[np.floating], source: Sequence[str], target: Sequence[str]
) -> Figure:
    """attention: [target, source]; each row sums to one. Dark is much."""
    from matplotlib.figure import Figure

    size = (1.5 + 0.5 * len(source), 1.2 + 0.38 * len(target))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.imshow(attention, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(source)), source, rotation=60, ha="left")
    axes.set_yticks(range(len(target)), target)
    axes.xaxis.tick_top()
    return figure
