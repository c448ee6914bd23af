"""Pegasus models in Hugging Face form.

    config.json  model.safetensors  tokenizer.json or spiece.model

They say nothing of languages, and rewrite texts within one: --pair en-en.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from model_export.huggingface import tokenizers
from model_export.huggingface.config import Config, model_type, require_files
from model_export.huggingface.languages import Spoken
from model_export.huggingface.layers import BartLike, BartLikeWeights, sinusoidal_positions
from model_export.huggingface.reading import Parts, assemble
from model_export.spec import Array, Checkpoint, Transformer
from model_export.tensors import Tensors
from model_export.vocabulary import pieces_of, sentencepiece_tokenizer
from service.package.manifest import Conditioning, LanguagePair, Tokens

KIND = "huggingface-pegasus"
PIECES = "spiece.model"
OFFSET = 103
"""Tokens of the pre-training tasks between the end token and SentencePiece's <unk>."""


def recognises(path: Path) -> bool:
    """Whether config.json says so."""
    return model_type(path) == "pegasus"


def load(path: Path, pairs: tuple[LanguagePair, ...]) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it is for.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    config = Config.read(path)
    config.require("normalize_before", True)
    config.require("add_final_layer_norm", True)
    config.require("normalize_embedding", False)
    config.require("static_position_embeddings", True)
    config.require("add_bias_logits", False)
    config.require("extra_pos_embeddings", 0, 1)
    shape = BartLike.of(config)
    tokenizer, file = _tokenizer(path)
    parts = Parts(
        kind=KIND,
        family="pegasus",
        config=config,
        vocabulary=shape.vocabulary,
        longest=shape.longest,
        tokenizer=tokenizer,
        tokens=Tokens(
            start=config.token("decoder_start_token_id", shape.vocabulary),
            end=config.token("eos_token_id", shape.vocabulary),
            unknown=tokenizer.token_to_id("<unk>") or tokenizer.token_to_id(" <unk>"),
            padding=config.token("pad_token_id", shape.vocabulary),
        ),
        spoken=Spoken(pairs, (), (), {}),
        conditioning=Conditioning(),
        files=("config.json", file),
        problems=[] if pairs else ["Pegasus models do not name languages; give --pair en-en."],
    )
    return assemble(path, parts, lambda tensors: _network(shape, tensors))


def _tokenizer(path: Path) -> tuple[Tokenizer, str]:
    """And the name of the file that it was read from."""
    if (path / tokenizers.TOKENIZER).is_file():
        return tokenizers.published(path, "$A </s>"), tokenizers.TOKENIZER
    require_files(path, (PIECES,))
    tasks = ["<mask_1>", "<mask_2>", *(f"<unk_{number}>" for number in range(2, OFFSET))]
    # SentencePiece itself begins with <pad>, </s> and <unk>.
    names = ["<pad>", "</s>", *tasks, *pieces_of(path / PIECES)[2:]]
    ids = {name: number for number, name in enumerate(names)}
    return sentencepiece_tokenizer(path / PIECES, ids, ("<pad>", *tasks)), PIECES


def _network(shape: BartLike, tensors: Tensors) -> Transformer:
    encoder, decoder = (_positions(shape, tensors, side) for side in ("encoder", "decoder"))
    return BartLikeWeights(shape, tensors).network(
        (encoder, decoder), norm_first=True, embedding_norm=False, final_norm=True, logits_bias=True
    )


def _positions(shape: BartLike, tensors: Tensors, side: str) -> Array:
    """Most checkpoints hold the table that config.json determines."""
    name = f"model.{side}.embed_positions.weight"
    if name in tensors:
        return tensors.take(name, (shape.longest, shape.width))
    return sinusoidal_positions(shape.longest, shape.width)
