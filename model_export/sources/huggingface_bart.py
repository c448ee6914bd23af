"""BART models in Hugging Face form.

    config.json  model.safetensors  tokenizer.json, or vocab.json and merges.txt

They say nothing of languages, and many rewrite texts within one: --pair en-en.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from model_export.huggingface import tokenizers
from model_export.huggingface.config import Config, model_type, require_files
from model_export.huggingface.languages import Spoken
from model_export.huggingface.layers import BartLike, BartLikeWeights
from model_export.huggingface.reading import Parts, assemble
from model_export.spec import Checkpoint, Transformer
from model_export.tensors import Tensors
from service.package.manifest import Conditioning, LanguagePair, Tokens

KIND = "huggingface-bart"
OFFSET = 2
"""Rows of a position table before the first token's."""
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
TEMPLATE = "<s> $A </s>"


def recognises(path: Path) -> bool:
    """Whether config.json says so."""
    return model_type(path) == "bart"


def load(path: Path, pairs: tuple[LanguagePair, ...]) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it is for.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    config = Config.read(path)
    config.require("normalize_before", False)
    config.require("add_final_layer_norm", False)
    config.require("normalize_embedding", True)
    config.require("static_position_embeddings", False)
    config.require("add_bias_logits", False)
    config.require("extra_pos_embeddings", OFFSET)
    shape = BartLike.of(config)
    tokenizer, files = _tokenizer(path)
    forced = config.get("forced_bos_token_id")
    parts = Parts(
        kind=KIND,
        family="bart",
        config=config,
        vocabulary=shape.vocabulary,
        longest=shape.longest,
        tokenizer=tokenizers.within(tokenizer, shape.vocabulary),
        tokens=Tokens(
            start=config.token("decoder_start_token_id", shape.vocabulary),
            end=config.token("eos_token_id", shape.vocabulary),
            unknown=tokenizer.token_to_id("<unk>"),
            padding=config.token("pad_token_id", shape.vocabulary),
        ),
        spoken=Spoken(pairs, (), (), {}),
        conditioning=Conditioning(start=[forced] if isinstance(forced, int) else []),
        files=("config.json", *files),
        problems=[] if pairs else ["BART models do not name languages; give --pair en-en."],
    )
    return assemble(path, parts, lambda tensors: _network(shape, tensors))


def _tokenizer(path: Path) -> tuple[Tokenizer, tuple[str, ...]]:
    """And the names of the files that it was read from."""
    if (path / tokenizers.TOKENIZER).is_file():
        return tokenizers.published(path, TEMPLATE), (tokenizers.TOKENIZER,)
    files = ("vocab.json", "merges.txt")
    require_files(path, files)
    return tokenizers.byte_level_bpe(path, TEMPLATE, SPECIAL), files


def _network(shape: BartLike, tensors: Tensors) -> Transformer:
    weights = BartLikeWeights(shape, tensors)
    encoder, decoder = (weights.learned_positions(side, OFFSET) for side in ("encoder", "decoder"))
    return weights.network(
        (encoder, decoder),
        norm_first=False,
        embedding_norm=True,
        final_norm=False,
        logits_bias=True,
    )
