"""SentencePiece vocabularies → `tokenizers` files whose ids are the model's own.

A Unigram model of `tokenizers` numbers its pieces by their place in a list, and finds each of them
in text. So the list is laid out by the model's ids, and whatever text must never match has a name
that begins with a space: normalisation leaves no space in a text, it writes ▁. That holds for the
special tokens (a text may well say "</s>"), for the other language's pieces in a joint vocabulary,
and for ids without a piece. Decoding takes the space off again.

A piece that SentencePiece knows and the model does not is unknown to the model, but it must still
take its part in the segmentation. Such pieces follow ORPHANS_FOLLOW at the list's end, and
service.text.tokenizer turns ids from there on into the unknown id.

The character map stays in the file as SentencePiece wrote it. `tokenizers` itself applies it per
grapheme cluster, which drops or keeps other characters than SentencePiece does;
service.text.tokenizer applies it exactly.

What stays different: runs of one character ("....." as . and .... or the other way round) have
segmentations of the same probability. SentencePiece adds scores in 32 bits, so that rounding
decides; `tokenizers` adds in 64 and may order the same pieces otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, processors

from model_export.errors import UnsupportedCheckpoint
from service.text.tokenizer import ORPHANS_FOLLOW

# protobuf makes the class at import time, where no type checker sees it.
ModelProto: Any = sentencepiece_model_pb2.ModelProto  # type: ignore[attr-defined]

_SPACE = "▁"
_NEVER_IN_TEXT = " "
_NORMAL = ModelProto.SentencePiece.Type.NORMAL
_SUPPORTED_TYPES = {
    ModelProto.SentencePiece.Type.NORMAL,
    ModelProto.SentencePiece.Type.UNKNOWN,
    ModelProto.SentencePiece.Type.CONTROL,
    ModelProto.SentencePiece.Type.UNUSED,
}


def marian_tokenizer(
    spm: Path,
    vocabulary: Mapping[str, int],
    *,
    end: str = "</s>",
    unknown: str = "<unk>",
    padding: str = "<pad>",
) -> Tokenizer:
    """One side's tokenizer: it encodes with the pieces of spm and decodes every id.

    spm: a SentencePiece unigram model.
    vocabulary: piece → id of the model; may hold pieces of the other side too.

    encode() appends the end token and finds no special token in text; decode() skips the special
    tokens. Without the other language's file both roles work: source and target may share a file
    when their spm files are the same.

    Raises:
        UnsupportedCheckpoint: spm is no model of this kind or vocabulary does not fit; all
            problems at once.
    """
    model = read_model(spm)
    special = (end, unknown, padding)
    problems = _model_problems(spm.name, model) + _vocabulary_problems(vocabulary, special)
    if problems:
        raise UnsupportedCheckpoint(problems)
    tokenizer = Tokenizer(
        models.Unigram(_numbered_pieces(model, vocabulary, special), vocabulary[unknown], False)
    )
    tokenizer.normalizer = normalizer_of(model)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A end", special_tokens=[("end", vocabulary[end])]
    )
    tokenizer.decoder = decoder_for(special)
    return tokenizer


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


def _model_problems(name: str, model: Any) -> list[str]:
    trainer = model.trainer_spec
    others = model_problems(name, model)
    if trainer.model_type == trainer.UNIGRAM:
        return others
    return [f"{name} is not a unigram model, which is not supported", *others]


def model_problems(name: str, model: Any) -> list[str]:
    """What of a SentencePiece model, unigram or BPE, no tokenizer here can do."""
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    checks = {
        "holds no pieces": not model.pieces,
        "uses byte fallback": trainer.byte_fallback,
        "writes spaces behind words": trainer.treat_whitespace_as_suffix,
        "keeps repeated spaces": not normalizer.remove_extra_whitespaces,
        "does not escape spaces": not normalizer.escape_whitespaces,
        "changes text when decoding": bool(model.denormalizer_spec.precompiled_charsmap),
        "has user-defined symbols": any(p.type not in _SUPPORTED_TYPES for p in model.pieces),
    }
    return [
        f"{name} {problem}, which is not supported" for problem, found in checks.items() if found
    ]


def _vocabulary_problems(vocabulary: Mapping[str, int], special: Iterable[str]) -> list[str]:
    problems = [f"the vocabulary has no {token}" for token in special if token not in vocabulary]
    if len(set(vocabulary.values())) != len(vocabulary):
        problems.append("the vocabulary gives one id to several pieces")
    if any(not 0 <= number < 2 * len(vocabulary) for number in vocabulary.values()):
        problems.append("the vocabulary's ids are negative or leave most numbers out")
    return problems


def _numbered_pieces(
    model: Any, vocabulary: Mapping[str, int], special: Iterable[str]
) -> list[tuple[str, float]]:
    """(piece, score) in the order of the model's ids, then what the model lacks."""
    scores = {p.piece: p.score for p in model.pieces if p.type == _NORMAL}
    for token in special:
        scores.pop(token, None)
    # Two spaces: no piece of the vocabulary gets such a name.
    pieces = [(2 * _NEVER_IN_TEXT + str(i), 0.0) for i in range(max(vocabulary.values()) + 1)]
    for piece, number in vocabulary.items():
        matches = piece in scores
        pieces[number] = (piece, scores[piece]) if matches else (_NEVER_IN_TEXT + piece, 0.0)
    orphans = [(piece, score) for piece, score in scores.items() if piece not in vocabulary]
    return [*pieces, (ORPHANS_FOLLOW, 0.0), *orphans] if orphans else pieces


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


def decoder_for(special: Iterable[str]) -> decoders.Decoder:
    """From pieces to text without special tokens, whose names begin with a space."""
    skipped = "|".join(_literal(token) for token in special)
    return decoders.Sequence(
        [
            decoders.Replace(Regex(rf"\A{_NEVER_IN_TEXT}(?:{skipped}|{_NEVER_IN_TEXT}\d+)\z"), ""),
            decoders.Replace(Regex(rf"\A{_NEVER_IN_TEXT}"), ""),
            decoders.Replace(_SPACE, " "),
            decoders.Fuse(),
            decoders.Replace(Regex(r"\A +"), ""),
        ]
    )


def _literal(token: str) -> str:
    """A pattern that matches token only, for Oniguruma (re.escape is made for Python's)."""
    return "".join(f"\\x{{{ord(character):x}}}" for character in token)
