"""ISO 639: three letters for languages that have two, and one code for each of a model's own.

API clients say fr; models say fra_Latn, fr_XX, __fr__ or French.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

_TWO_LETTERS = """
aar aa abk ab afr af aka ak amh am ara ar arg an asm as ava av aym ay aze az bak ba bam bm bel be
ben bn bis bi bod bo bos bs bre br bul bg cat ca ces cs cha ch che ce chv cv cor kw cos co cre cr
cym cy dan da deu de div dv dzo dz ell el eng en epo eo est et eus eu ewe ee fao fo fas fa fij fj
fin fi fra fr fry fy ful ff gla gd gle ga glg gl glv gv grn gn guj gu hat ht hau ha heb he her hz
hin hi hrv hr hun hu hye hy ibo ig ido io iku iu ile ie ina ia ind id ipk ik isl is ita it jav jv
jpn ja kal kl kan kn kas ks kat ka kau kr kaz kk khm km kik ki kin rw kir ky kom kv kon kg kor ko
kua kj kur ku lao lo lat la lav lv lim li lin ln lit lt ltz lb lub lu lug lg mah mh mal ml mar mr
mkd mk mlg mg mlt mt mon mn mri mi msa ms mya my nau na nav nv nbl nr nde nd ndo ng nep ne nld nl
nno nn nob nb nya ny oci oc oji oj ori or orm om oss os pan pa pol pl por pt pus ps que qu roh rm
ron ro run rn rus ru sag sg san sa sin si slk sk slv sl sme se smo sm sna sn snd sd som so sot st
spa es sqi sq srd sc srp sr ssw ss sun su swa sw swe sv tah ty tam ta tat tt tel te tgk tg tgl tl
tha th tir ti ton to tsn tn tso ts tuk tk tur tr twi tw uig ug ukr uk urd ur uzb uz ven ve vie vi
vol vo wln wa wol wo xho xh yid yi yor yo zha za zho zh zul zu
cmn zh
"""

_STANDARD_FORMS = """
als sq arb ar ayr ay azj az dik din ekk et fuv ff gaz om khk mn kmr ku knc kr lvs lv npi ne ns nso
ory or pbt ps pes fa plt mg quy qu swh sw uzn uz ydd yi zsm ms
"""

_USUAL_SCRIPTS = {"zh": "Hans", "ar": "Arab", "ks": "Arab"}
"""Where a model has a language in several scripts, and Latin is not the one that goes unsaid."""


def _table(text: str) -> dict[str, str]:
    words = iter(text.split())
    return dict(zip(words, words, strict=True))


TWO_LETTERS: Final = _table(_TWO_LETTERS)
"""ISO 639-3 → ISO 639-1. Mandarin, cmn, is what zh stands for."""
STANDARD_FORMS: Final = _table(_STANDARD_FORMS)
"""What models have as the standard form of a language → the code that people use for it."""


def codes_of(names: Iterable[str]) -> dict[str, str]:
    """API code → a model's own code, for codes such as fra_Latn, fr_XX, pt_BR or __fr__.

    A script is left out unless the model has the language in several, or without any script too;
    regions are left out. Of several that have the same code the one in the usual script counts,
    and then the shortest one.
    """
    parts = {name: name.strip("_").split("_") for name in names}
    languages = {name: shortened(words[0]) for name, words in parts.items()}
    scripts = {name: words[1] if _has_script(words) else "" for name, words in parts.items()}
    best: dict[str, tuple[bool, int, str]] = {}
    for name, language in languages.items():
        others = {scripts[one] for one, code in languages.items() if code == language}
        unusual = scripts[name] != _usual_script(language, others)
        said = scripts[name] and len(others) > 1 and unusual
        code = f"{language}-{scripts[name]}" if said else language
        rank = unusual, len(name), name
        best[code] = min(best.get(code, rank), rank)
    return {code: name for code, (*_, name) in best.items()}


def _usual_script(language: str, scripts: Collection[str]) -> str:
    """The script that goes unsaid, of those that a model has a language in; "" for none."""
    usual = _USUAL_SCRIPTS.get(language)
    if usual not in scripts and "" in scripts:
        return ""
    return usual or "Latn"


def shortened(language: str) -> str:
    """Two letters where ISO 639-1 has some: fra → fr, zsm → ms."""
    language = language.lower()
    language = STANDARD_FORMS.get(language, language)
    return TWO_LETTERS.get(language, language)


def _has_script(words: list[str]) -> bool:
    return len(words) > 1 and len(words[1]) == len("Latn")
