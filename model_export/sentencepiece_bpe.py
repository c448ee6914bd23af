"""SentencePiece BPE models → `tokenizers` files with the model's own ids.

SentencePiece joins two neighbours whenever they make a piece, the piece of the best score first,
and the leftmost of equal ones. `tokenizers` joins by a list of pairs. So the list has, for every
piece from the best score to the worst, each of its splits into two pieces. Of different pairs that
make the same piece, SentencePiece takes the leftmost first and `tokenizers` the first in the list;
this made no difference in the 9,994 natural lines that were tried.

Special tokens have names that text never matches, as in model_export.vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from model_export.errors import UnsupportedCheckpoint
from model_export.vocabulary import decoder_for, model_problems, normalizer_of

_SPACE = "▁"
_NEVER_IN_TEXT = " "


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
        one.piece if one.type == normal else _NEVER_IN_TEXT + one.piece: number
        for number, one in enumerate(model.pieces)
    }
    unknown = model.pieces[model.trainer_spec.unk_id].piece
    bpe = models.BPE(ids, list(_merges(scores)), unk_token=_NEVER_IN_TEXT + unknown, fuse_unk=True)
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizer_of(model)
    if not any(_SPACE in piece[1:] for piece in scores):
        # No piece reaches into the next word, so that words can be segmented one by one.
        words = Regex(f"{_SPACE}?[^{_SPACE}]+|{_SPACE}")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(words, "isolated")
    tokenizer.decoder = decoder_for(special)
    return tokenizer


def _merges(scores: dict[str, float]) -> Iterator[tuple[str, str]]:
    for piece in sorted(scores, key=lambda piece: -scores[piece]):  # stable: equals by id
        for place in range(1, len(piece)):
            left, right = piece[:place], piece[place:]
            if left in scores and right in scores:
                yield left, right
