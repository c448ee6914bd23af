"""The fields of LibreTranslate's requests and replies, and ours."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.domain import FinishReason, Selection

LENGTH_PENALTY_BOUND = 10


def _refuse_boolean(value: object) -> object:
    # Pydantic would take true for 1.
    if isinstance(value, bool):
        raise ValueError("is not a number")  # noqa: TRY004 (pydantic wants a ValueError)
    return value


Whole = Annotated[int, BeforeValidator(_refuse_boolean)]
Number = Annotated[float, BeforeValidator(_refuse_boolean), Field(allow_inf_nan=False)]


class TranslateBody(BaseModel):
    """Parameters of POST /translate. Other fields are ignored, as LibreTranslate does."""

    model_config = ConfigDict(extra="ignore")

    q: str | list[str] = Field(
        description="Text to translate, or a list of texts. Everything around the translated "
        "sentences, such as line breaks, stays as it is.",
        examples=["Bonjour tout le monde. Comment allez-vous ?"],
    )
    source: str = Field(
        description="Language of the text. GET /languages lists what is served; auto is not.",
        examples=["fr"],
    )
    target: str = Field(description="Language to translate into.", examples=["en"])
    format: str = Field(
        default="text", description="Format of the text. Only text is supported.", examples=["text"]
    )
    alternatives: Whole = Field(
        default=0,
        description="How many other translations to return at most. A beam that is too narrow to "
        "hold them is widened.",
        examples=[0],
    )
    api_key: str = Field(default="", description="Accepted and ignored.", examples=[""])
    beam_size: Whole = Field(
        default=0, description="Hypotheses kept at each step; 1 is greedy search and fastest."
    )
    num_hypotheses: Whole = Field(
        default=1,
        description="How many hypotheses of every sentence to return in `sentences`; at most "
        "beam_size.",
    )
    length_penalty: Number = Field(
        default=1.0,
        description="A hypothesis' score is its log-probability divided by its length to the power "
        "of this; greater values favour longer translations.",
    )
    min_decoding_length: Whole = Field(
        default=1, description="Fewest tokens of a translated sentence."
    )
    max_decoding_length: Whole = Field(
        default=0,
        description="Most tokens of a translated sentence; one that reaches it has finish_reason "
        "`length`.",
    )
    # A Literal, as the schema of an enumeration is a reference to where OpenAPI has none.
    selection: Literal[Selection.SCORE, Selection.MBR] = Field(
        default=Selection.SCORE,
        description="Which hypothesis of a sentence is its translation. `score`: the one with the "
        "greatest score. `mbr`: the one that is most like all hypotheses of the beam (minimum "
        "Bayes risk with chrF), which should be wide; at least 2 hypotheses.",
    )
    return_scores: bool = Field(
        default=False, description="Whether `sentences` holds the scores of the hypotheses."
    )

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, however they were sent."""
        return (self.q,) if isinstance(self.q, str) else tuple(self.q)

    @property
    def extended(self) -> bool:
        """Whether one of our own fields was sent."""
        return not OWN_FIELDS.isdisjoint(self.model_fields_set)


OWN_FIELDS = frozenset(
    {
        "beam_size",
        "num_hypotheses",
        "length_penalty",
        "min_decoding_length",
        "max_decoding_length",
        "selection",
        "return_scores",
    }
)
REQUIRED = ("q", "source", "target")
NUMBERS = frozenset({"alternatives"} | OWN_FIELDS - {"selection", "return_scores"})
EXPECTED = {
    "q": "must be a string or an array of strings",
    "return_scores": "must be true or false",
    "selection": f"must be {' or '.join(Selection)}",
    **dict.fromkeys(NUMBERS, "is not a number"),
}
"""What is wrong with a value of the wrong type; the others must be strings."""


class Hypothesis(BaseModel):
    """One translation of a sentence."""

    text: str
    score: float = Field(description="Only with return_scores.", default=0.0)
    finish_reason: FinishReason


class Sentence(BaseModel):
    """A sentence of a text and its hypotheses, best first."""

    source: str
    translations: list[Hypothesis]


class TranslateReply(BaseModel):
    """A string of q is answered by single values, a list of q by lists of them."""

    translatedText: str | list[str] = Field(  # noqa: N815 (LibreTranslate's name)
        examples=["Hello everyone. How are you?"]
    )
    alternatives: list[str] | list[list[str]] = Field(
        default=[], description="Only when alternatives were asked for."
    )
    finish_reason: FinishReason | list[FinishReason] = Field(
        default=FinishReason.END,
        description="`eos`: complete. `length`: some sentence reached max_decoding_length.",
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
