"""MarianMT models in Hugging Face form (OPUS-MT and those trained with transformers).

    config.json  model.safetensors  source.spm  target.spm  vocab.json  tokenizer_config.json

Weight names are those of transformers' MarianMTModel. As CTranslate2, we leave out the padding
token, which Hugging Face added to Marian's vocabulary for the decoder to start from: it is never
generated and has no share of the probabilities. It is the last token, so its output is cut off;
where it is not, it has a bias of -inf.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from model_export.errors import UnsupportedCheckpoint
from model_export.huggingface.config import Config, model_type, read_json, require_files
from model_export.huggingface.layers import BartLike, BartLikeWeights, sinusoidal_positions
from model_export.marian.languages import spoken
from model_export.spec import Checkpoint, Linear, Transformer
from model_export.tensors import Tensors, weight_files
from model_export.vocabulary import marian_tokenizer
from service.package.directory import sha256_of
from service.package.manifest import LanguagePair, Limits, Tokens
from service.text.language_codes import shortened

KIND = "huggingface-marian"
FILES = ("source.spm", "target.spm", "vocab.json")
TOKENIZER_CONFIG = "tokenizer_config.json"
IGNORED_TENSORS = ("model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight")
"""Position tables that config.json determines."""


def recognises(path: Path) -> bool:
    """Whether config.json says so."""
    return model_type(path) == "marian"


def load(path: Path, pairs: tuple[LanguagePair, ...]) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it translates; when empty, tokenizer_config.json is asked.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    require_files(path, FILES)
    weights = weight_files(path)
    config = Config.read(path)
    vocabulary = read_json(path / "vocab.json")
    pairs = pairs or _pairs(path)
    shape = _shape(config)
    problems = config.problems + _vocabulary_problems(config, vocabulary)
    if not pairs:
        problems.append("The languages are not in tokenizer_config.json; give --pair fr-en.")
    if problems:
        raise UnsupportedCheckpoint(problems)
    told = spoken("vocab.json", vocabulary, pairs)
    tokens = _tokens(config, vocabulary)
    tensors = Tensors.open(path)
    network = _network(shape, tensors, tokens.padding)
    tensors.finish(IGNORED_TENSORS)
    source, target = _tokenizers(path, vocabulary)
    return Checkpoint(
        kind=KIND,
        family="marian",
        network=network,
        source_tokenizer=source,
        target_tokenizer=target,
        pairs=pairs,
        languages=told.languages,
        conditioning=told.conditioning,
        tokens=tokens,
        limits=Limits(
            max_source_tokens=shape.longest,
            max_target_tokens=shape.longest,
            target_vocabulary=network.projection.bias.size,
        ),
        files={name: sha256_of(path / name) for name in ("config.json", *weights, *FILES)},
        release=tensors.release,
    )


def _shape(config: Config) -> BartLike:
    config.require("normalize_before", False)
    config.require("normalize_embedding", False)
    config.require("add_final_layer_norm", False)
    config.require("add_bias_logits", False)
    config.require("static_position_embeddings", True)
    config.require("share_encoder_decoder_embeddings", True)
    config.require("tie_word_embeddings", True)
    config.get("extra_pos_embeddings")  # rows of a learned table, which there is none of
    config.get("decoder_vocab_size")  # the same, where the table is shared
    shape = BartLike.of(config)
    for name in ("eos_token_id", "pad_token_id", "decoder_start_token_id"):
        config.get(name)
    config.check_unknown()
    return shape


def _tokenizers(path: Path, vocabulary: Mapping[str, int]) -> tuple[Tokenizer, Tokenizer]:
    source = marian_tokenizer(path / "source.spm", vocabulary)
    if (path / "source.spm").read_bytes() == (path / "target.spm").read_bytes():
        return source, source
    return source, marian_tokenizer(path / "target.spm", vocabulary)


def _vocabulary_problems(config: Config, vocabulary: Mapping[str, Any]) -> list[str]:
    problems = []
    size = config.get("vocab_size")
    ids = list(vocabulary.values())
    if not all(isinstance(value, int) for value in ids):
        problems.append("vocab.json: every value must be a whole number.")
    elif sorted(ids) != list(range(len(ids))):
        problems.append("vocab.json: the ids are not 0, 1, 2, … without gaps or repetition.")
    if len(ids) != size:
        problems.append(f"vocab.json has {len(ids)} tokens; config.json says vocab_size {size}.")
    problems += [
        f"config.json: {name} {config.get(name)!r} is not in vocab.json."
        for name in ("eos_token_id", "pad_token_id", "decoder_start_token_id")
        if config.get(name) not in ids
    ]
    problems += [
        f"vocab.json has no {token}." for token in ("</s>", "<unk>") if token not in vocabulary
    ]
    return problems


def _pairs(path: Path) -> tuple[LanguagePair, ...]:
    if not (path / TOKENIZER_CONFIG).is_file():
        return ()
    config = read_json(path / TOKENIZER_CONFIG)
    source, target = config.get("source_lang"), config.get("target_lang")
    if not isinstance(source, str) or not isinstance(target, str):
        return ()
    # Models of the Tatoeba Challenge have three letters: fra.
    source, target = (shortened(code) if code.islower() else code for code in (source, target))
    try:
        return (LanguagePair(source=source, target=target),)
    except ValueError:
        return ()


def _tokens(config: Config, vocabulary: Mapping[str, int]) -> Tokens:
    return Tokens(
        start=config.get("decoder_start_token_id"),
        end=config.get("eos_token_id"),
        unknown=vocabulary["<unk>"],
        padding=config.get("pad_token_id"),
    )


def _network(shape: BartLike, tensors: Tensors, padding: int) -> Transformer:
    table = sinusoidal_positions(shape.longest, shape.width)
    network = BartLikeWeights(shape, tensors).network(
        (table, table), norm_first=False, embedding_norm=False, final_norm=False, logits_bias=True
    )
    return replace(network, projection=_without(network.projection, padding))


def _without(projection: Linear, padding: int) -> Linear:
    """The projection to all tokens but the padding one."""
    weight, bias = projection.weight, projection.bias.copy()
    if padding == bias.size - 1:
        return Linear(weight[:, :-1], bias[:-1])
    bias[padding] = -np.inf
    return Linear(weight, bias)
