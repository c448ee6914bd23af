"""What a model directory promises: the one contract between the exporter and the service.

manifest.json
encoder.VARIANT.onnx  decoder.VARIANT.onnx
source.json           target.json             `tokenizers` files; one file when shared
README.md             model card, not covered by the manifest's hashes
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

FORMAT = 1
"""Raised when a directory of the old format would be misread; the CHANGELOG says what to do."""

MANIFEST_NAME = "manifest.json"

TokenId = Annotated[int, Field(ge=0)]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A plain name: a manifest can't point outside of its directory."""
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LanguagePair(_Strict):
    """A direction that the model translates."""

    source: LanguageCode
    target: LanguageCode


def first_pair(
    pairs: Sequence[LanguagePair], sources: Sequence[LanguageCode], targets: Sequence[LanguageCode]
) -> LanguagePair:
    """One of the directions of a manifest's pairs, sources and targets."""
    if pairs:
        return pairs[0]
    target = next((code for code in targets if code != sources[0]), targets[0])
    return LanguagePair(source=sources[0], target=target)


class Language(_Strict):
    """A language as the model knows it."""

    name: Annotated[str, Field(min_length=1)]
    """The model's own name or code of it, such as fra_Latn, fr_XX or French."""
    token: TokenId | None = None
    """The token that stands for it in what the model is given."""


Place = TokenId | Literal["source", "target"]
"""A token, or that of the source or target language."""


class Conditioning(_Strict):
    """What a model is given besides the sentence.

    The encoder gets prompt, before, the sentence with what the tokenizer file adds, and after; the
    decoder begins with tokens.start and is made to go on with start, which is no part of the
    translation.
    """

    prompt: str = ""
    """Text, encoded by itself; {source} and {target} are the names of the languages."""
    before: list[Place] = Field(default_factory=list)
    after: list[Place] = Field(default_factory=list)
    start: list[Place] = Field(default_factory=list)


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

    precision: Literal["fp32", "int8", "int4", "fp16"]
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
    name: ModelName
    family: str
    """For people and for `inspect`; the service never asks which family it serves."""
    pairs: list[LanguagePair] = Field(default_factory=list)
    """Directions that the model translates, besides those of sources and targets."""
    sources: list[LanguageCode] = Field(default_factory=list)
    """Each of these is translated into each of targets."""
    targets: list[LanguageCode] = Field(default_factory=list)
    languages: dict[LanguageCode, Language] = Field(default_factory=dict)
    """Languages that the model has names or tokens for."""
    conditioning: Conditioning = Conditioning()
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

    @property
    def first_pair(self) -> LanguagePair:
        """One of the directions that the model translates."""
        return first_pair(self.pairs, self.sources, self.targets)

    @model_validator(mode="after")
    def _translates_something(self) -> Self:
        if not self.pairs and not (self.sources and self.targets):
            raise ValueError("there must be pairs, or sources and targets")
        sides = {
            "source": {*self.sources, *(pair.source for pair in self.pairs)},
            "target": {*self.targets, *(pair.target for pair in self.pairs)},
        }
        asked = self.conditioning
        for place in (*asked.before, *asked.after, *asked.start):
            codes = sides[place] if isinstance(place, str) else set()
            known = {code for code, one in self.languages.items() if one.token is not None}
            if codes - known:
                raise ValueError(f"languages has no token for {', '.join(sorted(codes - known))}")
        return self
