"""T5 models in Hugging Face form: T5, T5 1.1, FLAN-T5, mT5 and MADLAD-400.

    config.json  model.safetensors  tokenizer.json or spiece.model

What is to be done is said in the text. MADLAD-400 has a token for each target language, <2fr>. For
T5 and FLAN-T5 config.json has the prompts of the tasks they were trained on; others need --pair,
and --prompt if they were trained with one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer

from model_export.errors import UnsupportedCheckpoint
from model_export.huggingface import tokenizers
from model_export.huggingface.config import Config, model_type, require_files
from model_export.huggingface.languages import Spoken, spoken
from model_export.huggingface.reading import Parts, assemble
from model_export.huggingface.t5 import IGNORED_TENSORS, T5Shape, T5Weights
from model_export.spec import Checkpoint
from model_export.vocabulary import pieces_of, sentencepiece_tokenizer
from service.package.manifest import Conditioning, LanguagePair, Tokens
from service.text.languages import name

KIND = "huggingface-t5"
MODEL_TYPES = ("t5", "mt5")
PIECES = "spiece.model"
EXTRA_IDS = 100
LONGEST = 512
"""Distances know no greatest length; this is what these models were trained on."""
TARGET_TOKEN = re.compile(r"<2([a-z]{2,3}(?:_[A-Za-z0-9]+)*)>")
TASK = re.compile(r"translation_([a-z]{2,3})_to_([a-z]{2,3})")
PROMPT = "translate {source} to {target}: "


def recognises(path: Path) -> bool:
    """Whether config.json says so."""
    return model_type(path) in MODEL_TYPES


def load(path: Path, pairs: tuple[LanguagePair, ...]) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it is to translate; what config.json names, or every language of MADLAD into every
    other, when empty.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    config = Config.read(path)
    shape = T5Shape.of(config, always_unscaled=model_type(path) == "mt5")
    tokenizer, file = _tokenizer(path, shape.vocabulary)
    tasks = _tasks(config)
    targets = _target_tokens(tokenizer)
    parts = Parts(
        kind=KIND,
        family="madlad" if targets else str(model_type(path)),
        config=config,
        vocabulary=shape.vocabulary,
        longest=LONGEST,
        tokenizer=tokenizer,
        tokens=Tokens(
            start=config.token("decoder_start_token_id", shape.vocabulary),
            end=config.token("eos_token_id", shape.vocabulary),
            unknown=_known(tokenizer, "<unk>"),
            padding=config.token("pad_token_id", shape.vocabulary),
        ),
        spoken=spoken(targets, pairs) if targets else Spoken(pairs or tuple(tasks), (), (), {}),
        conditioning=_conditioning(tokenizer, targets, tasks),
        files=("config.json", file),
        problems=_problems(tasks)
        if targets or tasks or pairs
        else ["config.json names no translation among its tasks; give --pair en-de."],
    )
    weights = T5Weights(shape)
    return assemble(path, parts, weights.network, IGNORED_TENSORS)


def _tokenizer(path: Path, vocabulary: int) -> tuple[Tokenizer, str]:
    """And the name of the file that it was read from."""
    if (path / tokenizers.TOKENIZER).is_file():
        return tokenizers.published(path, "$A </s>"), tokenizers.TOKENIZER
    require_files(path, (PIECES,))
    names = pieces_of(path / PIECES)
    extra = tokenizers.settings(path).get("extra_ids", EXTRA_IDS)
    if not isinstance(extra, int) or len(names) + extra > vocabulary:
        extra = 0
    marks = [f"<extra_id_{number}>" for number in reversed(range(extra))]
    ids = {name: number for number, name in enumerate((*names, *marks))}
    control = [name for name in names if name in ("<pad>", "<s>") or TARGET_TOKEN.fullmatch(name)]
    return sentencepiece_tokenizer(path / PIECES, ids, (*control, *marks)), PIECES


def _known(tokenizer: Tokenizer, name: str) -> int | None:
    """The id of a token, which text never matches where its name begins with a space."""
    number = tokenizer.token_to_id(name)
    return tokenizer.token_to_id(f" {name}") if number is None else number


def _target_tokens(tokenizer: Tokenizer) -> dict[str, int]:
    """The model's own codes of target languages and their tokens, by id."""
    found = [
        (number, match[1])
        for name, number in tokenizer.get_vocab(with_added_tokens=True).items()
        if (match := TARGET_TOKEN.fullmatch(name.strip()))
    ]
    return {code: number for number, code in sorted(found)}


def _tasks(config: Config) -> dict[LanguagePair, str]:
    """Prompts of the translations that config.json names."""
    tasks = config.get("task_specific_params")
    found = {}
    for title, task in tasks.items() if isinstance(tasks, dict) else ():
        if (match := TASK.fullmatch(title)) and isinstance(task, dict):
            pair = LanguagePair(source=match[1], target=match[2])
            found[pair] = str(task.get("prefix", ""))
    return found


def _problems(tasks: Mapping[LanguagePair, str]) -> list[str]:
    """Prompts that are not what all others are made from."""
    return [
        f"config.json: translation_{pair.source}_to_{pair.target} has the prompt {prompt!r}; "
        f"supported: {PROMPT!r}."
        for pair, prompt in tasks.items()
        if prompt != PROMPT.format(source=name(pair.source), target=name(pair.target))
    ]


def _conditioning(
    tokenizer: Tokenizer, targets: Mapping[str, int], tasks: Mapping[LanguagePair, str]
) -> Conditioning:
    if targets:
        return Conditioning(before=[*_before_target(tokenizer, targets), "target"])
    return Conditioning(prompt=PROMPT if tasks else "")


def _before_target(tokenizer: Tokenizer, targets: Mapping[str, int]) -> list[int]:
    """What the tokenizer writes before <2fr> in "<2fr> text": nothing, or an empty word."""
    code, token = next(iter(targets.items()))
    if tokenizer.token_to_id(f"<2{code}>") is None:  # made from spiece.model, never in text
        space = tokenizer.token_to_id("▁")
        return [] if space is None else [space]
    alone = tokenizer.encode("a", add_special_tokens=False).ids
    ids = tokenizer.encode(f"<2{code}> a", add_special_tokens=False).ids
    before = ids[: len(ids) - len(alone) - 1]
    if ids != [*before, token, *alone]:
        raise UnsupportedCheckpoint([f"The tokenizer does not keep <2{code}> and a text apart."])
    return list(before)
