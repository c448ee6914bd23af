"""The fields of DeepL's POST /v2/translate, and what becomes of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from service.api.body import FIRST_FAULT
from service.domain import Format, Splitting, TagRules
from service.errors import InvalidRequest

MODEL_TYPE = "latency_optimized"
TAGS = ("ignore_tags", "splitting_tags", "non_splitting_tags", "outline_detection")
"""Fields that say something about tags."""
OF_XML = ("non_splitting_tags", "outline_detection")
"""Those that HTML, whose blocks are known, has no use for."""
REPEATABLE = ("text", *TAGS[:3], "glossary_ids")
"""What a form may repeat to send a list."""
SPLITTING = {"0": Splitting.NONE, "1": Splitting.LINES, "nonewlines": Splitting.WRAPPED}
UNSUPPORTED = (
    "style_id",
    "translation_memory_id",
    "custom_instructions",
)
"""Fields that change what a translation is, so that ignoring them would be a lie."""


def listed(value: object) -> object:
    """A value that a form or a client did not put into a list."""
    return [value] if isinstance(value, str) else value


def _named(value: object) -> object:
    """Names, which may be separated by commas in one string or in several."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        return value
    names = (name.strip() for part in parts for name in part.split(","))
    return frozenset(name for name in names if name)


Names = Annotated[frozenset[str], FIRST_FAULT, BeforeValidator(_named)]
Texts = Annotated[list[str], FIRST_FAULT, BeforeValidator(listed)]


class TranslateBody(BaseModel):
    """Parameters of POST /v2/translate. Other fields are ignored, as DeepL does."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=False)

    text: Texts = Field(
        min_length=1,
        description="Texts to translate; in a form, repeat the field.",
        examples=[["Bonjour tout le monde."]],
    )
    target_lang: str = Field(
        min_length=1, description="Language to translate into.", examples=["EN-US"]
    )
    source_lang: str = Field(
        default="", description="Language of the texts; each is detected if it is left out."
    )
    context: str = Field(default="", description="Accepted and not used.", examples=[""])
    split_sentences: Literal["0", "1", "nonewlines"] | None = Field(
        default=None,
        description="0: each text is one sentence. 1: sentences end at punctuation and line "
        "breaks. nonewlines: at punctuation, blank lines and list items, but not at other line "
        "breaks; the default with tag_handling html.",
    )
    tag_handling: Literal["html", "xml"] | None = Field(
        default=None,
        description="What the texts are written in: their tags, and all else that is no text, stay "
        "as they are. XML must be well-formed, but may be a fragment.",
    )
    tag_handling_version: Literal["v1", "v2"] | None = Field(
        default=None, description="Accepted; there is one way of handling tags."
    )
    ignore_tags: Names = Field(
        default=frozenset(), description="Elements in which nothing is translated."
    )
    splitting_tags: Names = Field(default=frozenset(), description="Elements that end sentences.")
    non_splitting_tags: Names = Field(
        default=frozenset(), description="Elements that end no sentence; for XML only."
    )
    outline_detection: bool = Field(
        default=True,
        description="Whether elements that never stand beside text end sentences, too; for XML "
        "only.",
    )
    preserve_formatting: bool = Field(
        default=True, description="Accepted; formatting is always preserved."
    )
    glossary_id: str = Field(
        default="",
        description="A glossary that POST /v2/glossaries made; needs source_lang.",
        examples=[""],
    )
    glossary_ids: Texts = Field(
        default=[],
        max_length=5,
        description="Several glossaries; a term's first translation counts.",
        examples=[[]],
    )
    formality: Literal["default", "prefer_more", "prefer_less"] = Field(
        default="default",
        description="The preferences are accepted and have no effect; more and less are refused, "
        "as DeepL does for languages without formality.",
    )
    model_type: Literal["latency_optimized", "prefer_quality_optimized"] | None = Field(
        default=None,
        description="There is one model, which counts as latency_optimized.",
    )
    show_billed_characters: bool = Field(
        default=False, description="Whether to count each text's characters."
    )

    @property
    def glossaries(self) -> list[str]:
        """The ids of all glossaries."""
        return [one for one in (self.glossary_id, *self.glossary_ids) if one]

    @property
    def format(self) -> Format:
        """What the texts are written in."""
        return Format(self.tag_handling or Format.TEXT)

    @property
    def splitting(self) -> Splitting | None:
        """Where sentences end; None: as the format has it."""
        return SPLITTING.get(self.split_sentences or "")

    @property
    def tags(self) -> TagRules:
        """What the fields say about tags."""
        ignored, splitting = self.ignore_tags, self.splitting_tags
        if self.format is Format.HTML:
            ignored, splitting = (
                frozenset(map(str.lower, names)) for names in (ignored, splitting)
            )
        return TagRules(
            untouched=ignored,
            splitting=splitting,
            inline=self.non_splitting_tags,
            outline=self.outline_detection,
        )


def parse(parameters: Mapping[str, object]) -> TranslateBody:
    """Check names and types.

    Raises:
        InvalidRequest: in DeepL's words where it has some.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    for name in ("text", "target_lang"):
        if given.get(name) in ("", []) or name not in given:
            raise InvalidRequest(f"Parameter '{name}' not specified.")
    for name in UNSUPPORTED:
        if given.get(name) not in (None, "", []):
            raise InvalidRequest(f"Parameter '{name}' is not supported here.")
    if given.get("formality") in ("more", "less"):
        raise InvalidRequest("'formality' is not supported for given 'target_lang'.")
    try:
        body = TranslateBody.model_validate(given)
    except ValidationError as error:
        name = str(error.errors(include_input=False)[0]["loc"][0])
        raise InvalidRequest(f"Value for '{name}' not supported.") from None
    _check_tags(body)
    if body.glossaries and not body.source_lang:
        raise InvalidRequest("Parameter 'source_lang' is needed with a glossary.")
    return body


def _check_tags(body: TranslateBody) -> None:
    """Refuse fields that would have no effect."""
    default = TranslateBody.model_fields
    for name in TAGS:
        if getattr(body, name) == default[name].default or body.format is Format.XML:
            continue
        if body.format is Format.TEXT:
            raise InvalidRequest(f"Parameter '{name}' needs 'tag_handling'.")
        if name in OF_XML:
            raise InvalidRequest(f"Parameter '{name}' needs 'tag_handling' xml.")
