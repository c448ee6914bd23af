"""Random requests for `soak`, good and bad, and what their answers must look like.

A new option is a line in OPTIONS, a new kind of request a function in KINDS.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlencode

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
PAIR = {"source": "fr", "target": "en"}
OK = 200
BUSY = frozenset({503, 504})
"""Refused or too late: any request may be answered so."""
FINISH_REASONS = {"eos", "length", "repetition"}
UNTRANSLATED = ("   ", "\n\n", "12 345,67", "😀 😀", "https://example.org/a?b=c", "…", "\u200b")
LONGEST_REQUEST = 50_000
"""Characters; as SEQ2SEQ_LIMITS__MAX_CHARACTERS."""
LARGEST_BODY = 1_048_576
Value = Callable[[Random, Mapping[str, Any]], Any]

OPTIONS: dict[str, Value] = {
    "beam_size": lambda random, _: random.choice((1, 1, 2, 3, 4, 5, 8, 16)),
    # At most beam_size; without one, the default beam has room for two.
    "num_hypotheses": lambda random, given: random.randint(1, given.get("beam_size", 2)),
    "length_penalty": lambda random, _: random.choice((0, 0.6, 1.0, 1, 2.5, -1)),
    "max_decoding_length": lambda random, _: random.randint(1, 256),
    "min_decoding_length": lambda random, given: random.randint(
        0, min(20, given.get("max_decoding_length", 20))
    ),
    "return_scores": lambda random, _: random.random() < 0.5,
    "alternatives": lambda random, _: random.randint(0, 5),
}
"""Option → a valid value of it, given the options drawn before it."""

WRONG: Sequence[dict[str, Any]] = (
    {"beam_size": 0},
    {"beam_size": 1000},
    {"beam_size": "many"},
    {"beam_size": True},
    {"num_hypotheses": 3, "beam_size": 2},
    {"min_decoding_length": 20, "max_decoding_length": 10},
    {"max_decoding_length": 100_000},
    {"length_penalty": 1e9},
    {"format": "html5"},
    {"source": "zz"},
    {"target": "zz"},
    {"q": ""},
    {"q": []},
    {"q": None},
    {"q": 7},
    {"q": ["a"] * 1000},
    {"q": "a" * (LONGEST_REQUEST + 1)},
)
"""Each is a reason to answer 400."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request and what may come of it."""

    kind: str
    body: bytes
    content_type: str = JSON
    statuses: frozenset[int] = frozenset({OK})
    """Expected ones beside BUSY."""
    asked: Mapping[str, Any] = field(default_factory=dict)
    """The fields, when it is to be translated."""

    @property
    def repeatable(self) -> str | None:
        """Requests with the same key must be translated alike, whenever they come."""
        return self.body.decode() if self.kind == "sentence" else None

    def fault(self, status: int, headers: Mapping[str, str], content: bytes) -> str | None:
        """What is wrong with an answer, if anything is."""
        try:
            answer = json.loads(content)
        except ValueError:
            return f"{status} without JSON"
        if status != OK:
            return self._fault_of_error(status, headers, answer)
        if OK not in self.statuses:
            return "200 for a wrong request"
        return _fault_of_translation(self.asked, answer)

    def _fault_of_error(self, status: int, headers: Mapping[str, str], answer: Any) -> str | None:
        if status not in self.statuses | BUSY:
            return f"{status} instead of {sorted(self.statuses)}"
        if not isinstance(answer, dict) or not answer.get("error"):
            return f"{status} without a reason"
        if status == min(BUSY) and not headers.get("Retry-After", "").isdecimal():
            return f"{status} without Retry-After"
        return None


def draw(random: Random, sentences: Sequence[str]) -> Request:
    """A random request."""
    (kind,) = random.choices(list(KINDS), list(KINDS.values()))
    return kind(random, sentences)


def draw_sentence(random: Random, sentences: Sequence[str]) -> Request:
    """A plain sentence without options."""
    return _json("sentence", {"q": random.choice(sentences), **PAIR})


def _options(random: Random, sentences: Sequence[str]) -> Request:
    return _json("options", {"q": random.choice(sentences), **PAIR, **_drawn_options(random)})


def _many(random: Random, sentences: Sequence[str]) -> Request:
    texts = [_text(random, sentences, 200) for _ in range(random.randint(1, 24))]
    return _json("many", {"q": texts, **PAIR, **_drawn_options(random)})


def _long(random: Random, sentences: Sequence[str]) -> Request:
    return _json("long", {"q": _text(random, sentences, 20_000), **PAIR})


