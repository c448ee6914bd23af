"""config.json, read field by field: what is neither asked for nor known as harmless is a fault."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from model_export.errors import UnsupportedCheckpoint

CONFIG = "config.json"
GENERATION_CONFIG = "generation_config.json"
SPECIAL_TOKENS = (
    "decoder_start_token_id",
    "eos_token_id",
    "forced_bos_token_id",
    "pad_token_id",
)

T = TypeVar("T")

BOOKKEEPING = """
    _attn_implementation_autoset _name_or_path _num_labels architectures attn_implementation
    chunk_size_feed_forward dtype finetuning_task gradient_checkpointing id2label is_encoder_decoder
    label2id model_max_length model_type name_or_path num_hidden_layers num_labels output_attentions
    output_hidden_states output_past prefix problem_type return_dict save_step task_specific_params
    tf_legacy_loss tokenizer_class torch_dtype torchscript transformers_version use_bfloat16
    use_cache
"""
TRAINING = """
    activation_dropout attention_dropout classif_dropout classifier_dropout decoder_layerdrop
    dropout dropout_rate encoder_layerdrop init_std initializer_factor replacing_rate
"""
GENERATION = """
    bad_words_ids begin_suppress_tokens bos_token_id diversity_penalty do_sample early_stopping
    encoder_no_repeat_ngram_size exponential_decay_length_penalty force_bos_token_to_be_generated
    forced_bos_token_id forced_eos_token_id length_penalty max_length max_new_tokens min_length
    no_repeat_ngram_size num_beam_groups num_beams num_return_sequences output_scores
    remove_invalid_values repetition_penalty return_dict_in_generate sep_token_id suppress_tokens
    temperature top_k top_p typical_p
"""
HARMLESS = frozenset((BOOKKEEPING + TRAINING + GENERATION).split())
"""Fields that do not change what the network computes. Options of generation are those of the
service's requests."""


class Config:
    """Fields of config.json. A fault gives a stand-in and is remembered in problems."""

    def __init__(
        self, content: Mapping[str, Any], name: str = CONFIG, harmless: Iterable[str] = HARMLESS
    ) -> None:
        """name: of the file, for messages; harmless: fields that may hold anything."""
        self._content = content
        self._name = name
        self._known = set(harmless)
        self.problems: list[str] = []

    @classmethod
    def read(cls, directory: Path) -> Config:
        """config.json, with the special tokens of generation_config.json where it has some: as in
        transformers, it counts.

        Raises:
            UnsupportedCheckpoint: one of them holds no JSON object.
        """
        content = read_json(directory / CONFIG)
        if (directory / GENERATION_CONFIG).is_file():
            generation = read_json(directory / GENERATION_CONFIG)
            for name in SPECIAL_TOKENS:
                if generation.get(name) is not None:
                    content[name] = _only(generation[name])
        return cls(content)

    def get(self, name: str) -> Any:
        """Whatever the field holds, None where it is not there."""
        self._known.add(name)
        return self._content.get(name)

    def has(self, name: str) -> bool:
        """Whether the field is there, with whatever value."""
        return name in self._content

    def size(self, name: str) -> int:
        """A positive whole number."""
        value = self.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        self.fault(f"{name} must be a positive whole number, not {value!r}")
        return 1

    def number(self, name: str, default: float) -> float:
        """A positive number."""
        value = self.get(name)
        value = default if value is None else value
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return float(value)
        self.fault(f"{name} must be a positive number, not {value!r}")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.get(name)
        value = default if value is None else value
        if not isinstance(value, bool):
            self.fault(f"{name} must be true or false, not {value!r}")
        return bool(value)

    def choice(self, name: str, choices: Mapping[str, T], default: str) -> T:
        """What one of some words stands for."""
        value = self.get(name)
        value = default if value is None else value
        if isinstance(value, str) and value in choices:
            return choices[value]
        known = ", ".join(map(repr, choices))
        self.fault(f"{name} is {value!r}; supported: {known}")
        return choices[default]

    def require(self, name: str, *values: object) -> None:
        """The field is not there, or has one of these values."""
        if self.get(name) not in (None, *values):
            allowed = ", ".join(map(repr, values))
            self.fault(f"{name} is {self._content[name]!r}; supported: {allowed}")

    def token(self, name: str, vocabulary: int) -> int:
        """The id of a token; the first of several, as in lists of end tokens with one entry."""
        value = self.get(name)
        if isinstance(value, list) and len(value) == 1:
            (value,) = value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < vocabulary:
            return value
        self.fault(f"{name} {value!r} is not the id of a token")
        return 0

    def divides(self, whole: str, part: str) -> None:
        """One size must be a multiple of another."""
        sizes = self.get(whole), self.get(part)
        if all(isinstance(size, int) and size > 0 for size in sizes) and sizes[0] % sizes[1]:
            self.fault(f"{whole} {sizes[0]} is not a multiple of {part} {sizes[1]}")

    def check_unknown(self) -> None:
        """Note every field that nobody asked for, unless its value can't turn anything on."""
        for name in sorted(set(self._content) - self._known):
            value = self._content[name]
            if value not in (None, False, 0, "", [], {}):
                self.fault(f"{name} {value!r} is not known, and may change what is computed")

    def fault(self, problem: str) -> None:
        """Remember what is wrong; a sentence without its end."""
        self.problems.append(f"{self._name}: {problem}.")


def _only(value: object) -> object:
    """generation_config.json may have a list of end tokens, mostly of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def model_type(directory: Path) -> str | None:
    """What config.json says it is, None if there is no such file or it does not say."""
    try:
        content = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = content.get("model_type") if isinstance(content, dict) else None
    return found if isinstance(found, str) else None


def read_json(path: Path) -> dict[str, Any]:
    """Raises UnsupportedCheckpoint: the file holds no JSON object."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnsupportedCheckpoint([f"{path.name} is not JSON: {error}."]) from error
    if not isinstance(data, dict):
        raise UnsupportedCheckpoint([f"{path.name} is not a JSON object."])
    return data


def require_files(directory: Path, names: Iterable[str]) -> None:
    """Raises UnsupportedCheckpoint: some of these files are missing."""
    missing = [f"{name} is missing." for name in names if not (directory / name).is_file()]
    if missing:
        raise UnsupportedCheckpoint(missing)
