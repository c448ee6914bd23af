"""Make tests/data/tiny-marian: a small random MarianMT model, with transformers and sentencepiece.

    python make_tiny_marian.py TEXT.fr TEXT.en tiny-marian

Needs torch==2.13.0, transformers 5.23 and sentencepiece 0.2.3. TEXT.*: a few hundred lines of
Tatoeba (CC BY 2.0 FR). source.spm and target.spm differ and share vocab.json, as in OPUS-MT.
"""

import json
import sys
from pathlib import Path

import sentencepiece
import torch
from transformers import MarianConfig, MarianMTModel

PIECES = 120
WIDTH = 24


def main(source_text: str, target_text: str, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    vocabulary = {"</s>": 0, "<unk>": 1}
    for name, text in (("source", source_text), ("target", target_text)):
        for piece in train(text, directory / name):
            vocabulary.setdefault(piece, len(vocabulary))
    vocabulary["<pad>"] = len(vocabulary)
    (directory / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False, indent=0))
    make_model(vocabulary).save_pretrained(directory)
    languages = {"source_lang": "fr", "target_lang": "en"}
    (directory / "tokenizer_config.json").write_text(json.dumps(languages))
    (directory / "generation_config.json").unlink()


def train(text: str, prefix: Path) -> list[str]:
    sentencepiece.SentencePieceTrainer.train(
        input=text,
        model_prefix=prefix,
        vocab_size=PIECES,
        character_coverage=1.0,
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        pad_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    prefix.with_suffix(".model").rename(prefix.with_suffix(".spm"))
    prefix.with_suffix(".vocab").unlink()
    model = sentencepiece.SentencePieceProcessor(str(prefix.with_suffix(".spm")))
    return [model.id_to_piece(index) for index in range(len(model))]


def make_model(vocabulary: dict[str, int]) -> MarianMTModel:
    torch.manual_seed(7)
    padding = vocabulary["<pad>"]
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(vocabulary), decoder_vocab_size=len(vocabulary), d_model=WIDTH,
            encoder_layers=2, decoder_layers=2, encoder_attention_heads=3,
            decoder_attention_heads=3, encoder_ffn_dim=48, decoder_ffn_dim=48,
            max_position_embeddings=64, activation_function="swish", scale_embedding=True,
            static_position_embeddings=True, init_std=0.3, pad_token_id=padding,
            eos_token_id=vocabulary["</s>"], decoder_start_token_id=padding,
            forced_eos_token_id=None, bos_token_id=None,
        )
    )  # fmt: skip
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "positions" not in name:  # biases and norms as well, or mistakes in them hide
                noise = torch.randn_like(weights) * (0.1 if "norm" in name else 0.2)
                weights.add_(noise)
        model.final_logits_bias.copy_(torch.randn_like(model.final_logits_bias) * 0.5)
        model.final_logits_bias[0, vocabulary["</s>"]] += 1.5  # so that sentences end
        model.model.shared.weight[padding] = 0  # Marian starts decoding from the zero vector
    return model


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
