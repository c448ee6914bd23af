"""Write a trained model as the Hugging Face directory that `convert` takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import GenerationConfig, MarianMTModel

from model_export.package import staged
from model_export.training.vocabulary import END, PADDING, UNKNOWN, Vocabulary
from service.package.manifest import LanguagePair


def write(
    destination: Path,
    model: MarianMTModel,
    vocabulary: Vocabulary,
    pair: LanguagePair,
    training: Mapping[str, Any],
) -> None:
    """Replace the directory with this model. training: what training.json is to say."""
    with staged(destination) as staging:
        model.generation_config = _generation_config(vocabulary, model.config)
        model.save_pretrained(staging)
        for name in ("source.spm", "target.spm"):
            (staging / name).write_bytes(vocabulary.model)
        _write_json(staging / "vocab.json", vocabulary.ids)
        _write_json(staging / "tokenizer_config.json", _tokenizer_config(pair, model.config))
        _write_json(staging / "training.json", training)


def _generation_config(vocabulary: Vocabulary, config: Any) -> GenerationConfig:
    return GenerationConfig(
        decoder_start_token_id=vocabulary.padding,
        eos_token_id=vocabulary.end,
        forced_eos_token_id=vocabulary.end,
        pad_token_id=vocabulary.padding,
        bad_words_ids=[[vocabulary.padding]],
        max_length=config.max_position_embeddings,
        num_beams=4,
    )


def _tokenizer_config(pair: LanguagePair, config: Any) -> dict[str, object]:
    return {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": pair.source,
        "target_lang": pair.target,
        "eos_token": END,
        "unk_token": UNKNOWN,
        "pad_token": PADDING,
        "separate_vocabs": False,
        "sp_model_kwargs": {},
        "model_max_length": config.max_position_embeddings,
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
