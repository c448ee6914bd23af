"""What a model directory promises: the one contract between the exporter and the service.

manifest.json
encoder.VARIANT.onnx  decoder.VARIANT.onnx
source.json           target.json             `tokenizers` files; one file when shared
README.md             model card, not covered by the manifest's hashes
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

FORMAT = 1
"""Raised when a directory of the old format would be misread; the CHANGELOG says what to do."""

MANIFEST_NAME = "manifest.json"

TokenId = Annotated[int, Field(ge=0)]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A plain name: a manifest can't point outside of its directory."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LanguagePair(_Strict):
    """A direction that the model translates."""

    source: LanguageCode
    target: LanguageCode


class Tokens(_Strict):
    """The ids that decoding needs. The tokenizer file itself adds what the source ends with."""

    start: TokenId
    """The decoder's first input; never part of a hypothesis."""
    end: TokenId
    """Ends a hypothesis."""
    unknown: TokenId | None = None
    padding: TokenId
    """Fills source_ids behind a sentence's end; any id will do, it is masked."""


class Limits(_Strict):
    """What the model can take."""

    max_source_tokens: Annotated[int, Field(ge=2)]
    """Longest source in tokens, special tokens included; longer sentences are split."""
    max_target_tokens: Annotated[int, Field(ge=1)]
    """Most steps of the decoder."""
    target_vocabulary: Annotated[int, Field(ge=2)]
    """Size of the distribution over next tokens."""


class Tokenizers(_Strict):
    """The `tokenizers` files; the same name twice when source and target share one."""

    source: FileName
    target: FileName


class Variant(_Strict):
    """One precision of the two graphs."""

    precision: Literal["fp32", "int8", "fp16"]
    devices: Annotated[list[Literal["cpu", "cuda"]], Field(min_length=1)]
    """Where all of its operators have kernels."""
    encoder: FileName
    decoder: FileName
    data: list[FileName] = Field(default_factory=list)
    """Files that large graphs have their weights in."""


class File(_Strict):
    """A file of the directory, as it was written."""

    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Provenance(_Strict):
    """Where the weights came from."""

    source_kind: str
    """The exporter's reader of it, such as huggingface-marian."""
    source_files: dict[str, Sha256]
    exporter: str
    """Name and version of the program that wrote the directory."""
    created: str
    """ISO 8601 date."""


class Parity(_Strict):
    """How close a variant came to the plain numpy reference when it was exported."""

    max_log_prob_difference: float
    """Largest difference of a log-probability among the reference's likely continuations."""
    same_tokens: float
    """Share of the probe sentences decoded to the reference's greedy tokens."""
    sentences: int


class Score(_Strict):
    """A measured quality figure, as the model card tells it."""

    test_set: str
    variant: str
    beam_size: int
    bleu: float
    chrf: float


class Manifest(_Strict):
    """manifest.json."""

    format: Literal[1]
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    family: str
    """For people and for `inspect`; the service never asks which family it serves."""
    pairs: Annotated[list[LanguagePair], Field(min_length=1)]
    tokens: Tokens
    limits: Limits
    tokenizers: Tokenizers
    variants: Annotated[dict[str, Variant], Field(min_length=1)]
    files: dict[FileName, File]
    attention: bool = True
    """Whether the decoder has attention to the source that can be shown."""
    architecture: str | None = None
    """The network in a line, for people."""
    licence: str | None = None
    provenance: Provenance
    parity: dict[str, Parity] = Field(default_factory=dict)
    scores: list[Score] = Field(default_factory=list)
