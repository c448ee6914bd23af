"""SentencePiece BPE models → `tokenizers` files with the model's own ids.

Special tokens have names that text never matches, as in model_export.vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models

from model_export.errors import UnsupportedCheckpoint
from model_export.vocabulary import (
    decoder_for,
    merges_of,
    model_problems,
    normalizer_of,
    words_of,
)
from service.text.tokenizer import NEVER_IN_TEXT


def bpe_tokenizer(spm: Path, model: Any) -> Tokenizer:
    """A tokenizer with the ids of a SentencePiece BPE model, without a template.

    Raises:
        UnsupportedCheckpoint: the model does what no tokenizer here can do; all problems at once.
    """
    problems = model_problems(spm.name, model)
    if problems:
        raise UnsupportedCheckpoint(problems)
    normal = model.SentencePiece.Type.NORMAL
    scores = {one.piece: one.score for one in model.pieces if one.type == normal}
    special = [one.piece for one in model.pieces if one.type != normal]
    ids = {
        one.piece if one.type == normal else NEVER_IN_TEXT + one.piece: number
        for number, one in enumerate(model.pieces)
    }
    unknown = model.pieces[model.trainer_spec.unk_id].piece
    bpe = models.BPE(ids, list(merges_of(scores)), unk_token=NEVER_IN_TEXT + unknown, fuse_unk=True)
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizer_of(model)
    tokenizer.pre_tokenizer = words_of(scores)
    tokenizer.decoder = decoder_for(special)
    return tokenizer
