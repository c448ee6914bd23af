from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from service.errors import UnsupportedLanguage
from service.package.manifest import Language, LanguagePair
from service.text.language_codes import codes_of
from service.text.language_names import ENGLISH_NAMES
from service.text.languages import Languages, canonical, name


def languages(*pairs: str) -> Languages:
    """Languages of pairs written source:target."""
    return Languages(
        LanguagePair(source=source, target=target)
        for source, target in (pair.split(":") for pair in pairs)
    )


@pytest.mark.parametrize("source", ["fr", "FR", " fr ", "fr-FR", "fr_CA", "Fr-Latn-fr"[:5]])
@pytest.mark.parametrize("target", ["en", "EN-us", "en_GB"])
def test_a_code_finds_the_model_s(source: str, target: str) -> None:
    assert languages("fr:en").resolve(source, target) == LanguagePair(source="fr", target="en")


@pytest.mark.parametrize(
    ("has", "asked"),
    [
        ("pb", "pt-BR"),
        ("pt-BR", "pb"),
        ("pt-BR", "pt"),
        ("pt", "pt-BR"),
        ("pt", "pb"),
        ("zh", "zh-Hans"),
        ("zh-Hans", "zh"),
        ("zh", "zh-CN"),
        ("zt", "zh-Hant"),
        ("zh-Hant", "zt"),
        ("zh-Hant", "zh-TW"),
        ("he", "iw"),
    ],
)
def test_the_same_language_under_another_code(has: str, asked: str) -> None:
    served = languages(f"en:{has}")

    assert served.resolve("en", asked) == LanguagePair(source="en", target=has)


def test_a_variant_is_preferred_to_the_language() -> None:
    served = languages("en:pt", "en:pb")

    assert served.resolve("en", "pt-br").target == "pb"
    assert served.resolve("en", "pt-PT").target == "pt"


@pytest.mark.parametrize(("has", "asked"), [("zh", "zt"), ("zt", "zh"), ("sr-Latn", "sr-Cyrl")])
def test_a_script_does_not_stand_for_another(has: str, asked: str) -> None:
    with pytest.raises(UnsupportedLanguage):
        languages(f"en:{has}").resolve("en", asked)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("zz", "en", "zz is not supported"),
        ("fr", "zz", "zz is not supported"),
        ("", "en", " is not supported"),
        ("-", "en", "- is not supported"),
        ("x" * 1000, "en", "x" * 35 + " is not supported"),
        ("en", "fr", "French (fr) is not available as a target language from English (en)"),
    ],
)
def test_other_pairs_are_refused_in_libretranslate_s_words(
    source: str, target: str, message: str
) -> None:
    with pytest.raises(UnsupportedLanguage) as error:
        languages("fr:en").resolve(source, target)

    assert str(error.value) == message


MANY = {
    "en": Language(name="eng_Latn", token=5),
    "fr": Language(name="fra_Latn", token=6),
    "zh": Language(name="zho_Hans", token=7),
    "zh-Hant": Language(name="zho_Hant", token=8),
    "nb": Language(name="nob_Latn", token=9),
}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("fra_Latn", "fr"),
        ("FRA_latn", "fr"),
        ("fra", "fr"),
        ("fr-CA", "fr"),
        ("zho_Hant", "zh-Hant"),
        ("zt", "zh-Hant"),
        ("zh", "zh"),
        ("no", "nb"),
    ],
)
def test_the_model_s_own_names_are_understood(asked: str, code: str) -> None:
    served = Languages((), MANY, MANY, MANY)

    assert served.resolve("en", asked) == LanguagePair(source="en", target=code)


def test_every_source_is_translated_into_every_target() -> None:
    served = Languages([LanguagePair(source="de", target="fr")], ["en", "zh"], ["fr", "en"], MANY)

    assert {one["code"]: one["targets"] for one in served.listing()} == {
        "de": ["de", "fr"],
        "en": ["en", "fr"],
        "fr": ["fr"],
        "zh": ["en", "fr", "zh"],
    }
    with pytest.raises(UnsupportedLanguage, match="zho_Hant is not supported"):
        served.resolve("en", "zho_Hant")


def test_a_pair_of_one_language_is_translated_if_the_model_says_so() -> None:
    same = LanguagePair(source="en", target="en")

    assert languages("fr:en").leaves_alone(same)
    assert Languages((), ["en"], ["en"]).leaves_alone(same)
    assert not languages("en:en").leaves_alone(same)


def test_codes_for_a_model_s_own() -> None:
    own = ["fra_Latn", "zho_Hans", "zho_Hant", "arb_Arab", "ace_Arab", "ace_Latn", "zsm_Latn"]

    assert codes_of(own) == {
        "fr": "fra_Latn",
        "zh": "zho_Hans",
        "zh-Hant": "zho_Hant",
        "ar": "arb_Arab",
        "ace-Arab": "ace_Arab",
        "ace": "ace_Latn",
        "ms": "zsm_Latn",
    }
    assert codes_of(["fr_XX", "pt_BR", "__ceb__", "ns"]) == {
        "fr": "fr_XX",
        "pt": "pt_BR",
        "ceb": "__ceb__",
        "nso": "ns",
    }


