"""The fields of LibreTranslate's requests, and ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from service.api.body import FIRST_FAULT
from service.domain import Priority, Selection, Splitting
from service.errors import InvalidRequest


def _refuse_boolean(value: object) -> object:
    # Pydantic would take true for 1.
    if isinstance(value, bool):
        raise ValueError("is not a number")  # noqa: TRY004 (pydantic wants a ValueError)
    return value


Whole = Annotated[int, BeforeValidator(_refuse_boolean)]
Number = Annotated[float, BeforeValidator(_refuse_boolean), Field(allow_inf_nan=False)]


def _refuse_other_than_text(value: object) -> object:
    # Pydantic would note each of them; see FirstFault.
    if isinstance(value, dict) and not all(isinstance(one, str) for one in value.values()):
        raise ValueError("is not an object of strings")
    return value


Strings = Annotated[list[str], FIRST_FAULT]
Texts = str | Strings
Sequences = str | Annotated[list[str | Strings], FIRST_FAULT]
Glossary = Annotated[str | dict[str, str], BeforeValidator(_refuse_other_than_text)]
Range = tuple[int, int]
OfOneText = Annotated[list[Range], FIRST_FAULT]
Ranges = OfOneText | Annotated[list[OfOneText], FIRST_FAULT]


class TranslateBody(BaseModel):
    """Parameters of POST /translate. Other fields are ignored, as LibreTranslate does."""

    model_config = ConfigDict(extra="ignore")

    q: Texts = Field(
        description="Text to translate, or a list of texts. Everything around the translated "
        "sentences, such as line breaks, stays as it is.",
        examples=["Bonjour tout le monde. Comment allez-vous ?"],
    )
    source: str = Field(
        description="Language of the text, as GET /languages lists it, or auto.",
        examples=["fr"],
    )
    target: str = Field(description="Language to translate into.", examples=["en"])
    format: str = Field(
        default="text",
        description="`text`, `html` for a page or a part of one, or `xml` for a well-formed "
        "document or a part of one: markup stays as it is.",
        examples=["text"],
    )
    alternatives: Whole = Field(
        default=0,
        description="How many other translations to return at most. A beam that is too narrow to "
        "hold them is widened.",
        examples=[0],
    )
    api_key: str = Field(default="", description="Ignored where no keys are needed.", examples=[""])
    model: str = Field(
        default="",
        description="Name of the model that is to translate, where several are served. By default "
        "whichever there is for the languages, or two of them.",
        examples=[""],
    )
    beam_size: Whole = Field(
        default=0, description="Hypotheses kept at each step; 1 is greedy search and fastest."
    )
    patience: Number = Field(
        default=1.0,
        description="The search goes on until beam_size × patience hypotheses have finished.",
    )
    num_hypotheses: Whole = Field(
        default=1,
        description="How many hypotheses of every sentence to return in `sentences`; at most "
        "beam_size × patience, unless return_alternatives or greedy sampling asks for others.",
    )
    length_penalty: Number = Field(
        default=1.0,
        description="A hypothesis' score is its log-probability divided by its length to the power "
        "of this; greater values favour longer translations.",
    )
    coverage_penalty: Number = Field(
        default=0.0,
        description="Weight of a penalty for source tokens that got little attention.",
    )
    repetition_penalty: Number = Field(
        default=1.0,
        description="Above 1, tokens that the hypothesis already has become less probable.",
    )
    no_repeat_ngram_size: Whole = Field(
        default=0, description="No sequence of so many tokens comes twice; 0 allows all."
    )
    disable_unk: bool = Field(default=False, description="Never generate the unknown token.")
    suppress_sequences: Sequences = Field(
        default=[],
        description="What is never generated: texts, or lists of tokens as the vocabulary spells "
        "them (as `tokens` does in replies).",
        examples=[[]],
    )
    end_token: Texts = Field(
        default=[],
        description="Tokens, as the vocabulary spells them, that end a hypothesis instead of the "
        "model's own end token.",
        examples=[[]],
    )
    target_prefix: Texts = Field(
        default=[],
        description="What the translation begins with: a text if q is one, else a list of as many "
        "texts as q has. It is the beginning of the text's first sentence.",
        examples=[""],
    )
    prefix_bias_beta: Number = Field(
        default=0.0,
        description="Above 0 target_prefix is not forced but made more probable with this weight.",
    )
    return_alternatives: bool = Field(
        default=False,
        description="Return hypotheses that begin with the num_hypotheses most probable tokens "
        "(behind target_prefix), each continued by a search of its own.",
    )
    min_alternative_expansion_prob: Number = Field(
        default=0.0, description="Least probability of such a token."
    )
    sampling_topk: Whole = Field(
        default=1,
        description="Draw each token at random from so many most probable ones; 0 draws from all, "
        "1 does not draw. With beam_size above 1 at least 2 × beam_size.",
    )
    sampling_topp: Number = Field(
        default=1.0,
        description="Draw from the fewest most probable tokens that have this probability "
        "together.",
    )
    sampling_temperature: Number = Field(
        default=1.0, description="Above 1 draws are more random, below 1 less so; 0 does not draw."
    )
    sampling_seed: Whole = Field(
        default=0,
        description="The same seed gives a text the same draws, whatever else is in the request; "
        "by default every request draws anew.",
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
    priority: Literal[Priority.INTERACTIVE, Priority.BULK] | None = Field(
        default=None,
        description="`bulk` translations get what `interactive` ones leave, but always a share. By "
        "default a request of many sentences is bulk.",
    )
    deadline_seconds: Number = Field(
        default=0.0,
        description="How long the client waits, from the arrival of the request on. When it is "
        "over, nothing is translated any more and the status is 504. By default, and at most, as "
        "long as the service allows.",
    )
    max_decoding_length_ratio: Number = Field(
        default=0.0,
        description="The same as a multiple of the source sentence's tokens; the lesser of the two "
        "counts. By default there is no such limit.",
    )
    retry_repetitions: bool = Field(
        default=True,
        description="Whether a sentence whose translation only repeats itself is translated once "
        "more with no_repeat_ngram_size 3; its finish_reason is `repetition`.",
    )
    protect_placeholders: bool = Field(
        default=True,
        description="Whether placeholders such as `{name}`, `%s` and `<0/>`, URLs, e-mail "
        "addresses and emoji are in the translation exactly as in the text.",
    )
    glossary: Glossary = Field(
        default={},
        description="Terms and how they are translated, wherever they stand as whole words: an "
        "object, or lines of a term, a tabulator and its translation.",
        examples=[{}],
    )
    do_not_translate: Texts = Field(
        default=[], description="Terms that are in the translation as in the text.", examples=[[]]
    )
    do_not_translate_ranges: Ranges = Field(
        default=[],
        description="Characters that are not translated, as pairs of a start and an end: a list of "
        "pairs if q is a text, else a list of such lists.",
        examples=[[]],
    )
    split_sentences: Literal[Splitting.LINES, Splitting.WRAPPED, Splitting.NONE] | None = Field(
        default=None,
        description="Where sentences end. `lines`: at punctuation and where lines end. `wrapped`, "
        "for text whose lines end at a column: at punctuation, blank lines and list items, but not "
        "at other line breaks. `none`: a text, or a block of it, is one sentence. By default "
        "`wrapped` for html, else `lines`.",
    )
    replace_unknowns: bool | None = Field(
        default=None,
        description="Write the source token that it attended to most in place of an unknown token, "
        "if it can be one that the model does not know. By default so where the model has "
        "attention; false leaves unknown tokens out.",
    )
    return_attention: bool = Field(
        default=False,
        description="Whether `sentences` holds tokens and what they attended to.",
    )
    return_scores: bool = Field(
        default=False, description="Whether `sentences` holds the scores of the hypotheses."
    )
    return_alignments: bool = Field(
        default=False,
        description="Whether `alignments` says which characters of the translation belong to "
        "which ones of the text, and `sentences` where each sentence is.",
    )
    stream: bool = Field(
        default=False,
        description="Whether to answer with Server-Sent Events: an event `sentence` for each "
        "sentence as soon as it is done, in order, then `done` with the reply, or `error`. `q` "
        "must be one text.",
    )
    return_details: bool = Field(
        default=False,
        description="Whether `details` says what translated it: the model, its variant, and the "
        "request's id.",
    )

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, however they were sent."""
        return (self.q,) if isinstance(self.q, str) else tuple(self.q)

    @property
    def extended(self) -> bool:
        """Whether one of our own fields was sent."""
        return not OWN_FIELDS.isdisjoint(self.model_fields_set)


