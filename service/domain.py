"""The values that pass between the stages, in the order of a request's path."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum


class FinishReason(StrEnum):
    """Why a hypothesis ended."""

    END = "eos"
    """The model said that it is complete."""
    LENGTH = "length"
    """It reached max_decoding_length and may lack its end."""
    REPETITION = "repetition"
    """It only repeated itself, so that the sentence was decoded again without repetitions."""


class Priority(StrEnum):
    """How soon a sentence is to be translated."""

    INTERACTIVE = "interactive"
    """Somebody is looking at the screen."""
    BULK = "bulk"
    """Somebody will look later: gets what the others leave, but always a share."""


class Format(StrEnum):
    """What a text is written in."""

    TEXT = "text"
    """Nothing but text."""
    HTML = "html"
    """A page or a fragment of one."""
    XML = "xml"
    """A well-formed document or a fragment of one."""


class Splitting(StrEnum):
    """Where sentences end, apart from blocks of markup."""

    LINES = "lines"
    """At punctuation, and where lines end."""
    WRAPPED = "wrapped"
    """At punctuation, blank lines and list items: other line breaks are those of a column."""
    NONE = "none"
    """Nowhere: a text, or a block of it, is one sentence."""


SPLITTING = {
    Format.TEXT: Splitting.LINES,
    Format.HTML: Splitting.WRAPPED,
    Format.XML: Splitting.LINES,
}
"""What holds for a format unless the request says otherwise; the same as DeepL's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRules:
    """What elements are to sentences, where a request says so; HTML's names in small letters."""

    untouched: frozenset[str] = frozenset()
    """Names of elements in which nothing is translated."""
    splitting: frozenset[str] = frozenset()
    """Names of those that end sentences."""
    inline: frozenset[str] = frozenset()
    """Names of those that don't; for XML only."""
    outline: bool = True
    """Whether other elements of XML that never stand beside text do; those of HTML always end
    sentences where they are blocks."""


