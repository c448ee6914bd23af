"""What layers that turn text into token ids mean here: a vocabulary."""

from __future__ import annotations

from typing import Any, get_args

from model_export.errors import UnsupportedCheckpoint
from model_export.sources.keras.wiring import Meaning, Step, Wiring
from model_export.vocabulary_files import Vocabulary
from model_export.word_lists import Standardization

_SPLITS = {"whitespace": False, "character": True}
"""Whether into characters."""


def text_vectorization(wiring: Wiring, step: Step) -> list[Meaning | None]:
    """Text in, token ids out."""
    config = step.layer.config
    known: tuple[Standardization, ...] = get_args(Standardization)
    told = config.get("standardize") or "none"
    standardization = next((one for one in known if one == told), None)
    checks = {
        f"has standardize {told!r}; supported: {', '.join(known)}.": standardization is None,
        f"has split {config.get('split')!r}; supported: {', '.join(_SPLITS)}.": (
            config.get("split") not in _SPLITS
        ),
        "makes n-grams.": config.get("ngrams") is not None,
    }
    for problem, found in checks.items():
        if found:
            return wiring.complain(step, problem)
    if isinstance(length := config.get("output_sequence_length"), int):
        wiring.lengths[step.inputs[0].side] = length
    return _text(wiring, step, ["", "[UNK]"], standardization, _SPLITS[config["split"]])


def string_lookup(wiring: Wiring, step: Step) -> list[Meaning | None]:
    """Tokens in, token ids out."""
    config = step.layer.config
    if config.get("invert") or config.get("num_oov_indices") not in (0, 1):
        return wiring.complain(step, "must turn tokens into ids, with at most one unknown token.")
    special = [] if config.get("mask_token") is None else [config["mask_token"]]
    special += [config["oov_token"]] * config["num_oov_indices"]
    return _text(wiring, step, special, None, None)


def _text(
    wiring: Wiring,
    step: Step,
    special: list[str],
    standardization: Standardization | None,
    characters: bool | None,
) -> list[Meaning | None]:
    """special: tokens that come before those that the layer was told."""
    (given,) = step.inputs
    if given.width or step.layer.config.get("output_mode", "int") != "int":
        return wiring.complain(step, "must turn text into token ids.")
    folder = wiring.weights.folder(step.layer.name)
    asset = wiring.assets.get(f"assets/{folder}/vocabulary.txt")
    told: Any = step.layer.config.get("vocabulary")
    if asset is not None:
        tokens = asset.split("\n")
    elif isinstance(told, list) and all(isinstance(token, str) for token in told):
        tokens = told if told[: len(special)] == special else [*special, *told]
    else:
        return wiring.complain(step, "has no vocabulary in the file.")
    try:
        wiring.texts[given.side] = Vocabulary(
            f"The vocabulary of {step.layer.name}",
            tuple(tokens),
            standardization=standardization,
            characters=characters,
        )
    except UnsupportedCheckpoint as error:
        wiring.problems += error.problems
    return [given._replace(sequence=True)]