LIBRETRANSLATES = frozenset({"q", "source", "target", "format", "alternatives", "api_key"})
OWN_FIELDS = frozenset(TranslateBody.model_fields) - LIBRETRANSLATES
REQUIRED = ("q", "source", "target")
TEXTS = "must be a string or an array of strings"
RANGES = (
    "must be an array of pairs [start, end] of characters that the text has if q is a string, else "
    "an array of as many such arrays as q has texts"
)
REPEATABLE = (
    "q",
    "suppress_sequences",
    "end_token",
    "target_prefix",
    "translation",
    "do_not_translate",
)
"""What a form may repeat to send a list."""
_TYPES: dict[object, str] = {
    Whole: "is not a number",
    Number: "is not a number",
    bool: "must be true or false",
    Texts: TEXTS,
}
EXPECTED = {
    name: _TYPES.get(annotation, "must be a string")
    for name, annotation in get_type_hints(TranslateBody, include_extras=True).items()
    if name in TranslateBody.model_fields
} | {
    "suppress_sequences": "must be an array of strings and arrays of strings",
    "selection": f"must be {' or '.join(Selection)}",
    "priority": f"must be {' or '.join(Priority)}",
    "split_sentences": f"must be {' or '.join(Splitting)}",
    "glossary": "must be an object of strings, or a string of lines with a tabulator each",
    "do_not_translate_ranges": RANGES,
    "translation": TEXTS,
}
"""What is wrong with a value of the wrong type."""


