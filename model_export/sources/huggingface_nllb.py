"""NLLB-200 models in Hugging Face form: M2M-100's network with another vocabulary.

    config.json  model.safetensors  tokenizer.json or sentencepiece.bpe.model  tokenizer_config.json

The source begins with the token of its language, the target with that of its own: fra_Latn. With
legacy_behaviour in tokenizer_config.json, the source has it behind its end token.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from model_export.errors import UnsupportedCheckpoint
from model_export.huggingface import tokenizers
from model_export.huggingface.config import Config, model_type, require_files
from model_export.huggingface.languages import NLLB, spoken
from model_export.huggingface.m2m import IGNORED_TENSORS, network, shape_of
from model_export.huggingface.reading import Parts, assemble
from model_export.spec import Checkpoint
from model_export.vocabulary import sentencepiece_tokenizer
from service.package.manifest import Conditioning, LanguagePair, Tokens

KIND = "huggingface-nllb"
PIECES = "sentencepiece.bpe.model"


def recognises(path: Path) -> bool:
    """Whether it is a model of M2M-100's kind without M2M-100's vocab.json."""
    return model_type(path) == "m2m_100" and not (path / "vocab.json").is_file()


def load(path: Path, pairs: tuple[LanguagePair, ...]) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it is to translate; every language into every other when empty.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    config = Config.read(path)
    shape = shape_of(config)
    tokenizer, file = _tokenizer(path)
    languages = _languages(path, tokenizer)
    tokens = Tokens(
        start=config.token("decoder_start_token_id", shape.vocabulary),
        end=config.token("eos_token_id", shape.vocabulary),
        unknown=3,
        padding=config.token("pad_token_id", shape.vocabulary),
    )
    legacy = tokenizers.settings(path).get("legacy_behaviour") is True
    around = {"after" if legacy else "before": ["source"], "start": ["target"]}
    parts = Parts(
        kind=KIND,
        family="nllb",
        config=config,
        vocabulary=shape.vocabulary,
        longest=shape.longest,
        tokenizer=tokenizer,
        tokens=tokens,
        spoken=spoken(languages, pairs),
        conditioning=Conditioning.model_validate(around),
        files=("config.json", file),
    )
    return assemble(path, parts, lambda tensors: network(shape, tokens, tensors), IGNORED_TENSORS)


def _tokenizer(path: Path) -> tuple[Tokenizer, str]:
    """And the name of the file that it was read from."""
    if (path / tokenizers.TOKENIZER).is_file():
        return tokenizers.published(path, "$A </s>"), tokenizers.TOKENIZER
    require_files(path, (PIECES,))
    ids = tokenizers.fairseq_ids(path / PIECES)
    codes = (*(tokenizers.additional_tokens(path) or NLLB), "<mask>")
    ids |= {code: len(ids) + place for place, code in enumerate(dict.fromkeys(codes))}
    return sentencepiece_tokenizer(path / PIECES, ids, ("<s>", "<pad>", *codes)), PIECES


def _languages(path: Path, tokenizer: Tokenizer) -> dict[str, int]:
    names = tokenizers.additional_tokens(path) or NLLB
    numbers = {
        name: tokenizer.token_to_id(name) or tokenizer.token_to_id(f" {name}") for name in names
    }
    languages = {
        name: number
        for name, number in numbers.items()
        if number is not None and len(name.split("_")) == len(("fra", "Latn"))
    }
    if not languages:
        raise UnsupportedCheckpoint(["The tokenizer has no tokens of languages, like fra_Latn."])
    return languages
