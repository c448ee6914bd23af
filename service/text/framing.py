"""What a model is given besides the sentence, for a pair of languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.package.manifest import Conditioning, Language, LanguagePair, Place
from service.text.languages import name

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """Token ids around a sentence, and those that its translation is made to begin with."""

    before: Ids = ()
    after: Ids = ()
    start: Ids = ()


class Framing:
    """The frames of a model. Safe for any number of threads."""

    def __init__(
        self,
        conditioning: Conditioning,
        languages: Mapping[str, Language],
        encode: Callable[[str], Ids],
    ) -> None:
        """encode: source ids of a text without special tokens."""
        self._conditioning = conditioning
        self._languages = languages
        self._encode = encode
        self._frames: dict[LanguagePair, Frame] = {}

    def of(self, pair: LanguagePair) -> Frame:
        """The frame of a pair that the model translates."""
        if pair not in self._frames:
            self._frames[pair] = self._made(pair)
        return self._frames[pair]

    def _made(self, pair: LanguagePair) -> Frame:
        asked = self._conditioning
        before, after, start = (
            tuple(self._token(place, pair) for place in places)
            for places in (asked.before, asked.after, asked.start)
        )
        return Frame((*self._prompt(pair), *before), after, start)

    def _prompt(self, pair: LanguagePair) -> Ids:
        prompt = self._conditioning.prompt
        for place, code in (("{source}", pair.source), ("{target}", pair.target)):
            prompt = prompt.replace(place, self._name(code))
        return self._encode(prompt) if prompt else ()

    def _token(self, place: Place, pair: LanguagePair) -> int:
        if isinstance(place, int):
            return place
        token = self._languages[pair.source if place == "source" else pair.target].token
        assert token is not None  # the manifest was checked
        return token

    def _name(self, code: str) -> str:
        known = self._languages.get(code)
        return known.name if known else name(code)
