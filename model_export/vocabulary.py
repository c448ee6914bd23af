"""SentencePiece vocabularies → `tokenizers` files whose ids are the model's own.

A Unigram model of `tokenizers` numbers its pieces by their place in a list, and finds each of them
in text. So the list is laid out by the model's ids, and whatever text must never match has a name
that begins with a space: normalisation leaves no space in a text, it writes ▁. That holds for the
special tokens (a text may well say "</s>"), for the other language's pieces in a joint vocabulary,
and for ids without a piece. Decoding takes the space off again.

A piece that SentencePiece knows and the model does not is unknown to the model, but it must still
take its part in the segmentation. Such pieces follow ORPHANS_FOLLOW at the list's end, and
service.text.tokenizer turns ids from there on into the unknown id.

Text without pieces becomes bytes where the model has pieces for these, <0x00> to <0xFF>. They keep
their names, by which `tokenizers` finds them, and a text that spells one is split before it.

The character map stays in the file as SentencePiece wrote it. `tokenizers` itself applies it per
grapheme cluster, which drops or keeps other characters than SentencePiece does;
service.text.tokenizer applies it exactly.

What stays different: runs of one character ("....." as . and .... or the other way round) have
segmentations of the same probability. SentencePiece adds scores in 32 bits, so that rounding
decides; `tokenizers` adds in 64 and may order the same pieces otherwise. Of bytes in a row that are
no UTF-8, `tokenizers` decodes none, where SentencePiece decodes those that are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from sentencepiece import sentencepiece_model_pb2
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from model_export.errors import UnsupportedCheckpoint
from service.text.tokenizer import NEVER_IN_TEXT, ORPHANS_FOLLOW

# protobuf makes the class at import time, where no type checker sees it.
ModelProto: Any = sentencepiece_model_pb2.ModelProto  # type: ignore[attr-defined]

_SPACE = "▁"
_SPELT_BYTE = "<(?=0x[0-9A-F]{2}>)"
"""The beginning of a byte's name."""
_NORMAL = ModelProto.SentencePiece.Type.NORMAL
_BYTE = ModelProto.SentencePiece.Type.BYTE
_USER_DEFINED = ModelProto.SentencePiece.Type.USER_DEFINED


def marian_tokenizer(
    spm: Path,
    vocabulary: Mapping[str, int],
    *,
    end: str = "</s>",
    unknown: str = "<unk>",
    padding: str = "<pad>",
) -> Tokenizer:
    """sentencepiece_tokenizer() with the special tokens of Marian."""
    return sentencepiece_tokenizer(spm, vocabulary, (padding,), end=end, unknown=unknown)


def sentencepiece_tokenizer(
    spm: Path,
    vocabulary: Mapping[str, int],
    special: Iterable[str] = (),
    *,
    end: str = "</s>",
    unknown: str = "<unk>",
    size: int = 0,
) -> Tokenizer:
    """One side's tokenizer: it encodes with the pieces of spm and decodes every id.

    spm: a SentencePiece model, unigram or BPE.
    vocabulary: piece → id of the model; may hold pieces of the other side too.
    special: other tokens that text never matches and that are left out of decoded text.
    size: how many ids the model has, where that is more than the vocabulary's.

    encode() appends the end token and finds no special token in text; decode() skips the special
    tokens. Without the other language's file both roles work: source and target may share a file
    when their spm files are the same.

    Raises:
        UnsupportedCheckpoint: spm is no model of this kind or vocabulary does not fit; all
            problems at once.
    """
    model = read_model(spm)
    special = (end, unknown, *special)
    problems = model_problems(spm.name, model, special, byte_fallback=True)
    problems += _vocabulary_problems(vocabulary, [*special, *_bytes_of(model)])
    if problems:
        raise UnsupportedCheckpoint(problems)
    pieces, as_bytes = _numbered_pieces(model, vocabulary, special, size), _bytes_of(model)
    if model.trainer_spec.model_type == model.trainer_spec.BPE:
        in_text = [one for one, _ in pieces if NEVER_IN_TEXT not in one and one not in as_bytes]
        tokenizer = Tokenizer(_bpe(pieces, in_text, vocabulary[unknown], bool(as_bytes)))
        tokenizer.pre_tokenizer = words_of(in_text)
    else:
        tokenizer = Tokenizer(models.Unigram(pieces, vocabulary[unknown], bool(as_bytes)))
        if as_bytes:
            tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_SPELT_BYTE), "isolated")
    tokenizer.normalizer = normalizer_of(model)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A end", special_tokens=[("end", vocabulary[end])]
    )
    tokenizer.decoder = decoder_for(special, byte_fallback=bool(as_bytes))
    return tokenizer