class Selection(StrEnum):
    """Which of a sentence's hypotheses is the best."""

    SCORE = "score"
    """The one with the greatest score."""
    MBR = "mbr"
    """The one that is most like all the others: minimum Bayes risk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingOptions:
    """How to search for a translation. Names, defaults and semantics are CTranslate2's.

    Raises:
        ValueError: an option is out of bounds or contradicts another.
    """

    beam_size: int = 2
    """Hypotheses kept at each step; 1 is greedy search."""
    patience: float = 1.0
    """The search goes on until beam_size * patience hypotheses have finished (arXiv:2204.05424);
    greedy search ignores it."""
    num_hypotheses: int = 1
    """How many hypotheses to return, best first; see most_hypotheses."""
    length_penalty: float = 1.0
    """A hypothesis' score is its log-probability / length ** length_penalty; length counts the
    end token."""
    coverage_penalty: float = 0.0
    """To the score is added this * the sum over the source tokens of log(min(1, all attention that
    they got)) (arXiv:1609.08144, equation 14)."""
    repetition_penalty: float = 1.0
    """Logits of tokens that the hypothesis has are divided by this where positive, else multiplied
    (arXiv:1909.05858)."""
    no_repeat_ngram_size: int = 0
    """No sequence of so many tokens occurs twice in a hypothesis; 0 allows all."""
    suppress_sequences: tuple[tuple[int, ...], ...] = ()
    """Sequences of tokens that are never generated."""
    disable_unk: bool = False
    """Never generate the unknown token."""
    end_token: tuple[int, ...] = ()
    """What ends a hypothesis, instead of the model's own end token."""
    start: tuple[int, ...] = ()
    """What a model must be made to say first, such as the token of the target language. It stands
    before target_prefix and is as little part of the score, counts in lengths, and is left out of
    the hypotheses."""
    target_prefix: tuple[int, ...] = ()
    """What every hypothesis begins with; its probability is no part of the score."""
    prefix_bias_beta: float = 0.0
    """Above 0 the prefix is no longer forced: as long as a hypothesis agrees with it, the
    distribution is mixed with this weight of the prefix's next token (arXiv:1912.03393)."""
    return_alternatives: bool = False
    """Return hypotheses that begin with the num_hypotheses best tokens behind the prefix, each
    continued on its own and in the order of those tokens' probabilities. The score is that token's
    log-probability plus the score of what follows."""
    min_alternative_expansion_prob: float = 0.0
    """Least probability of such a token; the best one needs none."""
    sampling_topk: int = 1
    """Draw the next token from so many best ones; 0 draws from all, 1 takes the best."""
    sampling_topp: float = 1.0
    """Draw from the fewest best tokens whose probabilities add up to this."""
    sampling_temperature: float = 1.0
    """Log-probabilities are divided by this before a token is drawn; 0 takes the best."""
    sampling_seed: int = 0
    """The same seed draws the same tokens, whatever else is in the batch."""
    max_decoding_length: int = 256
    """Tokens after which a hypothesis is cut with FinishReason.LENGTH."""
    max_decoding_length_ratio: float | None = None
    """The same, as a multiple of the source's tokens, rounded up; see for_source()."""
    min_decoding_length: int = 1
    """Tokens before which the end token is not allowed."""
    return_attention: bool = False
    """Whether a hypothesis tells what each of its tokens attended to."""
    scored_target: tuple[int, ...] | None = None
    """Score this target, and the end token behind it, instead of searching; all other options are
    ignored."""

    @property
    def reproducible(self) -> bool:
        """Whether a source always has the same result, which may then be kept and shared.

        Draws with a seed are, but hardly anyone asks for the same ones again.
        """
        return not self.samples

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}")
        for name, above in _ABOVE.items():
            if getattr(self, name) <= above:
                raise ValueError(f"{name} must be greater than {above}")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise ValueError(f"{name} must not be greater than {most}")
        self._check_contradictions()

    def _check_contradictions(self) -> None:
        ratio = self.max_decoding_length_ratio
        if self.num_hypotheses > self.most_hypotheses:
            raise ValueError(f"num_hypotheses must not be greater than {self.most_hypotheses_name}")
        if self.enough_finished < 1:  # with return_alternatives, each of which is searched for
            raise ValueError("beam_size * patience must be at least 0.5")
        if self.min_decoding_length > self.max_decoding_length:
            raise ValueError("min_decoding_length must not be greater than max_decoding_length")
        if ratio is not None and ratio <= 0:
            raise ValueError("max_decoding_length_ratio must be greater than 0")
        if not 0 <= self.prefix_bias_beta < 1:
            raise ValueError("prefix_bias_beta must be at least 0 and less than 1")
        if self.prefix_bias_beta > 0 and self.return_alternatives:
            raise ValueError("prefix_bias_beta can't be combined with return_alternatives")
        if self.samples and self.beam_size > 1 and 0 < self.sampling_topk < 2 * self.beam_size:
            raise ValueError("sampling_topk must be 0 or at least 2 * beam_size")

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn at random."""
        return self.sampling_topk != 1 and self.sampling_temperature != 0

    @property
    def enough_finished(self) -> int:
        """How many finished hypotheses end a search."""
        if self.beam_size == 1:
            return 1
        return math.floor(self.beam_size * self.patience + 0.5)

    @property
    def most_hypotheses(self) -> float:
        """The greatest num_hypotheses that the other options allow."""
        if self.return_alternatives or (self.beam_size == 1 and self.samples):
            return math.inf
        return self.enough_finished

    @property
    def most_hypotheses_name(self) -> str:
        """The same in words."""
        return "beam_size" if self.patience == 1 else "beam_size * patience"

    @property
    def rows(self) -> int:
        """Most hypotheses that are alive at a step."""
        return 1 if self.scored_target is not None else self.searches * self.beam_size

    @property
    def searches(self) -> int:
        """Most searches that go on side by side, whose hypotheses share no tokens."""
        if self.scored_target is not None:
            return 1
        if self.return_alternatives or (self.beam_size == 1 and self.samples):
            return self.num_hypotheses
        return 1

    def for_source(self, tokens: int) -> DecodingOptions:
        """The same with max_decoding_length_ratio, for a source of so many tokens, worked out."""
        if self.max_decoding_length_ratio is None:
            return self
        longest = max(math.ceil(tokens * self.max_decoding_length_ratio), self.min_decoding_length)
        return replace(
            self,
            max_decoding_length=max(1, min(longest, self.max_decoding_length)),
            max_decoding_length_ratio=None,
        )


_LEAST = {
    "beam_size": 1,
    "num_hypotheses": 1,
    "max_decoding_length": 1,
    "min_decoding_length": 0,
    "no_repeat_ngram_size": 0,
    "min_alternative_expansion_prob": 0,
    "sampling_topk": 0,
    "sampling_temperature": 0,
    "sampling_seed": 0,
}
_ABOVE = {"patience": 0, "repetition_penalty": 0, "sampling_topp": 0}
_MOST = {"min_alternative_expansion_prob": 1, "sampling_topp": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextualOptions:
    """Options that are text until a tokenizer makes ids of them."""

    target_prefixes: tuple[str, ...] = ()
    """What the translation of each text's first sentence begins with; none at all, or one for each
    text, which may be empty."""
    suppress_sequences: tuple[str | tuple[str, ...], ...] = ()
    """Texts, or the target's tokens as its vocabulary spells them."""
    end_token: tuple[str, ...] = ()
    """Tokens as the target's vocabulary spells them."""
    replace_unknowns: bool | None = None
    """Write the source token that it attended to most in place of an unknown token. None: where the
    model has attention."""


