"""The fields of LibreTranslate's replies, and ours."""

from __future__ import annotations

from pydantic import BaseModel, Field

from service.domain import FinishReason


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
