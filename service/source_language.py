"""The use case: texts whose language the client does not know."""

from __future__ import annotations

from asyncio import TaskGroup
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from service.access.account import charged
from service.catalogue.catalogue import Catalogue
from service.domain import DetectedLanguage, Format, TextTranslation, TranslationRequest
from service.text.document import document
from service.text.language_detection import LanguageDetector
from service.text.languages import Languages
from service.text.protection import NOTHING

LEFT_ALONE_FROM = 0.2
"""A text is only taken to be in the target language already, and left as it is, with this
confidence. DECISIONS.md has the figures."""
FALLBACK = "en"


class TextTranslator(Protocol):
    """Texts in, translated texts out."""

    async def translate(self, request: TranslationRequest) -> list[TextTranslation]:
        """One translation for each text, in order."""

    def leaves_alone(self, request: TranslationRequest) -> bool:
        """Whether nothing is to be done, because source and target are the same.

        Raises:
            UnsupportedLanguage: no model translates this pair.
        """


@dataclass(frozen=True, slots=True)
class ServedLanguages:
    """What can be translated, as of some moment."""

    languages: Languages
    source_languages: SourceLanguages | None
    """None where languages are not detected."""


class CurrentLanguages:
    """The languages of the models that are served now. Used on the event loop only."""

    def __init__(self, catalogue: Catalogue, detector: LanguageDetector | None) -> None:
        """detector: None where languages are not detected."""
        self._catalogue = catalogue
        self._detector = detector
        self._routes = catalogue.routes
        self._all = self._served(self._routes.languages)

    def all(self) -> ServedLanguages:
        """Those of all models."""
        if self._routes is not self._catalogue.routes:
            self._routes = self._catalogue.routes
            self._all = self._served(self._routes.languages)
        return self._all

    def of(self, model: str) -> ServedLanguages:
        """Those of the model of this name; of all, if it is empty.

        Raises:
            InvalidRequest: no model of this name is served.
        """
        if not model:
            return self.all()
        return self._served(self._catalogue.routes.languages_of(model))

    def _served(self, languages: Languages) -> ServedLanguages:
        detector = self._detector
        return ServedLanguages(
            languages, None if detector is None else SourceLanguages(languages, detector)
        )


class SourceLanguages:
    """Finds the language of texts among those that the model has. It holds no state."""

    def __init__(self, languages: Languages, detector: LanguageDetector) -> None:
        self._languages = languages
        self._detector = detector
        self._targets = {one["code"]: frozenset(one["targets"]) for one in languages.listing()}

    def of_text(self, text: str) -> list[DetectedLanguage]:
        """All languages of the model, the most probable one first. It has at least one."""
        return self._detector.rank(text, _fallback_first(self._targets))

    def for_target(
        self, texts: Sequence[str], target: str, form: Format = Format.TEXT
    ) -> list[DetectedLanguage]:
        """What to translate each text from: the most probable language that has this target.

        form: of the texts; markup is in no language.

        A text that seems to be in the target language already is in it only if that is sure enough;
        where it is not, being translated in vain does less harm than not being translated.

        Raises:
            UnsupportedLanguage: the model does not translate into the target.
        """
        code = self._languages.known(target)
        sources = [one for one in _fallback_first(self._targets) if code in self._targets[one]]
        words = (document(text, form, NOTHING).words for text in texts)
        return [self._best(text, sources, code) for text in words]

    def _best(self, text: str, sources: Sequence[str], target: str) -> DetectedLanguage:
        best, *others = self._detector.rank(text, sources)
        unsure = best.language == target and 0 < best.confidence < LEFT_ALONE_FROM
        return others[0] if unsure and others else best


async def translate_each(
    translator: TextTranslator, request: TranslationRequest, sources: Sequence[str]
) -> list[TextTranslation]:
    """Translate each text from a language of its own.

    Raises:
        QuotaExceeded: the key of the request has too few characters left for all of them.
        ServiceError: what the translator raises, and nothing is translated any further.
    """
    places: dict[str, list[int]] = {}
    for place, source in enumerate(sources):
        places.setdefault(source, []).append(place)
    parts = {source: _part(request, source, where) for source, where in places.items()}
    work = [one for one in parts.values() if not translator.leaves_alone(one)]
    with charged(sum(len(text) for one in work for text in one.texts)):  # for all, or for none
        found = await _all_translated(translator, parts)
    translations = {
        place: one
        for source, where in places.items()
        for place, one in zip(where, found[source], strict=True)
    }
    return [translations[place] for place in range(len(sources))]


async def _all_translated(
    translator: TextTranslator, parts: Mapping[str, TranslationRequest]
) -> dict[str, list[TextTranslation]]:
    try:
        async with TaskGroup() as group:
            tasks = {
                source: group.create_task(translator.translate(part))
                for source, part in parts.items()
            }
    except* Exception as failures:
        raise failures.exceptions[0] from None
    return {source: task.result() for source, task in tasks.items()}


def _part(request: TranslationRequest, source: str, places: Sequence[int]) -> TranslationRequest:
    prefixes = request.textual.target_prefixes
    return replace(
        request,
        source=source,
        texts=tuple(request.texts[place] for place in places),
        kept=tuple(request.kept[place] for place in places) if request.kept else (),
        textual=replace(
            request.textual,
            target_prefixes=tuple(prefixes[place] for place in places) if prefixes else (),
        ),
    )


def _fallback_first(codes: Mapping[str, object]) -> list[str]:
    """English first, as LibreTranslate does: the language of a text that has no letters."""
    return sorted(codes, key=lambda code: (code != FALLBACK, code))