@pytest.mark.parametrize("order", [sorted, partial(sorted, reverse=True)])
def test_the_plain_name_of_a_language_counts(order: Callable[[list[str]], list[str]]) -> None:
    own = [
        "en_xx_simple",
        "en",
        "hi_Latn",
        "hi",
        "zh",
        "zh_Latn",
        "zh_Hant",
        "fr",
        "fr_CA",
        "ff",
        "fuv",
    ]

    assert codes_of(order([*own, "ms", "ms_Arab", "ms_Arab_BN", "srp_Cyrl", "srp_Latn"])) == {
        "en": "en",
        "hi": "hi",
        "hi-Latn": "hi_Latn",
        "zh": "zh",
        "zh-Latn": "zh_Latn",
        "zh-Hant": "zh_Hant",
        "fr": "fr",
        "ff": "ff",
        "ms": "ms",
        "ms-Arab": "ms_Arab",
        "sr-Cyrl": "srp_Cyrl",
        "sr": "srp_Latn",
    }


def test_mandarin_is_chinese() -> None:
    own = ["cmn", "cmn_Hans", "cmn_Hant", "yue"]

    assert codes_of(own) == {"zh": "cmn_Hans", "zh-Hant": "cmn_Hant", "yue": "yue"}
    assert codes_of(own[:1]) == {"zh": "cmn"}
    made_before = Languages([LanguagePair(source="en", target="cmn-Hans")])
    assert made_before.resolve("en", "zh").target == "cmn-Hans"


@pytest.mark.parametrize("code", ["fr", "en"])
def test_every_language_is_its_own_target(code: str) -> None:
    assert languages("fr:en").resolve(code, code) == LanguagePair(source=code, target=code)


def test_the_listing_is_libretranslate_s() -> None:
    assert languages("fr:en", "fr:de").listing() == [
        {"code": "de", "name": "German", "targets": ["de"]},
        {"code": "en", "name": "English", "targets": ["en"]},
        {"code": "fr", "name": "French", "targets": ["de", "en", "fr"]},
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("fr", "French"),
        ("pb", "Portuguese (Brazil)"),
        ("zt", "Chinese (Traditional)"),
        ("zh", "Chinese"),
        ("de-AT", "German"),
        ("qqq", "qqq"),
    ],
)
def test_names(code: str, expected: str) -> None:
    assert name(code) == expected


def test_names_are_listed_under_codes_as_written_here() -> None:
    assert all(canonical(code) in {code, "zh-Hans"} for code in ENGLISH_NAMES)


def together(*models: Sequence[str], pivots: Sequence[str] = ()) -> dict[str, set[str]]:
    """Models by their pairs (`fr>en`), and what can be translated into what by all of them."""
    parts = [Languages([_pair(one) for one in model]) for model in models]
    listing = Languages.together(parts, pivots).listing()
    return {one["code"]: set(one["targets"]) - {one["code"]} for one in listing}


def _pair(pair: str) -> LanguagePair:
    source, target = pair.split(">")
    return LanguagePair(source=source, target=target)


def test_several_models_have_the_languages_of_all() -> None:
    assert together(["fr>en"], ["de>en", "en>de"]) == {"de": {"en"}, "en": {"de"}, "fr": {"en"}}


def test_codes_of_one_language_are_one_language() -> None:
    assert together(["pb>en"], ["pt-BR>fr", "de>pt-BR"]) == {
        "de": {"pb"},
        "en": set(),
        "fr": set(),
        "pb": {"en", "fr"},
    }
    models = [Languages([_pair("pb>en")]), Languages([_pair("pt-BR>fr")])]
    served = Languages.together(models)
    assert [one.own(served.resolve("pt_br", "fr")) for one in models] == [None, _pair("pt-BR>fr")]
    assert models[0].own(_pair("pb>pb")) is None


def test_pivots_add_pairs_in_one_step() -> None:
    models = ["fr>en"], ["en>de"], ["de>es"], ["en>fr"]
    assert together(*models, pivots=["EN"]) == {
        "de": {"es"},
        "en": {"de", "fr"},
        "es": set(),
        "fr": {"en", "de"},
    }
    assert together(*models, pivots=["en", "de", "xx"])["fr"] == {"en", "de"}
    assert together(*models, pivots=["en", "de", "xx"])["en"] == {"de", "fr", "es"}


def test_names_of_all_models_will_do_and_so_do_their_own_pairs() -> None:
    named = Languages((), ["fr"], ["en"], {"fr": Language(name="fra_Latn")})
    served = Languages.together([named, Languages([_pair("en>en")])])
    assert served.known("FRA_latn") == "fr"
    assert not served.leaves_alone(_pair("en>en"))
    assert served.leaves_alone(_pair("fr>fr"))
    assert (named.directions, served.directions) == (1, 1)