Range = tuple[int, int]
"""Characters [start, end) of a text, counted in code points."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Characters of a text and characters of its translation that belong to each other."""

    source: Range
    target: Range


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
    textual: TextualOptions = TextualOptions()
    format: Format = Format.TEXT
    protect: bool = True
    """Whether placeholders and addresses are kept as they are."""
    align: bool = False
    """Whether translations tell which of their characters belong to which of the text's."""
    splitting: Splitting | None = None
    """None: as the format has it, see SPLITTING."""
    tags: TagRules = TagRules()
    glossary: tuple[tuple[str, str | None], ...] = ()
    """Terms, and how they are translated; None: not at all."""
    kept: tuple[tuple[tuple[int, int], ...], ...] = ()
    """Characters [start, end) that are not translated; none at all, or some for each text."""
    retry_repetitions: bool = False
    """Whether a sentence that only repeats itself is decoded again without repetitions."""
    model: str = ""
    """Name of the model that is to translate; empty: whichever is there for the languages."""
    track: bool = False
    """Whether translations tell which of their characters must not be translated again. Terms are
    then written here, and never left to the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringRequest:
    """What a dialect asks of the scorer."""

    texts: tuple[str, ...]
    translations: tuple[str, ...]
    """One for each text."""
    source: str
    target: str
    deadline: float
    """As in TranslationRequest."""
    model: str = ""
    """As in TranslationRequest."""


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
    attention: tuple[tuple[float, ...], ...] = ()
    """With return_attention, (target tokens, source tokens): what each token attended to."""
    log_probs: tuple[float, ...] = ()
    """With scored_target, the log-probability of each token and of the end behind them."""

    def up_to(self, end: int) -> Hypothesis:
        """The same with no more than so many tokens."""
        return replace(self, target_ids=self.target_ids[:end], attention=self.attention[:end])

    def without(self, start: int) -> Hypothesis:
        """The same without its first tokens."""
        return replace(self, target_ids=self.target_ids[start:], attention=self.attention[start:])


@dataclass(frozen=True, slots=True)
class SentenceTranslation:
    """One translated segment: its hypotheses, best first, as text."""

    source: str
    translations: tuple[str, ...]
    scores: tuple[float, ...]
    finish_reasons: tuple[FinishReason, ...]
    source_range: Range = (0, 0)
    """What it takes of the text, with the markup inside of it."""
    target_range: Range = (0, 0)
    """What its best translation takes of the translated text."""
    alignments: tuple[Alignment, ...] = ()
    """With align, of the words of its best translation, in order; ranges of the whole text."""
    source_tokens: tuple[str, ...] = ()
    """With return_attention; so are the next two."""
    tokens: tuple[tuple[str, ...], ...] = ()
    """Of each translation."""
    attention: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """Of each translation (its tokens, source tokens)."""


@dataclass(frozen=True, slots=True)
class TargetScore:
    """How probable a given translation is."""

    tokens: tuple[str, ...]
    """The end token is the last one."""
    log_probs: tuple[float, ...]
    """Of each token, given those before it."""


@dataclass(frozen=True, slots=True)
class DetectedLanguage:
    """What language a text seems to be in."""

    language: str
    """A code of the model's."""
    confidence: float
    """Between 0 and 1: its probability among all languages, also those that the model lacks."""


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model that is loaded, for people and probes."""

    name: str
    version: str
    variant: str
    precision: str
    device: str
    provider: str
    """ONNX Runtime's execution provider, as the running session tells it."""


@dataclass(frozen=True, slots=True)
class TextTranslation:
    """One translated text."""

    text: str
    """Best translation of every sentence, separators kept byte for byte."""
    alternatives: tuple[str, ...] = ()
    """The same with the second, third … hypothesis of every sentence."""
    sentences: tuple[SentenceTranslation, ...] = field(default=())
    alignments: tuple[Alignment, ...] = ()
    """With align, of the words of the translation, in order."""
    kept: tuple[Range, ...] = ()
    """With track, what must not be translated again, in order."""
    models: tuple[ModelDescription, ...] = ()
    """What translated it, step by step; none where there was nothing to do."""