def _form(random: Random, sentences: Sequence[str]) -> Request:
    asked = {"q": _text(random, sentences, 300), **PAIR}
    return Request("form", urlencode(asked).encode(), FORM, asked=asked)


def _untranslated(random: Random, sentences: Sequence[str]) -> Request:
    return _json("untranslated", {"q": random.choice(UNTRANSLATED), **PAIR})


def _any_characters(random: Random, sentences: Sequence[str]) -> Request:
    codes = (random.choice((0x7F, 0x250, 0x3000, 0x10FFFF)) for _ in range(random.randint(1, 500)))
    text = "".join(chr(random.randint(1, most)) for most in codes)
    return _json("any characters", {"q": text.encode(errors="ignore").decode(), **PAIR})


def _wrong(random: Random, sentences: Sequence[str]) -> Request:
    body = {"q": random.choice(sentences), **PAIR, **random.choice(WRONG)}
    return Request("wrong", json.dumps(body).encode(), statuses=frozenset({400}))


def _broken(random: Random, sentences: Sequence[str]) -> Request:
    whole = json.dumps({"q": random.choice(sentences), **PAIR}).encode()
    content_type, body, status = random.choice(
        (
            (JSON, whole[: random.randrange(len(whole))], 400),
            (JSON, whole.replace(b"q", b"\xff", 1), 400),
            (JSON, b"[" * 10_000, 400),
            (FORM, b"q=%ff&source=fr&target=en", 400),
            ("text/plain", whole, 415),
            (f"{JSON}; charset=utf-16", whole, 415),
        )
    )
    return Request("broken", body, content_type, frozenset({status}))


def _too_large(random: Random, sentences: Sequence[str]) -> Request:
    body = b'{"q":"' + b"a" * (LARGEST_BODY + random.randrange(LARGEST_BODY)) + b'"}'
    return Request("too large", body, statuses=frozenset({413}))


KINDS: dict[Callable[[Random, Sequence[str]], Request], float] = {
    draw_sentence: 40,
    _options: 25,
    _many: 10,
    _long: 3,
    _form: 5,
    _untranslated: 4,
    _any_characters: 4,
    _wrong: 6,
    _broken: 4,
    _too_large: 0.5,
}
"""Kind → how often it comes."""


def _json(kind: str, asked: Mapping[str, Any]) -> Request:
    return Request(kind, json.dumps(asked).encode(), asked=asked)


def _drawn_options(random: Random) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in OPTIONS.items():
        if random.random() < 0.4:
            given[name] = value(random, given)
    return given


def _text(random: Random, sentences: Sequence[str], longest: int) -> str:
    """Sentences and line breaks, up to a random length; maybe nothing but a space."""
    wanted = int(longest ** random.random())
    text = " "
    while len(text) < wanted:
        text += random.choice(sentences) + random.choice((" ", "\n", "\n\n"))
    return text[:longest]


def _fault_of_translation(asked: Mapping[str, Any], answer: Any) -> str | None:
    single = isinstance(asked["q"], str)
    texts = [asked["q"]] if single else asked["q"]
    try:
        found = answer["translatedText"]
        sentences = answer.get("sentences", [])
        alternatives = answer.get("alternatives", [])
        if single:
            found, sentences, alternatives = [found], [sentences], [alternatives]
        if len(found) != len(texts) or not all(isinstance(one, str) for one in found):
            return "not one translation for each text"
        if any(a.count("\n") != b.count("\n") for a, b in zip(texts, found, strict=True)):
            return "line breaks were lost"
        if single and asked["q"] in UNTRANSLATED and found != texts:
            return "text without words was changed"
        if any(len(some) > asked.get("alternatives", 0) for some in alternatives):
            return "too many alternatives"
        return _fault_of_sentences(asked, [one for text in sentences for one in text])
    except (KeyError, TypeError, AttributeError) as error:
        return f"the answer has another shape: {error!r}"


def _fault_of_sentences(
    asked: Mapping[str, Any], sentences: Sequence[Mapping[str, Any]]
) -> str | None:
    # Hypotheses that alternatives are made of are there too.
    most = max(asked.get("num_hypotheses", 1), asked.get("alternatives", 0) + 1)
    for sentence in sentences:
        hypotheses = sentence["translations"]
        if not 1 <= len(hypotheses) <= most:
            return "not as many hypotheses as asked for"
        if any(one["finish_reason"] not in FINISH_REASONS for one in hypotheses):
            return "an unknown finish_reason"
        if asked.get("return_scores"):
            scores = [one["score"] for one in hypotheses]
            if not all(map(math.isfinite, scores)) or scores != sorted(scores, reverse=True):
                return "scores are not finite and descending"
    return None
