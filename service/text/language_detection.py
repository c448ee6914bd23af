"""Which language a text is in, by fastText's language identification (lid.176.ftz).

Joulin et al., Bag of Tricks for Efficient Text Classification, arXiv:1607.01759.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from service.domain import DetectedLanguage
from service.text.language_codes import shortened
from service.text.languages import canonical

MODEL = Path(__file__).parent / "lid.176.ftz"
LONGEST = 5_000
"""Characters at a text's beginning that tell its language; a thousand take 50 µs."""

_NO_LETTERS = string.digits + string.punctuation + "…«»“”„‘’‹›¿¡–—、。，！？；：（）「」《》·।"
_PREFIX = "__label__"
_LABELS = {"nb": "no", "fil": "tl", "bho": "bh"}
"""What fastText has under another code than everybody else."""


class Classifier(Protocol):
    """fastText's model, as far as it is used."""

    def predict(self, text: str, k: int) -> tuple[Sequence[str], Sequence[float]]:
        """Labels and their probabilities; k = -1 gives all."""


class LanguageDetector:
    """Tells languages apart. Safe for any number of threads: it only reads."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    @classmethod
    def load(cls) -> LanguageDetector:
        """Read the model that comes with the package."""
        import fasttext  # only where languages are detected

        return cls(fasttext.load_model(str(MODEL)))

    def rank(self, text: str, languages: Iterable[str]) -> list[DetectedLanguage]:
        """These languages, the most probable one first.

        The confidence is the probability among all 176 languages that fastText knows, not only
        among these: it is small when the text seems to be in yet another language. It is 0 for a
        language that fastText does not know, and for all if the text has no letters. Of equally
        probable languages the one named first comes first.
        """
        text = text[:LONGEST]
        probabilities = self._probabilities(text) if any(map(str.isalpha, text)) else {}
        found = [_Candidate(code, text, probabilities) for code in languages]
        found.sort(key=lambda one: (one.probability, one.fits), reverse=True)
        return [DetectedLanguage(one.code, min(1.0, one.probability)) for one in found]

    def _probabilities(self, text: str) -> dict[str, float]:
        labels, probabilities = self._classifier.predict(_words(text), k=-1)
        return {
            label.removeprefix(_PREFIX): float(probability)
            for label, probability in zip(labels, probabilities, strict=True)
        }


def _words(text: str) -> str:
    """One line, which is a document to fastText. Figures and quotes tell nothing, but do confuse
    it."""
    words = (word.strip(_NO_LETTERS) for word in text.lower().split())
    return " ".join(word for word in words if word)


class _Candidate:
    """A language that a text may be in."""

    def __init__(self, code: str, text: str, probabilities: dict[str, float]) -> None:
        label, self._variant = _label_and_variant(code)
        self.code = code
        self.probability = probabilities.get(label, 0.0)
        self._text = text

    @property
    def fits(self) -> float:
        """How well the text fits to this variant of the language; plain ones are preferred."""
        match self._variant:
            case "":
                return 1.0
            case "Hans":
                return 2.0 + _share_in("gb2312", self._text)
            case "Hant":
                return 2.0 + _share_in("big5", self._text)
            case _:
                return 0.0


@lru_cache(maxsize=1024)
def _label_and_variant(code: str) -> tuple[str, str]:
    language, _, variant = canonical(code).partition("-")
    language = shortened(language)
    return _LABELS.get(language, language), variant


def _share_in(charset: str, text: str) -> float:
    """Share of the characters that a charset has: GB 2312 is simplified Chinese, Big5 is not."""
    return len(text.encode(charset, "ignore").decode(charset)) / max(1, len(text))