def pieces_of(spm: Path) -> list[str]:
    """The pieces of a SentencePiece model, in the order of its own ids.

    Raises:
        UnsupportedCheckpoint: spm is no such model.
    """
    return [piece.piece for piece in read_model(spm).pieces]


def user_symbols(spm: Path) -> list[str]:
    """Symbols that a SentencePiece model was told to keep whole.

    Raises:
        UnsupportedCheckpoint: spm is no such model.
    """
    return [piece.piece for piece in read_model(spm).pieces if piece.type == _USER_DEFINED]


def read_model(spm: Path) -> Any:
    """The SentencePiece model in a file, a ModelProto.

    Raises:
        UnsupportedCheckpoint: it is none.
    """
    model = ModelProto()
    try:
        model.ParseFromString(spm.read_bytes())
    except DecodeError as error:
        raise UnsupportedCheckpoint([f"{spm.name} is not a SentencePiece model"]) from error
    return model


def model_problems(
    name: str, model: Any, special: Collection[str] = (), *, byte_fallback: bool = False
) -> list[str]:
    """What of a SentencePiece model, unigram or BPE, no tokenizer here can do.

    special: tokens that text is to match never. byte_fallback: whether bytes can be done.
    """
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    checks = {
        "holds no pieces": not model.pieces,
        "is no unigram or BPE model": trainer.model_type not in (trainer.UNIGRAM, trainer.BPE),
        "uses byte fallback": trainer.byte_fallback and not byte_fallback,
        "writes spaces behind words": trainer.treat_whitespace_as_suffix,
        "keeps repeated spaces": not normalizer.remove_extra_whitespaces,
        "does not escape spaces": not normalizer.escape_whitespaces,
        "changes text when decoding": bool(model.denormalizer_spec.precompiled_charsmap),
        "has user-defined symbols": any(
            p.type == _USER_DEFINED and p.piece not in special for p in model.pieces
        ),
    }
    return [
        f"{name} {problem}, which is not supported" for problem, found in checks.items() if found
    ]


def _bytes_of(model: Any) -> set[str]:
    """Names of the pieces that are bytes."""
    if not model.trainer_spec.byte_fallback:
        return set()
    return {piece.piece for piece in model.pieces if piece.type == _BYTE}


def _vocabulary_problems(vocabulary: Mapping[str, int], special: Iterable[str]) -> list[str]:
    problems = [f"the vocabulary has no {token}" for token in special if token not in vocabulary]
    if len(set(vocabulary.values())) != len(vocabulary):
        problems.append("the vocabulary gives one id to several pieces")
    if any(not 0 <= number < 2 * len(vocabulary) for number in vocabulary.values()):
        problems.append("the vocabulary's ids are negative or leave most numbers out")
    return problems


