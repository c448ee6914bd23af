"""Language codes: what clients send, what the model has, and what people call it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from service.errors import UnsupportedLanguage
from service.package.manifest import Language, LanguagePair
from service.text.language_codes import TWO_LETTERS, shortened
from service.text.language_names import ENGLISH_NAMES

_LONGEST_CODE = 35
"""RFC 5646 says that 35 characters hold every code; more of a wrong one is not repeated."""

_SAME = {
    # LibreTranslate's own
    "pb": "pt-BR",
    "zt": "zh-Hant",
    # the script that is meant
    "zh": "zh-Hans",
    "zh-CN": "zh-Hans",
    "zh-SG": "zh-Hans",
    "zh-HK": "zh-Hant",
    "zh-MO": "zh-Hant",
    "zh-TW": "zh-Hant",
    # replaced in ISO 639
    "in": "id",
    "iw": "he",
    "ji": "yi",
}

_OTHER_NAME = {"no": "nb", "nb": "no"}
"""Norwegian, which is nearly always Bokmål."""


class ListedLanguage(TypedDict):
    """An entry of GET /languages."""

    code: str
    name: str
    targets: list[str]


class Languages:
    """The languages of a model, under the codes of its manifest."""

    def __init__(
        self,
        pairs: Iterable[LanguagePair],
        sources: Iterable[str] = (),
        targets: Iterable[str] = (),
        languages: Mapping[str, Language] | None = None,
    ) -> None:
        """sources, targets: each of the ones into each of the others; languages: by code, with the
        model's own names, which clients may use too."""
        targets = set(targets)
        self._targets: dict[str, set[str]] = {code: {code} for code in targets}
        self._targets |= {code: targets | {code} for code in sources}
        self._within: set[str] = set()  # languages that are translated into themselves
        for pair in pairs:
            self._targets.setdefault(pair.source, {pair.source}).add(pair.target)
            self._targets.setdefault(pair.target, {pair.target})
            if pair.source == pair.target:
                self._within.add(pair.source)
        self._codes = {canonical(code): code for code in self._targets}
        named = (languages or {}).items()
        self._own = {one.name.lower(): code for code, one in named if code in self._targets}

    @classmethod
    def together(cls, parts: Sequence[Languages], pivots: Sequence[str] = ()) -> Languages:
        """The languages of several models, each under the code that the first one has for it.

        pivots: as clients write them; whatever is translated into one of them is translated on into
        all that it is translated into.
        """
        found = cls(())
        for part in parts:
            found._add(part)
        direct = {source: set(targets) for source, targets in found._targets.items()}
        spelt = (found._codes.get(canonical(one)) for one in pivots)
        for pivot in filter(None, spelt):
            for source, targets in direct.items():
                if pivot in targets:
                    found._targets[source] |= direct[pivot]
        return found

    @property
    def directions(self) -> int:
        """How many pairs of two languages there are."""
        return sum(len(targets - {source}) for source, targets in self._targets.items())

    def own(self, pair: LanguagePair) -> LanguagePair | None:
        """The model's own codes for a pair, if it is one that it translates."""
        source, target = (self._codes.get(canonical(code)) for code in (pair.source, pair.target))
        if source is None or target is None or target not in self._targets[source]:
            return None
        own = LanguagePair(source=source, target=target)
        return None if self.leaves_alone(own) else own

    def _add(self, part: Languages) -> None:
        codes = {own: self._codes.setdefault(canonical(own), own) for own in part._targets}
        for source, targets in part._targets.items():
            known = self._targets.setdefault(codes[source], {codes[source]})
            known |= {codes[target] for target in targets}
        self._within |= {codes[code] for code in part._within}
        self._own = {name: codes[code] for name, code in part._own.items()} | self._own

    def leaves_alone(self, pair: LanguagePair) -> bool:
        """Whether nothing is to be done, because source and target are the same.

        A model may have been made for such a pair, to correct or to shorten texts, say.
        """
        return pair.source == pair.target and pair.source not in self._within

    def resolve(self, source: str, target: str) -> LanguagePair:
        """The model's pair for the codes that a client sent.

        Case does not matter, and the model's own names will do. A code that the model lacks stands
        for the same language under
        another code (pt-BR and pb), without its region (fr-CA for a model of fr), or in a region
        where the client names none. A language is its own target too: nothing is to be done then.

        Raises:
            UnsupportedLanguage: in LibreTranslate's words.
        """
        known_source, known_target = self.known(source), self.known(target)
        if known_target not in self._targets[known_source]:
            raise UnsupportedLanguage(
                f"{name(known_target)} ({known_target}) is not available as a target language "
                f"from {name(known_source)} ({known_source})"
            )
        return LanguagePair(source=known_source, target=known_target)

    def listing(self) -> list[ListedLanguage]:
        """Every language, by code, with its targets by code, itself among them."""
        return [
            {"code": code, "name": name(code), "targets": sorted(targets)}
            for code, targets in sorted(self._targets.items())
        ]

    def known(self, code: str) -> str:
        """The model's code for the one that a client sent; see resolve().

        Raises:
            UnsupportedLanguage: the model has no such language.
        """
        own = code.strip().lower()
        if own in self._own:
            return self._own[own]
        wanted = canonical(code)
        language, _, rest = wanted.partition("-")
        candidates = [wanted, canonical(_without_region(wanted)), shortened(language)]
        candidates += [_OTHER_NAME[language]] if language in _OTHER_NAME else []
        if not rest:
            candidates += [one for one in sorted(self._codes) if _without_region(one) == language]
        for candidate in candidates:
            if candidate in self._codes:
                return self._codes[candidate]
        raise UnsupportedLanguage(f"{code[:_LONGEST_CODE]} is not supported")


def canonical(code: str) -> str:
    """One spelling for all codes of a language: fr_fr → fr-FR, ZH-TW → zh-Hant, pb → pt-BR."""
    language, *rest = code.strip().replace("_", "-").split("-")
    language = language.lower()
    spelt = "-".join([TWO_LETTERS.get(language, language), *map(_spelt, rest)])
    return _SAME.get(spelt, spelt)


def name(code: str) -> str:
    """English name of a language; the code itself where none is known."""
    spelt = canonical(code)
    return (
        ENGLISH_NAMES.get(code)
        or ENGLISH_NAMES.get(spelt)
        or ENGLISH_NAMES.get(spelt.partition("-")[0])
        or code
    )


def _spelt(subtag: str) -> str:
    return subtag.title() if _is_script(subtag) else subtag.upper()


def _is_script(subtag: str) -> bool:
    return len(subtag) == len("Latn")


def _without_region(code: str) -> str:
    """Language and script: only a region is left out, since readers of one script may not read
    another."""
    language, *rest = code.split("-")
    return "-".join([language, *filter(_is_script, rest)])
