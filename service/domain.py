"""The values that pass between the stages, in the order of a request's path."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class FinishReason(StrEnum):
    """Why a hypothesis ended."""

    END = "eos"
    """The model said that it is complete."""
    LENGTH = "length"
    """It reached max_decoding_length and may lack its end."""


class Priority(StrEnum):
    """How soon a sentence is to be translated."""

    INTERACTIVE = "interactive"
    """Somebody is looking at the screen."""
    BULK = "bulk"
    """Somebody will look later: gets what the others leave, but always a share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingOptions:
    """How to search for a translation. Names, defaults and semantics are CTranslate2's.

    Raises:
        ValueError: an option is out of bounds or contradicts another.
    """

    beam_size: int = 2
    """Hypotheses kept at each step; 1 is greedy search."""
    num_hypotheses: int = 1
    """How many hypotheses to return, best first; at most beam_size."""
    length_penalty: float = 1.0
    """A hypothesis' score is its log-probability / length ** length_penalty; length counts the
    end token."""
    max_decoding_length: int = 256
    """Tokens after which a hypothesis is cut with FinishReason.LENGTH."""
    min_decoding_length: int = 1
    """Tokens before which the end token is not allowed."""

    def __post_init__(self) -> None:
        for name in ("beam_size", "num_hypotheses", "max_decoding_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.min_decoding_length < 0:
            raise ValueError("min_decoding_length must be at least 0")
        if self.num_hypotheses > self.beam_size:
            raise ValueError("num_hypotheses must not be greater than beam_size")
        if self.min_decoding_length > self.max_decoding_length:
            raise ValueError("min_decoding_length must not be greater than max_decoding_length")

    @property
    def reproducible(self) -> bool:
        """Whether a source always has the same result, which may then be kept and shared.

        False where an option makes the search draw random numbers that no option fixes.
        """
        return True


class Selection(StrEnum):
    """Which of a sentence's hypotheses is the best."""

    SCORE = "score"
    """The one with the greatest score."""
    MBR = "mbr"
    """The one that is most like all the others: minimum Bayes risk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationRequest:
    """What a dialect asks of the translator."""

    texts: tuple[str, ...]
    source: str
    target: str
    options: DecodingOptions
    deadline: float
    """Monotonic seconds (time.monotonic) after which nobody waits for the answer."""
    priority: Priority | None = None
    """None: interactive, unless the request has many sentences."""
    selection: Selection = Selection.SCORE


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a text. A text is exactly the concatenation of its segments' texts."""

    text: str
    translatable: bool
    """False for spacing between sentences and for text without words, both kept as they are."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One result of the search, in token ids; the end token is not among them."""

    target_ids: tuple[int, ...]
    score: float
    """Sum of the tokens' log-probabilities, end token included, after length_penalty."""
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class SentenceTranslation:
    """One translated segment: its hypotheses, best first, as text."""

    source: str
    translations: tuple[str, ...]
    scores: tuple[float, ...]
    finish_reasons: tuple[FinishReason, ...]


@dataclass(frozen=True, slots=True)
class TextTranslation:
    """One translated text."""

    text: str
    """Best translation of every sentence, separators kept byte for byte."""
    alternatives: tuple[str, ...] = ()
    """The same with the second, third … hypothesis of every sentence."""
    sentences: tuple[SentenceTranslation, ...] = field(default=())