def _numbered_pieces(
    model: Any, vocabulary: Mapping[str, int], special: Iterable[str], size: int
) -> list[tuple[str, float]]:
    """(piece, score) in the order of the model's ids, then what the model lacks."""
    scores = {p.piece: p.score for p in model.pieces if p.type == _NORMAL}
    for token in special:
        scores.pop(token, None)
    as_bytes = _bytes_of(model)
    count = max(size, max(vocabulary.values()) + 1)
    # Two spaces: no piece of the vocabulary gets such a name.
    pieces = [(2 * NEVER_IN_TEXT + str(i), 0.0) for i in range(count)]
    for piece, number in vocabulary.items():
        matches = piece in scores or piece in as_bytes
        name = piece if matches else NEVER_IN_TEXT + piece
        pieces[number] = (name, scores.get(piece, 0.0))
    orphans = [(piece, score) for piece, score in scores.items() if piece not in vocabulary]
    return [*pieces, (ORPHANS_FOLLOW, 0.0), *orphans] if orphans else pieces


def _bpe(
    pieces: Sequence[tuple[str, float]], in_text: Iterable[str], unknown: int, byte_fallback: bool
) -> models.BPE:
    scores = dict(pieces)
    return models.BPE(
        {piece: number for number, (piece, _) in enumerate(pieces)},
        list(merges_of({piece: scores[piece] for piece in in_text})),
        unk_token=pieces[unknown][0],
        fuse_unk=True,
        byte_fallback=byte_fallback,
    )


def merges_of(scores: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Pairs that `tokenizers` joins, in order, where SentencePiece joins what makes the best piece.

    Every piece's splits into two pieces, from the best score to the worst. Of different pairs that
    make the same piece, SentencePiece takes the leftmost first and `tokenizers` the first in the
    list; this made no difference in the 9,994 natural lines that were tried.
    """
    for piece in sorted(scores, key=lambda piece: -scores[piece]):  # stable: equals by id
        for place in range(1, len(piece)):
            left, right = piece[:place], piece[place:]
            if left in scores and right in scores:
                yield left, right


def words_of(pieces: Iterable[str]) -> pre_tokenizers.PreTokenizer | None:
    """Splits text into words, which then can be segmented one by one; nothing where some piece
    reaches into the next word."""
    if any(_SPACE in piece[1:] for piece in pieces):
        return None
    return pre_tokenizers.Split(Regex(f"{_SPACE}?[^{_SPACE}]+|{_SPACE}"), "isolated")


def normalizer_of(model: Any) -> normalizers.Normalizer:
    """SentencePiece's: character map, one space between words, none around them, ▁ for a space."""
    spec = model.normalizer_spec
    charsmap = spec.precompiled_charsmap
    steps: list[normalizers.Normalizer] = [
        normalizers.Replace(Regex(" {2,}"), " "),
        normalizers.Replace(Regex(r"\A "), ""),
    ]
    if charsmap:
        steps.insert(0, normalizers.Precompiled(charsmap))
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend(_SPACE))
    steps.append(normalizers.Replace(" ", _SPACE))
    # SentencePiece also takes a ▁ that the text itself ends with. The lookbehind keeps the search
    # linear in texts full of ▁.
    steps.append(normalizers.Replace(Regex(f"(?<!{_SPACE}){_SPACE}+\\z"), ""))
    return normalizers.Sequence(steps)


def decoder_for(special: Iterable[str], *, byte_fallback: bool = False) -> decoders.Decoder:
    """From pieces to text without special tokens, whose names begin with a space."""
    skipped = "|".join(_literal(token) for token in special)
    return decoders.Sequence(
        [
            decoders.Replace(Regex(rf"\A{NEVER_IN_TEXT}(?:{skipped}|{NEVER_IN_TEXT}\d+)\z"), ""),
            decoders.Replace(Regex(rf"\A{NEVER_IN_TEXT}"), ""),
            decoders.Replace(_SPACE, " "),
            *([decoders.ByteFallback()] if byte_fallback else []),
            decoders.Fuse(),
            decoders.Replace(Regex(r"\A +"), ""),
        ]
    )


def _literal(token: str) -> str:
    """A pattern that matches token only, for Oniguruma (re.escape is made for Python's)."""
    return "".join(f"\\x{{{ord(character):x}}}" for character in token)
