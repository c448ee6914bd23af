"""From the parts of a checkpoint to the whole, with all that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from tokenizers import Tokenizer

from model_export.errors import UnsupportedCheckpoint
from model_export.huggingface import tokenizers
from model_export.huggingface.config import Config
from model_export.huggingface.languages import Spoken
from model_export.spec import Checkpoint, Transformer
from model_export.tensors import Tensors, weight_files
from service.package.directory import sha256_of
from service.package.manifest import Conditioning, Limits, Tokens

END = "</s>"
"""What all of these tokenizers call the end token."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a source found out about a checkpoint before it reads the weights."""

    kind: str
    family: str
    config: Config
    vocabulary: int
    longest: int
    """Most tokens of a source and of a target."""
    tokenizer: Tokenizer
    tokens: Tokens
    spoken: Spoken
    conditioning: Conditioning
    files: tuple[str, ...]
    """What was read besides the weights."""
    problems: list[str] = field(default_factory=list)


def assemble(
    path: Path,
    parts: Parts,
    network: Callable[[Tensors], Transformer],
    ignored: Collection[str] = (),
) -> Checkpoint:
    """Read the weights. ignored: names of tensors that other fields determine.

    Raises:
        UnsupportedCheckpoint: with every reason of the configuration, or of the weights.
    """
    tokens = parts.tokens
    parts.config.check_unknown()
    problems = parts.config.problems + parts.problems
    if not parts.config.problems:
        end = {END: tokens.end}
        problems += tokenizers.problems(parts.tokenizer, parts.vocabulary, end)
    weights = weight_files(path)
    if problems:
        raise UnsupportedCheckpoint(problems)
    tensors = Tensors.open(path)
    built = network(tensors)
    tensors.finish(ignored)
    tokenizer = tokenizers.apart_from_text(parts.tokenizer)
    return Checkpoint(
        kind=parts.kind,
        family=parts.family,
        network=built,
        source_tokenizer=tokenizer,
        target_tokenizer=tokenizer,
        pairs=parts.spoken.pairs,
        sources=parts.spoken.sources,
        targets=parts.spoken.targets,
        languages=parts.spoken.languages,
        conditioning=parts.conditioning,
        tokens=tokens,
        limits=Limits(
            max_source_tokens=parts.longest,
            max_target_tokens=parts.longest,
            target_vocabulary=parts.vocabulary,
        ),
        files={name: sha256_of(path / name) for name in (*parts.files, *weights)},
        release=tensors.release,
    )
