"""The fields of LibreTranslate's replies, and ours."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from service.domain import FinishReason

Range = Annotated[list[int], Field(min_length=2, max_length=2)]
"""The first character and the one behind the last; characters are Unicode's code points."""


class Alignment(BaseModel):
    """Characters of a text and those of its translation that belong to each other."""

    source: Range = Field(examples=[[3, 7]])
    target: Range = Field(examples=[[4, 7]])


class UsedModel(BaseModel):
    """A model that translated something."""

    model: str = Field(examples=["fr-en"])
    version: str = Field(examples=["1"])
    variant: str = Field(examples=["int8"])


class Details(BaseModel):
    """What translated it."""

    request_id: str = Field(
        description="The same as in the header X-Request-ID.", examples=["order-1234"]
    )
    model: str = Field(examples=["fr-en"])
    version: str = Field(examples=["1"])
    variant: str = Field(examples=["int8"])
    precision: str = Field(examples=["int8"])
    device: str = Field(examples=["cpu"])
    provider: str = Field(examples=["CPUExecutionProvider"])
    models: list[UsedModel] = Field(
        description="All models that translated something, in order; model and what follows it is "
        "the last one."
    )


class Hypothesis(BaseModel):
    """One translation of a sentence."""

    text: str
    score: float = Field(description="Only with return_scores.", default=0.0)
    finish_reason: FinishReason
    tokens: list[str] = Field(description="Only with return_attention.", default=[])
    attention: list[list[float]] = Field(
        default=[],
        description="Only with return_attention: for each token how much it attended to each of "
        "source_tokens.",
    )
    alignment: list[int] = Field(
        default=[],
        description="Only with return_attention: for each token the index of the source token "
        "that it attended to most.",
    )


class Sentence(BaseModel):
    """A sentence of a text and its hypotheses, best first."""

    source: str
    source_range: Range = Field(
        default=[0, 0], description="Only with return_alignments: where it is in the text."
    )
    target_range: Range = Field(
        default=[0, 0],
        description="Only with return_alignments: where its translation is in translatedText.",
    )
    source_tokens: list[str] = Field(description="Only with return_attention.", default=[])
    translations: list[Hypothesis]


class Detection(BaseModel):
    """A language that a text may be in."""

    confidence: int = Field(
        ge=0,
        le=100,
        description="How probable it is among all languages, also those that are not served.",
        examples=[99],
    )
    language: str = Field(examples=["fr"])


class TranslateReply(BaseModel):
    """A string of q is answered by single values, a list of q by lists of them."""

    translatedText: str | list[str] = Field(  # noqa: N815 (LibreTranslate's name)
        examples=["Hello everyone. How are you?"]
    )
    detectedLanguage: Detection | list[Detection] | None = Field(  # noqa: N815
        default=None, description="Only with source auto: what each text was translated from."
    )
    alternatives: list[str] | list[list[str]] = Field(
        default=[], description="Only when alternatives were asked for."
    )
    finish_reason: FinishReason | list[FinishReason] = Field(
        default=FinishReason.END,
        description="`eos`: complete. `length`: some sentence reached max_decoding_length. "
        "`repetition`: some sentence only repeated itself and was translated again.",
    )
    sentences: list[Sentence] | list[list[Sentence]] = Field(
        default=[], description="Every sentence with its hypotheses."
    )
    alignments: list[Alignment] | list[list[Alignment]] = Field(
        default=[],
        description="Only with return_alignments: the words of the translation, in order, and "
        "where each comes from. Every word is there, on both sides, and may be there more than "
        "once. Of html there are the words of sentences only, each from its first to its last "
        "character, with the markup between them.",
    )
    details: Details | None = Field(default=None, description="Only with return_details.")


class Language(BaseModel):
    """A language that can be translated from, and into which ones."""

    code: str
    name: str
    targets: list[str]


class Health(BaseModel):
    """The service answers."""

    status: str = Field(examples=["ok"])


class ScoreReply(BaseModel):
    """A string of q is answered by single values, a list of q by lists of them."""

    score: float | list[float] = Field(
        description="Log-probability of the translation: the sum of log_probs.", examples=[-1.84]
    )
    tokens: list[str] | list[list[str]] = Field(
        description="The translation's tokens; the end token is the last one."
    )
    log_probs: list[float] | list[list[float]] = Field(
        description="Log-probability of each token, given the text and the tokens before it."
    )
