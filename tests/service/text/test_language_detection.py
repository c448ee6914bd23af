from __future__ import annotations

import threading

import pytest

from service.text.language_codes import STANDARD_FORMS
from service.text.language_detection import LanguageDetector
from tests.conftest import DATA

SENTENCES = {
    "ar": "أين تقع محطة القطار؟",
    "de": "Wo ist der Bahnhof, bitte?",
    "en": "Where is the train station, please?",
    "es": "¿Dónde está la estación de tren?",
    "fr": "Où se trouve la gare, s'il vous plaît ?",
    "it": "Dove si trova la stazione ferroviaria?",
    "ja": "駅はどこですか。",
    "nb": "Hvor er jernbanestasjonen?",
    "pl": "Gdzie jest dworzec kolejowy?",
    "pt": "Onde fica a estação de comboios?",
    "ru": "Где находится вокзал?",
    "uk": "Де знаходиться залізничний вокзал?",
    "zh": "请问火车站在哪里？",
}


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector.load()


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences(detector: LanguageDetector, language: str) -> None:
    best = detector.rank(SENTENCES[language], SENTENCES)[0]
    assert best.language == language
    assert best.confidence > 0.5


def test_only_given_languages_are_found_and_others_lower_the_confidence(
    detector: LanguageDetector,
) -> None:
    ranked = detector.rank(SENTENCES["de"], ["fr", "en"])
    assert {one.language for one in ranked} == {"fr", "en"}
    assert all(one.confidence < 0.05 for one in ranked)


def test_figures_and_quotes_do_not_confuse_it(detector: LanguageDetector) -> None:
    plain, with_figures = (
        detector.rank(text, ["en", "fr"])[0]
        for text in ("Le chat dort", "« Le chat » dort (29), 12.")
    )
    assert plain == with_figures


@pytest.mark.parametrize("text", ["", " \n", "12 345", "😀", "?!", "\x00"])
def test_text_without_letters_has_no_language(detector: LanguageDetector, text: str) -> None:
    ranked = detector.rank(text, ["en", "fr"])
    assert [(one.language, one.confidence) for one in ranked] == [("en", 0.0), ("fr", 0.0)]


def test_any_text_is_answered(detector: LanguageDetector) -> None:
    for text in ("a\nb\rc\x0bd", "\x00bonjour\x00", "x" * 100_000, "__label__de", "</s>"):
        ranked = detector.rank(text, SENTENCES)
        assert sorted(one.language for one in ranked) == sorted(SENTENCES)
        assert all(0 <= one.confidence <= 1 for one in ranked)


@pytest.mark.parametrize(
    ("text", "codes", "expected"),
    [
        (SENTENCES["zh"], ["zh-Hant", "zh"], "zh"),
        ("請問火車站在哪裡？這個問題很難。", ["zh", "zh-Hant"], "zh-Hant"),
        ("請問火車站在哪裡？這個問題很難。", ["zh", "zt"], "zt"),
        (SENTENCES["pt"], ["pt-br", "pt"], "pt"),
        (SENTENCES["pt"], ["en", "pt-br"], "pt-br"),
        (SENTENCES["nb"], ["en", "no"], "no"),
        ("Ku është stacioni i trenit?", ["en", "sq"], "sq"),
    ],
)
def test_variants_of_a_language(
    detector: LanguageDetector, text: str, codes: list[str], expected: str
) -> None:
    assert detector.rank(text, codes)[0].language == expected


def test_a_language_that_fasttext_lacks_is_never_found(detector: LanguageDetector) -> None:
    ranked = detector.rank("Ngiyabonga kakhulu.", ["en", "zu"])
    assert (ranked[1].language, ranked[1].confidence) == ("zu", 0.0)
    assert "als" in STANDARD_FORMS  # Tosk Albanian; fastText's label als is Alemannic
    assert detector.rank("Ech ha di gärn", ["sq"])[0].confidence < 0.1


def test_accuracy_on_sentences_and_pieces_of_them(detector: LanguageDetector) -> None:
    """Lower bounds; DECISIONS.md has the figures for larger sets."""
    lines = {
        language: (DATA / "text" / f"tatoeba.{language}").read_text(encoding="utf-8").splitlines()
        for language in ("fr", "en")
    }
    assert _accuracy(detector, lines) > 0.97
    pieces = {
        language: [" ".join(line.split()[:2]) for line in found]
        for language, found in lines.items()
    }
    assert _accuracy(detector, pieces) > 0.9


def _accuracy(detector: LanguageDetector, lines: dict[str, list[str]]) -> float:
    found = [
        detector.rank(line, lines)[0].language == language
        for language, own in lines.items()
        for line in own
    ]
    return sum(found) / len(found)


def test_threads_share_it(detector: LanguageDetector) -> None:
    wrong: list[str] = []

    def work() -> None:
        wrong.extend(
            language
            for language in list(SENTENCES) * 20
            if detector.rank(SENTENCES[language], SENTENCES)[0].language != language
        )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
