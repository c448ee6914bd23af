"""Tokenizers of Hugging Face checkpoints: tokenizer.json as it is, or what it is made from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from model_export.errors import UnsupportedCheckpoint
from model_export.huggingface.config import read_json
from model_export.vocabulary import pieces_of
from service.text.tokenizer import NEVER_IN_TEXT, ORPHANS_FOLLOW

TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"


def published(directory: Path, template: str) -> Tokenizer:
    """tokenizer.json, which adds what the template says, such as "$A </s>", and cuts nothing.

    Raises:
        UnsupportedCheckpoint: it can't be read, or lacks a token of the template.
    """
    path = directory / TOKENIZER
    try:
        tokenizer = Tokenizer.from_file(str(path))
    # `tokenizers` raises plain Exception for a file that it can't read.
    except Exception as error:
        raise UnsupportedCheckpoint([f"{path.name} cannot be read: {error}."]) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    names = [name for name in template.split() if name != "$A"]
    special = [(name, token_id(tokenizer, name)) for name in names]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=special
    )
    return tokenizer


def byte_level_bpe(directory: Path, template: str, special: Iterable[str]) -> Tokenizer:
    """GPT-2's byte-level BPE from vocab.json and merges.txt.

    Raises:
        UnsupportedCheckpoint: the files don't fit together.
    """
    vocabulary = read_json(directory / "vocab.json")
    try:
        model = models.BPE.from_file(
            str(directory / "vocab.json"), str(directory / "merges.txt"), unk_token="<unk>"
        )
    except Exception as error:  # as in published()
        raise UnsupportedCheckpoint([f"vocab.json and merges.txt: {error}."]) from error
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(name, special=True) for name in special if name in vocabulary]
    )
    names = [name for name in template.split() if name != "$A"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[(name, token_id(tokenizer, name)) for name in names]
    )
    return tokenizer


def within(tokenizer: Tokenizer, vocabulary: int) -> Tokenizer:
    """A tokenizer without the special tokens that a model of so many tokens has no room for.

    Text never matches them: bart-large-cnn's tokenizer has a <mask> behind the model's last token.
    """
    content = json.loads(tokenizer.to_str())
    added, names = content["added_tokens"], content["model"]["vocab"]
    beyond = [one for one in added if one["special"] and one["id"] >= vocabulary]
    if not beyond or not isinstance(names, dict):
        return tokenizer
    content["added_tokens"] = [one for one in added if one not in beyond]
    for one in beyond:
        names.pop(one["content"], None)
    return Tokenizer.from_str(json.dumps(content))


def apart_from_text(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer whose special tokens no text spells: a Unigram model's get names that begin
    with a space, which is ▁ in texts (see model_export.vocabulary).

    Such a model knows the pieces of its list alone, not which of them are special: "<s>old</s>"
    would end a text in its middle.
    """
    content = json.loads(tokenizer.to_str())
    special = [one for one in content["added_tokens"] if one["special"]]
    if content["model"]["type"] != "Unigram" or not special:
        return tokenizer
    hidden = {one["content"] for one in special}
    for one in special:
        one["content"] = NEVER_IN_TEXT + one["content"]
    content["model"]["vocab"] = [
        (NEVER_IN_TEXT + name if name in hidden else name, score)
        for name, score in content["model"]["vocab"]
    ]
    return Tokenizer.from_str(json.dumps(content))


def token_id(tokenizer: Tokenizer, name: str) -> int:
    """The id of a token.

    Raises:
        UnsupportedCheckpoint: there is none.
    """
    number = tokenizer.token_to_id(name)
    if number is None:
        raise UnsupportedCheckpoint([f"The tokenizer has no token {name}."])
    return int(number)


def fairseq_ids(spm: Path) -> dict[str, int]:
    """Piece → id in models that came from fairseq, which has special tokens of its own first."""
    first = ("<s>", "<pad>", "</s>", "<unk>")
    # SentencePiece itself begins with <unk>, <s> and </s>.
    return {name: number for number, name in enumerate((*first, *pieces_of(spm)[3:]))}


def problems(tokenizer: Tokenizer, vocabulary: int, tokens: Mapping[str, int]) -> list[str]:
    """Why a tokenizer does not fit its model, if it does not.

    vocabulary: how many tokens the model has; tokens: names of tokens and the ids in config.json.
    """
    numbers = tokenizer.get_vocab(with_added_tokens=True)
    last = numbers.get(ORPHANS_FOLLOW, math.inf)  # what follows has no ids in the model
    beyond = [name for name, number in numbers.items() if vocabulary <= number < last]
    found = []
    if beyond:
        found.append(
            f"The tokenizer has tokens from {vocabulary} on, such as {min(beyond)!r}; "
            f"config.json says vocab_size {vocabulary}."
        )
    for name, number in tokens.items():
        known = numbers.get(name, numbers.get(f" {name}"))
        if known != number:
            found.append(f"{name} has the id {known} in the tokenizer and {number} in config.json.")
    return found


def settings(directory: Path) -> dict[str, Any]:
    """What tokenizer_config.json and special_tokens_map.json say; the former counts."""
    content: dict[str, Any] = {}
    for name in (SPECIAL_TOKENS, TOKENIZER_CONFIG):
        if (directory / name).is_file():
            content |= read_json(directory / name)
    return content


def additional_tokens(directory: Path) -> list[str]:
    """Names of the special tokens that a checkpoint adds to its vocabulary, in their order."""
    content = settings(directory)
    for key in ("additional_special_tokens", "extra_special_tokens"):
        listed = content.get(key)
        if isinstance(listed, list) and listed:
            return [one["content"] if isinstance(one, dict) else str(one) for one in listed]
    return []
