"""Which models translate what, as of some moment. Nothing here ever changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.catalogue.model import KnownModel
from service.errors import InvalidRequest, UnsupportedLanguage
from service.package.manifest import LanguagePair
from service.text.languages import Languages


@dataclass(frozen=True, slots=True)
class Step:
    """What one model does for a request."""

    model: KnownModel
    pair: LanguagePair
    """In the model's own codes."""


class Routes:
    """The way from one language to another, for all pairs of some models.

    A pair that several models translate is translated by the one that has the fewest pairs, so by a
    bilingual model rather than a multilingual one, and among equals by the one whose name is the
    first. A pair that none of them translates is translated through the first pivot that it can be
    translated through.
    """

    def __init__(self, models: Sequence[KnownModel], pivots: Sequence[str] = ()) -> None:
        """models: the default one first; pivots: languages, the preferred one first."""
        self.models = tuple(models)
        self._by_preference = sorted(models, key=lambda one: (one.languages.directions, one.name))
        parts = [one.languages for one in models]
        alone = len(parts) == 1 and not pivots
        self.languages = parts[0] if alone else Languages.together(parts, pivots)
        """All that can be translated."""
        self._pivots = pivots

    @property
    def has_attention(self) -> bool:
        """Whether all models can say what they attended to."""
        return all(one.attention for one in self.models)

    def languages_of(self, name: str) -> Languages:
        """The languages of the model of this name; all, if it is empty.

        Raises:
            InvalidRequest: no model of this name is served.
        """
        return self._named(name).languages if name else self.languages

    def find(self, source: str, target: str, name: str = "") -> tuple[Step, ...]:
        """The models that translate a pair of languages, as clients write them: one, or two of
        which the second one translates what the first one has made. None where nothing is to be
        done.

        name: of the model that is to do it, without a pivot.

        Raises:
            UnsupportedLanguage: nothing that is served translates this pair.
            InvalidRequest: no model of this name is served.
        """
        if name:
            model = self._named(name)
            pair = model.languages.resolve(source, target)
            return () if model.languages.leaves_alone(pair) else (Step(model, pair),)
        pair = self.languages.resolve(source, target)
        if self.languages.leaves_alone(pair):
            return ()
        route = self._direct(pair) or next(self._through_pivots(pair), ())
        if not route:  # two codes of one language, of which another one has this target
            raise UnsupportedLanguage(f"{pair.target} is not available from {pair.source}")
        return route

    def _named(self, name: str) -> KnownModel:
        for model in self.models:
            if model.name == name:
                return model
        raise InvalidRequest("Invalid request: model parameter names no model that is served here")

    def _direct(self, pair: LanguagePair) -> tuple[Step, ...]:
        for model in self._by_preference:
            if own := model.languages.own(pair):
                return (Step(model, own),)
        return ()

    def _through_pivots(self, pair: LanguagePair) -> Iterator[tuple[Step, ...]]:
        for pivot in self._pivots:
            first = self._direct(_pair(pair.source, pivot))
            second = self._direct(_pair(pivot, pair.target))
            if first and second:
                yield first + second


def _pair(source: str, target: str) -> LanguagePair:
    """Codes as they are: a pivot need not be spelt as a manifest would spell it."""
    return LanguagePair.model_construct(source=source, target=target)
