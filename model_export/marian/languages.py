"""Tokens in front of the source that tell a model for several target languages which one is meant,
such as >>fra<<, as in OPUS-MT."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from model_export.errors import UnsupportedCheckpoint
from service.package.manifest import Conditioning, Language, LanguagePair
from service.text.language_codes import codes_of

LANGUAGE = re.compile(r">>(\w+)<<")


@dataclass(frozen=True, slots=True)
class Spoken:
    """Target languages that have a token, and where it goes."""

    languages: Mapping[str, Language] = field(default_factory=dict)
    conditioning: Conditioning = field(default_factory=Conditioning)


def spoken(file: str, ids: Mapping[str, int], pairs: tuple[LanguagePair, ...]) -> Spoken:
    """What the model is told of the pairs' target languages: nothing where it has no tokens for
    any.

    file: the source's vocabulary, for messages; ids: what is in it.

    Raises:
        UnsupportedCheckpoint: it has tokens for others.
    """
    tokens = {
        match[1]: number for token, number in ids.items() if (match := LANGUAGE.fullmatch(token))
    }
    if not tokens:
        return Spoken()
    known = {code: Language(name=own, token=tokens[own]) for code, own in codes_of(tokens).items()}
    lacking = sorted({pair.target for pair in pairs} - known.keys())
    if lacking:
        names = f"{', '.join(lacking)}; it has: {', '.join(sorted(known))}"
        raise UnsupportedCheckpoint([f"{file} has no token for {names}."])
    languages = {pair.target: known[pair.target] for pair in pairs}
    return Spoken(languages, Conditioning(before=["target"]))