class ScoreBody(BaseModel):
    """Parameters of POST /score. Other fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    q: Texts = Field(
        description="Source text, or a list of texts. Each counts as one sentence.",
        examples=["Le chat dort."],
    )
    translation: Texts = Field(
        description="Its translation, or as many translations as q has texts.",
        examples=["The cat sleeps."],
    )
    source: str = Field(description="Language of the text.", examples=["fr"])
    target: str = Field(description="Language of the translation.", examples=["en"])
    model: str = Field(default="", description="Name of the model that is to score.", examples=[""])
    api_key: str = Field(default="", description="Ignored where no keys are needed.", examples=[""])


class DetectBody(BaseModel):
    """Parameters of POST /detect. Other fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    q: Texts = Field(
        description="Text whose language is asked for; a list of texts has one answer.",
        examples=["Bonjour tout le monde."],
    )
    api_key: str = Field(default="", description="Ignored where no keys are needed.", examples=[""])


Body = TypeVar("Body", bound=BaseModel)


def validated(kind: type[Body], parameters: Mapping[str, object], required: Sequence[str]) -> Body:
    """The parameters as fields.

    Raises:
        InvalidRequest: one is missing or has the wrong type.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    for name in required:
        if given.get(name) in ("", []) or name not in given:
            raise InvalidRequest(f"Invalid request: missing {name} parameter")
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        name = str(error.errors(include_input=False)[0]["loc"][0])
        one_text = kind.model_fields[name].annotation is str
        expected = "must be a string" if one_text else EXPECTED[name]
        raise InvalidRequest(f"Invalid request: {name} parameter {expected}") from None
