"""M2M-100 models in Hugging Face form, SMaLL-100 and WMT 21's among them.

    config.json  model.safetensors  sentencepiece.bpe.model  vocab.json  tokenizer_config.json

The source begins with the token of its language, the target with that of its own: __fr__. These
tokens follow those of vocab.json, in the order of a list. SMaLL-100 (Mohammadshahi et al. 2022,
arXiv:2210.11621) has the same network; it is told the target language alone, before the source.
"""

from __future__ import annotations

from pathlib import Path

from model_export.huggingface import tokenizers
from model_export.huggingface.config import Config, model_type, read_json, require_files
from model_export.huggingface.languages import M2M_100, WMT21, spoken
from model_export.huggingface.m2m import IGNORED_TENSORS, network, shape_of
from model_export.huggingface.reading import Parts, assemble
from model_export.spec import Checkpoint
from model_export.vocabulary import sentencepiece_tokenizer
from service.package.manifest import Conditioning, LanguagePair, Tokens

KIND = "huggingface-m2m100"
PIECES = "sentencepiece.bpe.model"
VOCABULARY = "vocab.json"
LISTS = {"m2m100": M2M_100, "wmt21": WMT21}
"""language_codes in tokenizer_config.json."""
SMALL_100 = ("SMALL100Tokenizer", "tokenization_small100.py")
"""Its tokenizer_class in tokenizer_config.json, and the code that lies beside it."""


def recognises(path: Path) -> bool:
    """Whether it is an M2M-100 model with a vocabulary of its own kind (NLLB has another)."""
    return model_type(path) == "m2m_100" and (path / VOCABULARY).is_file()


def load(path: Path, pairs: tuple[LanguagePair, ...]) -> Checkpoint:
    """Read the checkpoint.

    pairs: what it is to translate; every language into every other when empty.

    Raises:
        UnsupportedCheckpoint: with every reason found.
    """
    require_files(path, (PIECES, VOCABULARY))
    config = Config.read(path)
    shape = shape_of(config)
    vocabulary = read_json(path / VOCABULARY)
    codes = LISTS.get(str(tokenizers.settings(path).get("language_codes")), M2M_100)
    languages = {code: len(vocabulary) + place for place, code in enumerate(codes)}
    special = {f"__{code}__": number for code, number in languages.items()}
    tokenizer = sentencepiece_tokenizer(
        path / PIECES, vocabulary | special, ("<s>", "<pad>", *special), size=shape.vocabulary
    )
    tokens = Tokens(
        start=config.token("decoder_start_token_id", shape.vocabulary),
        end=config.token("eos_token_id", shape.vocabulary),
        unknown=vocabulary["<unk>"],
        padding=config.token("pad_token_id", shape.vocabulary),
    )
    parts = Parts(
        kind=KIND,
        family="m2m100",
        config=config,
        vocabulary=shape.vocabulary,
        longest=shape.longest,
        tokenizer=tokenizer,
        tokens=tokens,
        spoken=spoken(languages, pairs),
        conditioning=_conditioning(path),
        files=("config.json", PIECES, VOCABULARY),
    )
    return assemble(path, parts, lambda tensors: network(shape, tokens, tensors), IGNORED_TENSORS)


def _conditioning(path: Path) -> Conditioning:
    name, code = SMALL_100
    if tokenizers.settings(path).get("tokenizer_class") == name or (path / code).is_file():
        return Conditioning(before=["target"])
    return Conditioning(before=["source"], start=["target"])
