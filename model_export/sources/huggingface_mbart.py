"""mBART and mBART-50 models in Hugging Face form.

    config.json  model.safetensors  tokenizer.json or sentencepiece.bpe.model  tokenizer_config.json

mBART-50's source begins with the token of its language, and its target with that of its own:
fr_XX. mBART's source has it behind its end token, and its decoder starts from that of the target
language, so that a model translates into a single one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from model_export.huggingface import tokenizers
from model_export.huggingface.config import Config, model_type, require_files
from model_export.huggingface.languages import MBART, MBART_50, Spoken, spoken
from model_export.huggingface.layers import BartLike, BartLikeWeights
from model_export.huggingface.reading import Parts, assemble
from model_export.spec import Checkpoint, Transformer
from model_export.tensors import Tensors
from model_export.vocabulary import sentencepiece_tokenizer
from service.package.manifest import Conditioning, LanguagePair, Tokens

KIND = "huggingface-mbart"
PIECES = "sentencepiece.bpe.model"
OFFSET = 2
"""Rows of a position table before the first token's."""


def recognises(path: Path) -> bool:
    """Whether config.json says so."""
    return model_type(path) == "mbart"


def load(path: Path, pairs: tuple[LanguagePair, ...]) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it is to translate; mBART needs them, mBART-50 translates every language into every
    other, or into the one that it was trained for, when empty.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    config = Config.read(path)
    config.require("normalize_before", True)
    config.require("add_final_layer_norm", True)
    config.require("normalize_embedding", True)
    config.require("static_position_embeddings", False)
    config.require("add_bias_logits", False)
    config.require("extra_pos_embeddings", OFFSET)
    shape = BartLike.of(config)
    vocabulary = _Vocabulary.read(path, shape.vocabulary)
    tokens = Tokens(
        start=config.token("decoder_start_token_id", shape.vocabulary),
        end=config.token("eos_token_id", shape.vocabulary),
        unknown=3,
        padding=config.token("pad_token_id", shape.vocabulary),
    )
    said = _spoken(vocabulary, tokens, config.get("forced_bos_token_id"), pairs)
    parts = Parts(
        kind=KIND,
        family="mbart50" if vocabulary.is_50 else "mbart",
        config=config,
        vocabulary=shape.vocabulary,
        longest=shape.longest,
        tokenizer=vocabulary.tokenizer,
        tokens=tokens,
        spoken=said,
        conditioning=Conditioning(before=["source"], start=["target"])
        if vocabulary.is_50
        else Conditioning(after=["source"]),
        files=("config.json", vocabulary.file),
        problems=_start_problems(vocabulary, tokens, pairs),
    )
    return assemble(path, parts, lambda tensors: _network(shape, tensors))


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    tokenizer: Tokenizer
    languages: dict[str, int]
    is_50: bool
    file: str

    @classmethod
    def read(cls, path: Path, size: int) -> _Vocabulary:
        """size: how many tokens the model has."""
        said = str(tokenizers.settings(path).get("tokenizer_class", "")).startswith("MBart50")
        if (path / tokenizers.TOKENIZER).is_file():
            tokenizer = tokenizers.published(path, "$A </s>")
            is_50 = said or tokenizer.token_to_id(MBART_50[-1]) is not None
            codes = MBART_50 if is_50 else MBART
            languages = {code: tokenizers.token_id(tokenizer, code) for code in codes}
            return cls(tokenizer, languages, is_50, tokenizers.TOKENIZER)
        require_files(path, (PIECES,))
        ids = tokenizers.fairseq_ids(path / PIECES)
        # Then come the languages, and <mask>.
        is_50 = said or size > len(ids) + len(MBART_50)
        codes = MBART_50 if is_50 else MBART
        languages = {code: len(ids) + place for place, code in enumerate(codes)}
        ids |= languages | {"<mask>": len(ids) + len(codes)}
        tokenizer = sentencepiece_tokenizer(
            path / PIECES, ids, ("<s>", "<pad>", "<mask>", *languages)
        )
        return cls(tokenizer, languages, is_50, PIECES)


def _spoken(
    vocabulary: _Vocabulary, tokens: Tokens, forced: object, pairs: tuple[LanguagePair, ...]
) -> Spoken:
    only = forced if vocabulary.is_50 else tokens.start
    numbers = set(vocabulary.languages.values())
    return spoken(vocabulary.languages, pairs, [only] if only in numbers else None)


def _start_problems(
    vocabulary: _Vocabulary, tokens: Tokens, pairs: tuple[LanguagePair, ...]
) -> list[str]:
    """What is missing to know what an mBART model translates."""
    if vocabulary.is_50:
        return []
    problems = []
    if tokens.start not in vocabulary.languages.values():
        problems.append(
            f"config.json: decoder_start_token_id {tokens.start} is not the token of a language; "
            "an mBART model that was trained to translate has that of its target language there."
        )
    if not pairs:
        problems.append(
            "mBART models do not say which languages they translate; give --pair en-ro."
        )
    return problems


def _network(shape: BartLike, tensors: Tensors) -> Transformer:
    weights = BartLikeWeights(shape, tensors)
    encoder, decoder = (weights.learned_positions(side, OFFSET) for side in ("encoder", "decoder"))
    return weights.network(
        (encoder, decoder), norm_first=True, embedding_norm=True, final_norm=True, logits_bias=True
    )
